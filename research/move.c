/* SPDX-License-Identifier: Apache-2.0 */
/* move.c - pictures moved by known transforms, so that it can be measured how exactly their pose is found.
 *
 *     move OUT TURN SHIFT GROWTH SEED PICTURE...
 *
 * Each picture is laid in the middle of a square that holds it however it is turned, what surrounds it continued from its border, then turned by up
 * to TURN degrees to either side, shifted by up to SHIFT of its sides and grown by a factor from 1 / GROWTH to GROWTH.  Writes OUT/NAME.png and
 * prints a line for each: name, degrees, shift right and down in pixels, factor, side of the square. */
#include "dinopatch/io.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* In [-1, 1), SplitMix64. */
static double drawn(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

static double clamp(double x, size_t n)
{
    return fmax(0, fmin(x, (double)n - 1));
}

/* Bilinear, the border repeated. */
static double sample(const dp_picture *p, double x, double y, size_t c)
{
    x = clamp(x, p->width_px);
    y = clamp(y, p->height_px);
    const size_t x0 = (size_t)x, y0 = (size_t)y, x1 = x0 + 1 < p->width_px ? x0 + 1 : x0,
                 y1 = y0 + 1 < p->height_px ? y0 + 1 : y0;
    const double fx = x - (double)x0, fy = y - (double)y0;
    const uint8_t *above = p->rgb + 3 * y0 * p->width_px + c, *below = p->rgb + 3 * y1 * p->width_px + c;
    return (1 - fy) * ((1 - fx) * above[3 * x0] + fx * above[3 * x1])
           + fy * ((1 - fx) * below[3 * x0] + fx * below[3 * x1]);
}

static int move(const char *path, const char *out, const double limits[3])
{
    dp_error err = {0};
    dp_picture *in = NULL, *made = NULL;
    if (dp_picture_load(path, (size_t)1 << 28, &in, &err)) {
        fprintf(stderr, "move: %s\n", err.message);
        return 4;
    }
    const double w = (double)in->width_px, h = (double)in->height_px;
    const double turn = limits[0] * drawn() * M_PI / 180, right = limits[1] * w * drawn(),
                 down = limits[1] * h * drawn(), factor = pow(limits[2], drawn());
    const size_t side = (size_t)ceil(hypot(w, h));
    int failed = dp_picture_new(side, side, &made, &err);
    const double c = cos(turn) / factor, s = sin(turn) / factor, middle = ((double)side - 1) / 2;
    for (size_t y = 0; y < side && !failed; y++)
        for (size_t x = 0; x < side; x++) {
            const double dx = (double)x - middle - right, dy = (double)y - middle - down;
            for (size_t k = 0; k < 3; k++)
                made->rgb[3 * (y * side + x) + k] =
                    (uint8_t)(sample(in, (w - 1) / 2 + c * dx + s * dy, (h - 1) / 2 + c * dy - s * dx, k) + 0.5);
        }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char target[4096];
    snprintf(target, sizeof target, "%s/%.*s.png", out, (int)strcspn(name, "."), name);
    failed = failed || dp_picture_save_png(made, target, &err);
    if (failed)
        fprintf(stderr, "move: %s\n", err.message);
    else
        printf("%s %.9g %.9g %.9g %.9g %zu\n", target, turn * 180 / M_PI, right, down, factor, side);
    dp_picture_free(&in);
    dp_picture_free(&made);
    return failed ? 4 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: move OUT TURN SHIFT GROWTH SEED PICTURE...\n");
        return 2;
    }
    const double limits[3] = {strtod(argv[2], NULL), strtod(argv[3], NULL), strtod(argv[4], NULL)};
    state = strtoull(argv[5], NULL, 10);
    int failed = 0;
    for (int i = 6; i < argc && !failed; i++)
        failed = move(argv[i], argv[1], limits);
    return failed;
}
