/* SPDX-License-Identifier: Apache-2.0 */
/* render.c - draws the demo's two data sets, laid out as MVTec AD is:
 *
 *     OUT_DIR/screw/train/good/000.png ...            good ones to learn from
 *     OUT_DIR/screw/test/good/000.png ...             good ones to be let through
 *     OUT_DIR/screw/test/DEFECT/000.png ...           defective ones to be found
 *     OUT_DIR/screw/ground_truth/DEFECT/000_mask.png  where the defect is
 *     OUT_DIR/pasta/...
 *
 * The same seed gives the same bytes, and picture K of a folder is the same however many are asked for. */
#include "plate.h"

#include <dinopatch/io.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    const char *folder, *set;
    size_t seed, size, train, good, bad;
};

static const char usage[] =
    "usage: dinopatch-demo-render OUT_DIR [--seed S] [--size N] [--train N] [--good N] [--bad N]\n"
    "                             [--set screw|pasta]\n"
    "\n"
    "Draws two data sets, screw and pasta, with good and defective pictures and masks.\n"
    "  --seed S    another S, other pictures (1)\n"
    "  --size N    side of a picture in pixels (448)\n"
    "  --train N   good pictures to learn from, per set (20)\n"
    "  --good N    good pictures to test with, per set (15)\n"
    "  --bad N     defective pictures to test with, per set (24)\n"
    "  --set NAME  this set alone\n";

struct subject {
    const char *name;
    bool (*draw)(struct plate *plate, struct chance *c, size_t kind);
    const char *const *defects;
};

/* The sensor: a lens that is not quite sharp, shot and read-out noise, the sRGB curve. */
static void expose(const struct plate *p, float *work, struct chance *c, double read_noise, uint8_t *rgb)
{
    blur(p->light, work, p->size, 3, 0.55);
    for (size_t i = 0; i < 3 * p->size * p->size; i++) {
        double light = clamp01((double)p->light[i]);
        light = clamp01(light + normal(c) * sqrt(0.00012 * light + read_noise * read_noise));
        double srgb = light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
        rgb[i] = (uint8_t)lround(255 * srgb);
    }
}

/* Makes path and what is above it. */
static bool make_folder(const char *path)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
            fprintf(stderr, "dinopatch-demo-render: %s: %s\n", folder, strerror(errno));
            return false;
        }
        if (!slash)
            return true;
        *slash = '/';
    }
}

/* Which picture of a set. */
struct shot {
    const char *part, *defect; /* folder; defect NULL: a good picture */
    size_t kind, index;
    uint64_t stream; /* of random numbers */
};

/* One picture into SET/PART/000.png, its mask into SET/ground_truth/DEFECT/000_mask.png. */
static bool draw_one(const struct options *o, const struct subject *subject, const struct shot *shot, float *planes,
                     uint8_t *bytes)
{
    size_t pixels = o->size * o->size;
    struct plate p = {.size = o->size, .light = planes, .mask = planes + 3 * pixels};
    memset(planes, 0, 4 * pixels * sizeof *planes);
    struct chance c = {(uint64_t)o->seed * UINT64_C(0x2545f4914f6cdd1d) ^ shot->stream << 40
                       ^ (uint64_t)shot->index << 8};
    uniform(&c, 0, 1);
    if (!subject->draw(&p, &c, shot->kind)) {
        fprintf(stderr, "dinopatch-demo-render: not enough memory\n");
        return false;
    }
    expose(&p, planes + 4 * pixels, &c, uniform(&c, 0.004, 0.008), bytes);

    char path[4096];
    dp_error err = {0};
    dp_picture picture = {.width_px = o->size, .height_px = o->size, .rgb = bytes};
    snprintf(path, sizeof path, "%s/%s/%s/%03zu.png", o->folder, subject->name, shot->part, shot->index);
    if (dp_picture_save_png(&picture, path, &err)) {
        fprintf(stderr, "dinopatch-demo-render: %s\n", err.message);
        return false;
    }
    if (!shot->defect)
        return true;
    size_t marked = 0;
    for (size_t i = 0; i < pixels; i++)
        marked += (bytes[i] = p.mask[i] > 0.5f ? 255 : 0) != 0;
    if (marked == 0)
        fprintf(stderr, "dinopatch-demo-render: %s: the defect cannot be seen\n", path);
    snprintf(path, sizeof path, "%s/%s/ground_truth/%s/%03zu_mask.png", o->folder, subject->name, shot->defect,
             shot->index);
    if (dp_gray_save_png(bytes, o->size, o->size, path, &err)) {
        fprintf(stderr, "dinopatch-demo-render: %s\n", err.message);
        return false;
    }
    return true;
}

static bool draw_set(const struct options *o, const struct subject *subject, uint64_t stream, float *planes,
                     uint8_t *bytes)
{
    const struct {
        const char *part;
        size_t n;
    } good[] = {{"train/good", o->train}, {"test/good", o->good}};
    char folder[4096], part[256];
    for (size_t g = 0; g < 2; g++) {
        snprintf(folder, sizeof folder, "%s/%s/%s", o->folder, subject->name, good[g].part);
        if (!make_folder(folder))
            return false;
        for (size_t i = 0; i < good[g].n; i++)
            if (!draw_one(o, subject, &(struct shot){good[g].part, NULL, 0, i, stream + g}, planes, bytes))
                return false;
    }
    size_t kinds = 0;
    while (subject->defects[kinds])
        kinds++;
    for (size_t k = 0; k < kinds; k++) {
        snprintf(part, sizeof part, "test/%s", subject->defects[k]);
        snprintf(folder, sizeof folder, "%s/%s/%s", o->folder, subject->name, part);
        size_t n = o->bad / kinds + (k < o->bad % kinds);
        if (n == 0)
            continue;
        if (!make_folder(folder))
            return false;
        snprintf(folder, sizeof folder, "%s/%s/ground_truth/%s", o->folder, subject->name, subject->defects[k]);
        if (!make_folder(folder))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!draw_one(o, subject, &(struct shot){part, subject->defects[k], k + 1, i, stream + 2 + k}, planes,
                          bytes))
                return false;
    }
    return true;
}

static bool parse_number(const char *text, size_t least, size_t most, size_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = text && text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (!text || text[0] < '0' || text[0] > '9' || *end || errno || value < least || value > most)
        return false;
    *number = (size_t)value;
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    const struct {
        const char *name;
        size_t *value, least, most;
    } known[] = {{"--seed", &o->seed, 0, UINT32_MAX},
                 {"--size", &o->size, 64, 4096},
                 {"--train", &o->train, 0, 999},
                 {"--good", &o->good, 0, 999},
                 {"--bad", &o->bad, 0, 999}};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && !o->folder) {
            o->folder = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--set") == 0) {
            o->set = argv[++i];
            if (!o->set || (strcmp(o->set, "screw") != 0 && strcmp(o->set, "pasta") != 0)) {
                fprintf(stderr, "dinopatch-demo-render: --set needs screw or pasta\n");
                return false;
            }
            continue;
        }
        size_t k = 0;
        while (k < sizeof known / sizeof known[0] && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k == sizeof known / sizeof known[0]) {
            fprintf(stderr, "dinopatch-demo-render: %s is not understood\n%s", argv[i], usage);
            return false;
        }
        if (!parse_number(argv[++i], known[k].least, known[k].most, known[k].value)) {
            fprintf(stderr, "dinopatch-demo-render: %s needs a number from %zu to %zu\n", known[k].name, known[k].least,
                    known[k].most);
            return false;
        }
    }
    if (!o->folder)
        fputs(usage, stderr);
    return o->folder != NULL;
}

int main(int argc, char **argv)
{
    static const struct subject subjects[] = {{"screw", draw_screw, screw_defects},
                                              {"pasta", draw_pasta, pasta_defects}};
    struct options o = {.seed = 1, .size = 448, .train = 20, .good = 15, .bad = 24};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &o))
        return 2;
    size_t pixels = o.size * o.size;
    float *planes = malloc(7 * pixels * sizeof *planes); /* light 3, mask 1, work 3 */
    uint8_t *bytes = malloc(3 * pixels);
    bool good = planes && bytes;
    if (!good)
        fprintf(stderr, "dinopatch-demo-render: not enough memory\n");
    for (size_t s = 0; good && s < 2; s++)
        good =
            (o.set && strcmp(o.set, subjects[s].name) != 0) || draw_set(&o, &subjects[s], 16 * (s + 1), planes, bytes);
    free(planes);
    free(bytes);
    return good ? 0 : 1;
}
