/* dinopatch eval - fits on the good pictures of a data set, inspects its test pictures, and prints the figures of the field.
 *
 * A label is looked at only once all scores are there. */
#include "dataset.h"
#include "models.h"
#include "recipe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One category under way. */
struct evaluation {
    const dataset *set;
    const char *out;          /* folder, or NULL */
    double *scores;           /* [test pictures]; NaN where one failed */
    dp_pixel_meter *pixels;   /* NULL where there are no masks */
    size_t max_pixels, n_failed;
};

struct figures {
    dp_measures image, pixel;
    double aupro[2]; /* up to a false-positive rate of 0.30 and 0.05 */
    bool has_pixels;
    size_t n_train;
};

static const double aupro_limits[2] = {0.30, 0.05};

/* ------------------------------------------------------------------------------------------------------ one picture */

/* The mask of a picture, [height, width] of its size; NULL for a good one.  False: err. */
static bool load_mask(const struct evaluation *e, const dataset_item *item, const dp_result *result, uint8_t **mask, dp_error *err)
{
    *mask = NULL;
    if (!item->mask)
        return true;
    dp_picture *picture = NULL;
    if (dp_picture_load(item->mask, e->max_pixels, &picture, err))
        return false;
    size_t n = result->height_px * result->width_px;
    bool good = picture->height_px == result->height_px && picture->width_px == result->width_px;
    if (good) {
        *mask = g_new(uint8_t, n);
        for (size_t i = 0; i < n; i++)
            (*mask)[i] = picture->rgb[3 * i] > 0;
    } else {
        err->status = DP_E_MISMATCH;
        g_snprintf(err->message, sizeof err->message, "%s: the mask is %zux%zu, its picture %zux%zu", item->mask,
                   picture->width_px, picture->height_px, result->width_px, result->height_px);
    }
    dp_picture_free(&picture);
    return good;
}

/* anomaly_maps/CATEGORY/SPLIT/DEFECT/NAME.tiff: where the published evaluation scripts look. */
static bool save_map(const struct evaluation *e, const dataset_item *item, const dp_result *result, dp_error *err)
{
    char *folder = g_build_filename(e->out, "anomaly_maps", e->set->category, item->split, item->defect, NULL);
    char *file = g_strconcat(item->name, ".tiff", NULL), *path = g_build_filename(folder, file, NULL);
    bool good = g_mkdir_with_parents(folder, 0777) == 0;
    if (!good) {
        err->status = DP_E_IO;
        g_snprintf(err->message, sizeof err->message, "%s: cannot make the folder: %s", folder, g_strerror(errno));
    } else {
        good = dp_map_save_tiff(result->map, result->height_px, result->width_px, path, err) == DP_OK;
    }
    g_free(path);
    g_free(file);
    g_free(folder);
    return good;
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result, double ms,
                     const char *message)
{
    struct evaluation *e = user;
    const dataset_item *item = &g_array_index(e->set->test, dataset_item, index);
    dp_error err;
    uint8_t *mask = NULL;
    bool good = result != NULL;
    e->scores[index] = good ? result->score : NAN;
    if (good && e->pixels)
        good = load_mask(e, item, result, &mask, &err)
               && !dp_pixel_meter_add(e->pixels, result->map, mask, result->height_px, result->width_px, &err);
    if (good && e->out)
        good = save_map(e, item, result, &err);
    g_free(mask);
    if (!good) {
        e->n_failed++;
        cli_complain("%s", result ? err.message : message);
    }
    return cli_interrupted();
}

static void on_nominal(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (message)
        cli_complain("%s", message);
}

/* ----------------------------------------------------------------------------------------------------- one category */

/* Image figures over the pictures that have a score. */
static dp_status measure_images(const struct evaluation *e, dp_measures *measures, dp_error *err)
{
    size_t n = 0;
    double *scores = g_new(double, e->set->test->len);
    uint8_t *labels = g_new(uint8_t, e->set->test->len);
    for (guint i = 0; i < e->set->test->len; i++) {
        if (isnan(e->scores[i]))
            continue;
        scores[n] = e->scores[i];
        labels[n++] = (uint8_t)g_array_index(e->set->test, dataset_item, i).label;
    }
    dp_status status = dp_measure(scores, labels, n, measures, err);
    g_free(scores);
    g_free(labels);
    return status;
}

static dp_status evaluate(dp_session *session, const dp_recipe *recipe, struct evaluation *e, struct figures *figures,
                          dp_error *err)
{
    dp_bank *bank = NULL;
    size_t n_left_out = 0;
    dp_status status = dp_bank_fit(session, recipe, (const char *const *)e->set->train->pdata, e->set->train->len, on_nominal,
                                   NULL, &bank, &n_left_out, err);
    e->n_failed += n_left_out;
    figures->has_pixels = e->set->masks;
    if (!status && e->set->masks)
        status = dp_pixel_meter_open(&e->pixels, err);
    if (!status) {
        dp_view view;
        dp_view_init(bank, &view);
        const char **paths = g_new(const char *, e->set->test->len);
        for (guint i = 0; i < e->set->test->len; i++)
            paths[i] = g_array_index(e->set->test, dataset_item, i).path;
        status = dp_session_inspect_files(session, bank, &view, paths, e->set->test->len, on_result, e, err);
        g_free(paths);
    }
    figures->n_train = e->set->train->len - n_left_out;
    if (!status)
        status = measure_images(e, &figures->image, err);
    if (!status && e->pixels)
        status = dp_pixel_meter_measure(e->pixels, &figures->pixel, aupro_limits, 2, figures->aupro, err);
    dp_bank_close(&bank);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- results */

enum { N_COLUMNS = 8 };
static const char *const columns[N_COLUMNS] = {"image_auroc", "image_ap",     "image_f1_max", "pixel_auroc",
                                               "pixel_ap",    "pixel_f1_max", "aupro_30",     "aupro_05"};

/* NaN where a figure does not exist. */
static void row_of(const struct figures *f, double row[N_COLUMNS])
{
    for (int i = 0; i < N_COLUMNS; i++)
        row[i] = NAN;
    row[0] = f->image.auroc;
    row[1] = f->image.average_precision;
    row[2] = f->image.f1_max;
    if (!f->has_pixels)
        return;
    row[3] = f->pixel.auroc;
    row[4] = f->pixel.average_precision;
    row[5] = f->pixel.f1_max;
    row[6] = f->aupro[0];
    row[7] = f->aupro[1];
}

static json_t *json_row(const double row[N_COLUMNS])
{
    json_t *object = json_object();
    for (int i = 0; i < N_COLUMNS; i++)
        if (i < 3 || !isnan(row[i]))
            json_object_set_new(object, columns[i], cli_json_real(row[i]));
    return object;
}

static void print_row(const char *name, const double row[N_COLUMNS])
{
    printf("%-20s", name);
    for (int i = 0; i < N_COLUMNS; i++) {
        if (isnan(row[i]))
            printf(" %8s", "-");
        else
            printf(" %8.4f", row[i]);
    }
    putchar('\n');
}

static void add_csv(GString *csv, const struct evaluation *e)
{
    for (guint i = 0; i < e->set->test->len; i++) {
        const dataset_item *item = &g_array_index(e->set->test, dataset_item, i);
        const char *texts[] = {e->set->category, item->split, item->defect, item->path};
        for (size_t t = 0; t < G_N_ELEMENTS(texts); t++) {
            char **parts = g_strsplit(texts[t], "\"", -1), *text = g_strjoinv("\"\"", parts);
            bool quote = strpbrk(text, ",\"\r\n") != NULL;
            g_string_append_printf(csv, quote ? "\"%s\"," : "%s,", text);
            g_free(text);
            g_strfreev(parts);
        }
        g_string_append_printf(csv, "%d,", item->label);
        if (!isnan(e->scores[i]))
            g_string_append_printf(csv, "%.9g", e->scores[i]);
        g_string_append_c(csv, '\n');
    }
}

static bool write_file(const char *folder, const char *name, const char *text, size_t bytes)
{
    char *path = g_build_filename(folder, name, NULL);
    GError *error = NULL;
    bool good = g_file_set_contents_full(path, text, (gssize)bytes, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error);
    if (!good) {
        cli_complain("%s: cannot write: %s", path, error->message);
        g_error_free(error);
    }
    g_free(path);
    return good;
}

static bool write_results(const char *out, json_t *metrics, const GString *csv)
{
    char *text = json_dumps(metrics, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    bool good = text && write_file(out, "metrics.json", text, strlen(text)) && write_file(out, "scores.csv", csv->str, csv->len);
    free(text);
    return good;
}

/* Every category in turn; the table grows as they come. */
static int evaluate_all(dp_session *session, const dp_recipe *recipe, const cli_run *run, const GPtrArray *sets, const char *out)
{
    json_t *metrics = json_object();
    GString *csv = g_string_new("category,split,defect,input,label,score\n");
    double sum[N_COLUMNS] = {0};
    size_t counted[N_COLUMNS] = {0}, n_failed = 0;
    dp_error err;
    int code = EXIT_DONE;
    printf("%-20s %8s %8s %8s %8s %8s %8s %8s %8s\n", "", "AUROC", "AP", "F1-max", "px AUROC", "px AP", "px F1", "AU-PRO30",
           "AU-PRO05");
    for (guint i = 0; i < sets->len && code == EXIT_DONE; i++) {
        struct evaluation e = {.set = sets->pdata[i], .out = out, .max_pixels = run->run.max_picture_pixels};
        struct figures figures = {0};
        e.scores = g_new(double, e.set->test->len);
        for (guint k = 0; k < e.set->test->len; k++)
            e.scores[k] = NAN;
        cli_progress_begin(e.set->category, run->quiet);
        dp_status status = evaluate(session, recipe, &e, &figures, &err);
        cli_progress_end();
        if (status) {
            cli_complain("%s: %s", e.set->category, err.message);
            code = status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
        } else {
            double row[N_COLUMNS];
            row_of(&figures, row);
            print_row(e.set->category, row);
            fflush(stdout);
            json_object_set_new(metrics, e.set->category, json_row(row));
            for (int k = 0; k < N_COLUMNS; k++) {
                sum[k] += isnan(row[k]) ? 0 : row[k];
                counted[k] += !isnan(row[k]);
            }
            add_csv(csv, &e);
        }
        n_failed += e.n_failed;
        dp_pixel_meter_close(&e.pixels);
        g_free(e.scores);
    }
    if (code == EXIT_DONE && sets->len > 1) {
        double mean[N_COLUMNS];
        for (int k = 0; k < N_COLUMNS; k++)
            mean[k] = counted[k] ? sum[k] / (double)counted[k] : NAN;
        print_row("mean", mean);
        json_object_set_new(metrics, "mean", json_row(mean));
    }
    if (code == EXIT_DONE && out && !write_results(out, metrics, csv))
        code = EXIT_JOB_FAILED;
    json_decref(metrics);
    g_string_free(csv, TRUE);
    return code == EXIT_DONE && n_failed ? EXIT_SOME_FAILED : code;
}

int cmd_eval(int argc, char **argv)
{
    char *model_name = NULL, *out = NULL;
    const GOptionEntry own_entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model_name, "checkpoint: a file, or a name like vits14", "M"},
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "write metrics.json, scores.csv and anomaly_maps/ here", "DIR"},
        G_OPTION_ENTRY_NULL};
    cli_recipe options;
    cli_run run;
    int code;
    GOptionEntry *entries = cli_recipe_entries(
        &options, CLI_RECIPE_ALIGN | CLI_RECIPE_EMBED | CLI_RECIPE_BANK | CLI_RECIPE_SCORE, own_entries);
    bool parsed = cli_parse(&argc, &argv, entries, cli_run_group(&run), "--model M DATASET_FOLDER",
                            "Learns from the good pictures of a data set, inspects its test pictures, prints the figures.",
                            "DATASET_FOLDER: one category or a folder of categories, as MVTec AD, VisA and MVTec AD 2 lay them\n"
                            "out, or with plain folders good/ and others (every third good picture is then tested).",
                            &code);
    g_free(entries);
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (argc != 2)
        return cli_usage("one data set at a time");
    if (out && !cli_make_folder(out))
        return EXIT_JOB_FAILED;
    GPtrArray *sets = dataset_find(argv[1]);
    if (!sets)
        return EXIT_JOB_FAILED;
    dp_model *model = NULL;
    dp_session *session = NULL;
    dp_error err;
    if (cli_model_open(model_name, &model, &code)) {
        if (dp_session_open(model, recipe.precision, &run.run, &session, &err))
            code = cli_failed(&err);
        else
            code = evaluate_all(session, &recipe, &run, sets, out);
    }
    dp_session_close(&session);
    dp_model_close(&model);
    g_ptr_array_unref(sets);
    return code;
}
