/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch metrics - computes the figures of given scores and labels, maps and masks.
 *
 * The file is a JSON object with one or both of
 *      "image_level": {NAME: {"scores": [...], "labels": [...]}, ...}, or one such set without a name
 *      "pixel_level": {"shape": [maps, height, width], "maps": [[...], ...], "masks": [[...], ...]}
 * A map and a mask hold height * width numbers, row by row (a row may be a list of its own). A label or mask value
 * other than 0 means anomalous. The answer has the same two objects, with figures in place of the data. */
#include "cli.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct metrics_options {
    const char *path;
    cli_number resamples, confidence, seed;
};

/* Complains about the place `where` inside the file. */
G_GNUC_PRINTF(3, 4) static bool wrong(const struct metrics_options *options, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *reason = g_strdup_vprintf(format, args), *place = g_utf8_make_valid(where, -1);
    cli_complain("%s: %s: %s", options->path, place, reason);
    g_free(reason);
    g_free(place);
    va_end(args);
    return false;
}

/* Copies the numbers of a list, and of the lists inside it, to out; at most `room` of them. *n counts all. */
/* NOLINTNEXTLINE(misc-no-recursion): Jansson reads at most 2048 levels */
static bool read_numbers(const struct metrics_options *options, const char *where, const json_t *list, double *out,
                         size_t room, size_t *n)
{
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        if (json_is_array(value)) {
            if (!read_numbers(options, where, value, out, room, n))
                return false;
        } else if (json_is_number(value) || json_is_boolean(value)) {
            if (*n < room)
                out[*n] = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
            ++*n;
        } else {
            return wrong(options, where, "entry %zu is not a number", i + 1);
        }
    }
    return true;
}

/* Reads a list of exactly n numbers. */
static bool read_list(const struct metrics_options *options, const char *where, const json_t *list, double *out,
                      size_t n)
{
    size_t found = 0;
    if (!json_is_array(list))
        return wrong(options, where, "is not a list");
    if (!read_numbers(options, where, list, out, n, &found))
        return false;
    return found == n || wrong(options, where, "holds %zu numbers; %zu are expected", found, n);
}

/* Checks the first map before memory is allocated: the file must hold as many numbers as its shape says. */
static bool holds(const struct metrics_options *options, const char *level, const json_t *maps, size_t n)
{
    size_t found = 0;
    char *where = g_strdup_printf("%s[0]", level);
    bool good = !json_array_size(maps)
                || (read_numbers(options, where, json_array_get(maps, 0), NULL, 0, &found)
                    && (found == n || wrong(options, where, "holds %zu numbers; %zu are expected", found, n)));
    g_free(where);
    return good;
}

static void put_measures(json_t *object, const dp_measures *m)
{
    cli_json_set(object, "n_good", json_integer((json_int_t)m->n_good));
    cli_json_set(object, "n_anomalous", json_integer((json_int_t)m->n_anomalous));
    cli_json_set(object, "auroc", cli_json_real(m->auroc));
    cli_json_set(object, "average_precision", cli_json_real(m->average_precision));
    cli_json_set(object, "f1_max", cli_json_real(m->f1_max));
    cli_json_set(object, "f1_threshold", cli_json_real(m->f1_threshold));
    cli_json_set(object, "decision_threshold", cli_json_real(m->decision_threshold));
    cli_json_set(object, "accuracy_at_f1", cli_json_real(m->at_f1.accuracy));
    cli_json_set(object, "precision_at_f1", cli_json_real(m->at_f1.precision));
    cli_json_set(object, "recall_at_f1", cli_json_real(m->at_f1.recall));
    cli_json_set(object, "confusion_at_f1",
                 cli_json_pack("{sIsIsIsI}", "true_positives", (json_int_t)m->at_f1.true_positives, "false_positives",
                               (json_int_t)m->at_f1.false_positives, "true_negatives",
                               (json_int_t)m->at_f1.true_negatives, "false_negatives",
                               (json_int_t)m->at_f1.false_negatives));
}

static json_t *interval(dp_interval i)
{
    return cli_json_pack("[o,o]", cli_json_real(i.low), cli_json_real(i.high));
}

/* The figures of one set of scores. NULL: complained. */
static json_t *measure_scores(const struct metrics_options *options, const char *name, const json_t *set)
{
    const json_t *score_list = json_object_get(set, "scores"), *label_list = json_object_get(set, "labels");
    if (!json_is_array(score_list) || !json_is_array(label_list)) {
        wrong(options, name, "has no list '%s'", json_is_array(score_list) ? "labels" : "scores");
        return NULL;
    }
    size_t n = json_array_size(score_list);
    char *where_scores = g_strdup_printf("%s.scores", name), *where_labels = g_strdup_printf("%s.labels", name);
    double *scores = g_new(double, n + 1), *values = g_new0(double, n + 1);
    uint8_t *labels = g_new0(uint8_t, n + 1);
    json_t *answer = NULL;
    dp_measures m;
    dp_error err;
    if (!read_list(options, where_scores, score_list, scores, n)
        || !read_list(options, where_labels, label_list, values, n))
        goto done;
    for (size_t i = 0; i < n; i++)
        labels[i] = values[i] != 0;
    if (dp_measure(scores, labels, n, &m, &err) != DP_OK) {
        wrong(options, name, "%s", err.message);
        goto done;
    }
    answer = json_object();
    put_measures(answer, &m);
    if (options->resamples.value > 0) {
        dp_interval auroc, ap, f1;
        if (dp_bootstrap(scores, labels, n, (size_t)options->resamples.value, options->confidence.value,
                         (uint64_t)options->seed.value, &auroc, &ap, &f1, &err)
            != DP_OK) {
            wrong(options, name, "%s", err.message);
            json_decref(answer);
            answer = NULL;
            goto done;
        }
        cli_json_set(answer, "auroc_interval", interval(auroc));
        cli_json_set(answer, "average_precision_interval", interval(ap));
        cli_json_set(answer, "f1_max_interval", interval(f1));
    }
done:
    g_free(where_scores);
    g_free(where_labels);
    g_free(scores);
    g_free(values);
    g_free(labels);
    return answer;
}

static json_t *measure_images(const struct metrics_options *options, json_t *level)
{
    if (!json_is_object(level)) {
        wrong(options, "image_level", "is not an object");
        return NULL;
    }
    if (json_is_array(json_object_get(level, "scores")) || json_is_array(json_object_get(level, "labels")))
        return measure_scores(options, "image_level", level);
    json_t *answer = json_object(), *set;
    const char *name;
    json_object_foreach(level, name, set)
    {
        char *where = g_strdup_printf("image_level.%s", name);
        json_t *figures = measure_scores(options, where, set);
        g_free(where);
        if (!figures) {
            json_decref(answer);
            return NULL;
        }
        cli_json_set(answer, name, figures);
    }
    return answer;
}

/* Reads "shape": three whole numbers with a sensible product. */
static bool read_shape(const struct metrics_options *options, const json_t *shape, size_t sizes[3])
{
    if (!json_is_array(shape) || json_array_size(shape) != 3)
        return wrong(options, "pixel_level.shape", "is not a list of three numbers");
    for (size_t i = 0; i < 3; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0 || json_integer_value(size) > 1 << 24)
            return wrong(options, "pixel_level.shape", "entry %zu is not a size", i + 1);
        sizes[i] = (size_t)json_integer_value(size);
    }
    if (sizes[1] * sizes[2] > (size_t)1 << 31)
        return wrong(options, "pixel_level.shape", "%zux%zu pixels are too many", sizes[1], sizes[2]);
    return true;
}

static json_t *measure_pixels(const struct metrics_options *options, const json_t *level)
{
    const json_t *maps = json_object_get(level, "maps"), *masks = json_object_get(level, "masks");
    size_t sizes[3] = {0};
    if (!json_is_object(level)) {
        wrong(options, "pixel_level", "is not an object");
        return NULL;
    }
    if (!read_shape(options, json_object_get(level, "shape"), sizes))
        return NULL;
    for (int i = 0; i < 2; i++)
        if (json_array_size(i ? masks : maps) != sizes[0]) {
            wrong(options, i ? "pixel_level.masks" : "pixel_level.maps", "is not a list of %zu", sizes[0]);
            return NULL;
        }
    static const double limits[2] = {0.3, 0.05};
    size_t n = sizes[0] ? sizes[1] * sizes[2] : 0; /* each at most 2^24, their product at most 2^31: read_shape */
    if (!holds(options, "pixel_level.maps", maps, n) || !holds(options, "pixel_level.masks", masks, n))
        return NULL;
    double *values = g_try_new0(double, n + 1), aupro[2] = {0};
    float *map = g_try_new(float, n + 1);
    uint8_t *mask = g_try_new(uint8_t, n + 1);
    json_t *answer = NULL;
    dp_pixel_meter *meter = NULL;
    dp_measures m;
    dp_error err;
    if (!values || !map || !mask) {
        cli_complain("not enough memory for maps of %zux%zu", sizes[1], sizes[2]);
        goto done;
    }
    if (dp_pixel_meter_open(&meter, &err) != DP_OK)
        goto failed;
    for (size_t k = 0; k < sizes[0]; k++) {
        char where[64];
        g_snprintf(where, sizeof where, "pixel_level.maps[%zu]", k);
        if (!read_list(options, where, json_array_get(maps, k), values, n))
            goto done;
        for (size_t i = 0; i < n; i++)
            map[i] = (float)values[i];
        g_snprintf(where, sizeof where, "pixel_level.masks[%zu]", k);
        if (!read_list(options, where, json_array_get(masks, k), values, n))
            goto done;
        for (size_t i = 0; i < n; i++)
            mask[i] = values[i] > 0;
        if (dp_pixel_meter_add(meter, map, mask, sizes[1], sizes[2], &err) != DP_OK) {
            g_snprintf(where, sizeof where, "pixel_level.maps[%zu]", k);
            wrong(options, where, "%s", err.message);
            goto done;
        }
    }
    if (dp_pixel_meter_measure(meter, &m, limits, 2, aupro, &err) != DP_OK)
        goto failed;
    answer = json_object();
    put_measures(answer, &m);
    cli_json_set(answer, "aupro_30", cli_json_real(aupro[0]));
    cli_json_set(answer, "aupro_05", cli_json_real(aupro[1]));
    goto done;
failed:
    wrong(options, "pixel_level", "%s", err.message);
done:
    dp_pixel_meter_close(&meter);
    g_free(values);
    g_free(map);
    g_free(mask);
    return answer;
}

int cmd_metrics(int argc, char **argv)
{
    struct metrics_options options = {.confidence.value = 0.95};
    char *path = NULL;
    const cli_option entries[] = {
        {"json", 'j', 0, CLI_FILE, &path, "the scores and labels, maps and masks", "FILE.json"},
        {"bootstrap", 0, 0, CLI_WHOLE, &options.resamples, "intervals from N resamples (default 0: none)", "N", 0, 1e7},
        {"confidence", 0, CLI_ABOVE | CLI_BELOW, CLI_REAL, &options.confidence, "of the intervals (default 0.95)", "P",
         0, 1},
        {"seed", 0, 0, CLI_WHOLE, &options.seed, "of the resamples (default 0)", "S", 0, CLI_MOST_SEED},
        CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "--json FILE.json",
                   "Computes AUROC, average precision, F1-max and AU-PRO of what the file holds.",
                   "FILE.json:\n"
                   "  {\"image_level\": {NAME: {\"scores\": [...], \"labels\": [...]}},\n"
                   "   \"pixel_level\": {\"shape\": [n, height, width],\n"
                   "                   \"maps\": [...], \"masks\": [...]}}",
                   &code))
        return code;
    if (!path)
        return cli_usage("--json is missing");
    if (argc > 1)
        return cli_usage("%s: not expected here", argv[1]);
    options.path = path;

    json_t *file = cli_json_load(path, JSON_REJECT_DUPLICATES);
    if (!file)
        return EXIT_JOB_FAILED;
    json_t *images = json_object_get(file, "image_level"), *pixels = json_object_get(file, "pixel_level");
    json_t *answer = json_object();
    bool good = images || pixels;
    if (!good)
        cli_complain("%s: holds neither 'image_level' nor 'pixel_level'", path);
    if (good && images) {
        json_t *figures = measure_images(&options, images);
        good = figures != NULL;
        if (good)
            cli_json_set(answer, "image_level", figures);
    }
    if (good && pixels) {
        json_t *figures = measure_pixels(&options, pixels);
        good = figures != NULL;
        if (good)
            cli_json_set(answer, "pixel_level", figures);
    }
    json_decref(file);
    if (good)
        return cli_json_print(answer) ? EXIT_DONE : EXIT_JOB_FAILED;
    json_decref(answer);
    return EXIT_JOB_FAILED;
}
