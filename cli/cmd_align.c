/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch align - finds the pose; writes the aligned picture and its mask. */
#include "inputs.h"
#include "outputs.h"
#include "recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct {
    char *out;
    gboolean json, plot, edges, overwrite;
} own;

static bool save_canvas(const dp_picture *picture, const dp_pose *pose, const dp_recipe *recipe, const char *stem,
                        dp_error *err)
{
    size_t h = recipe->canvas_height_px, w = recipe->canvas_width_px;
    float *canvas = g_try_new(float, h *w * 3); /* each side at most 65536: the option canvas */
    uint8_t *valid = g_try_new(uint8_t, h * w);
    dp_picture *aligned = NULL;
    char *path = g_strconcat(stem, ".aligned.png", NULL), *mask_path = g_strconcat(stem, ".mask.png", NULL);
    bool good = canvas && valid;
    if (!good) {
        err->status = DP_E_MEMORY;
        g_snprintf(err->message, sizeof err->message, "not enough memory for a canvas of %zux%zu", h, w);
    }
    good = good && !dp_canvas_warp(picture, pose, recipe->fill, 0, h, w, canvas, valid, err)
           && !dp_picture_new(w, h, &aligned, err);
    if (good) {
        for (size_t i = 0; i < h * w * 3; i++)
            aligned->rgb[i] = (uint8_t)lrintf(CLAMP(canvas[i], 0.0f, 255.0f));
        for (size_t i = 0; i < h * w; i++)
            valid[i] = valid[i] ? 255 : 0;
        good = !dp_picture_save_png(aligned, path, err) && !dp_gray_save_png(valid, h, w, mask_path, err);
    }
    dp_picture_free(&aligned);
    g_free(path);
    g_free(mask_path);
    g_free(canvas);
    g_free(valid);
    return good;
}

static bool save_plot(const dp_picture *picture, const dp_pose *pose, const dp_recipe *recipe, const char *stem,
                      dp_error *err)
{
    dp_picture *drawn = NULL;
    char *path = g_strconcat(stem, ".axes.png", NULL);
    bool good =
        !dp_pose_draw(picture, pose, recipe->fill, recipe->canvas_height_px, recipe->canvas_width_px, &drawn, err)
        && !dp_picture_save_png(drawn, path, err);
    dp_picture_free(&drawn);
    g_free(path);
    return good;
}

static bool save_edges(const dp_picture *picture, const dp_recipe *recipe, const char *stem, dp_error *err)
{
    uint8_t *edges = NULL;
    char *path = g_strconcat(stem, ".edges.png", NULL);
    bool good = !dp_edges_find(picture, recipe, &edges, err)
                && !dp_gray_save_png(edges, picture->height_px, picture->width_px, path, err);
    dp_memory_free(edges);
    g_free(path);
    return good;
}

/* Computes the height that `--canvas auto` means for a single picture. */
static void choose_canvas(dp_recipe *recipe, const dp_pose *pose, const dp_picture *picture)
{
    if (!recipe->canvas_height_px)
        recipe->canvas_height_px = dp_canvas_height(recipe, 14, 1, pose, &picture->width_px, &picture->height_px);
}

/* Aligning uses no network, so the limit on a picture's pixels bounds the canvas too. */
static bool canvas_is_bounded(const dp_recipe *recipe, const dp_run *run, const char *path, dp_error *err)
{
    size_t pixels = recipe->canvas_height_px * recipe->canvas_width_px; /* each side at most 65,536 */
    if (pixels <= run->max_picture_pixels)
        return true;
    err->status = path ? DP_E_PICTURE : DP_E_ARGUMENT;
    g_snprintf(err->message, sizeof err->message,
               "%s%sa canvas of %zux%zu has %zu pixels, more than the limit of %zu; give a smaller --canvas, or "
               "--max-pixels %zu",
               path ? path : "", path ? ": " : "", recipe->canvas_height_px, recipe->canvas_width_px, pixels,
               run->max_picture_pixels, pixels);
    return false;
}

static bool print_pose(const char *path, const dp_picture *picture, const dp_pose *pose)
{
    if (own.json) {
        json_t *line = json_object();
        cli_json_set(line, "input", cli_json_text(path));
        cli_json_bytes(line, "input", path);
        cli_json_set(line, "status", json_string("ok"));
        cli_json_set(line, "width_px", json_integer((json_int_t)picture->width_px));
        cli_json_set(line, "height_px", json_integer((json_int_t)picture->height_px));
        cli_json_set(line, "align", cli_json_pose(pose));
        return cli_json_print(line);
    }
    if (!pose->n_points)
        return printf("%s: %s\n", cli_shown(path), dp_align_status_name(pose->status)) >= 0;
    return printf("%s: %s, centre (%.1f, %.1f) px, angle %.2f deg, sigma %.1f x %.1f px, %zu border points\n",
                  cli_shown(path), dp_align_status_name(pose->status), pose->centre_x_px, pose->centre_y_px,
                  pose->angle_rad * 180 / G_PI, pose->sigma_major_px, pose->sigma_minor_px, pose->n_points)
           >= 0;
}

static bool align_one(const char *path, const char *name, dp_recipe recipe, const dp_run *run, dp_error *err)
{
    dp_picture *picture = NULL;
    dp_pose pose;
    bool good = !cli_picture_load(path, run, &picture, err) && !dp_pose_find(picture, &recipe, &pose, err);
    if (good && own.out) {
        char *stem = g_build_filename(own.out, name, NULL);
        choose_canvas(&recipe, &pose, picture);
        good = canvas_is_bounded(&recipe, run, path, err) && save_canvas(picture, &pose, &recipe, stem, err)
               && (!own.plot || save_plot(picture, &pose, &recipe, stem, err))
               && (!own.edges || save_edges(picture, &recipe, stem, err));
        g_free(stem);
    }
    if (good)
        print_pose(path, picture, &pose);
    dp_picture_free(&picture);
    return good;
}

/* Declares and checks all outputs before the work begins. False: *code, complained. */
static bool begin_outputs(const GPtrArray *inputs, const GPtrArray *names, int *code)
{
    const char *const endings[] = {".aligned.png", ".mask.png", own.plot ? ".axes.png" : NULL,
                                   own.edges ? ".edges.png" : NULL};
    if (!cli_names_differ(inputs, names, code))
        return false;
    cli_outputs *files = cli_outputs_new(own.overwrite);
    cli_outputs_read_all(files, inputs, "a picture to be aligned");
    for (guint i = 0; i < names->len; i++)
        for (size_t k = 0; k < G_N_ELEMENTS(endings); k++) {
            char *file = endings[k] ? g_strconcat(names->pdata[i], endings[k], NULL) : NULL;
            char *path = file ? g_build_filename(own.out, file, NULL) : NULL;
            if (path)
                cli_outputs_write(files, path);
            g_free(path);
            g_free(file);
        }
    bool good = cli_outputs_check(files, code) && cli_outputs_begin(files, own.out, code);
    cli_outputs_free(files);
    return good;
}

int cmd_align(int argc, char **argv)
{
    static const cli_option own_entries[] = {
        {"out", 'o', 0, CLI_FILE, &own.out, "write NAME.aligned.png and NAME.mask.png here", "DIR"},
        CLI_OVERWRITE_ENTRY(&own.overwrite),
        {"json", 0, 0, CLI_FLAG, &own.json, "one JSON line per picture on stdout", NULL},
        {"plot", 0, 0, CLI_FLAG, &own.plot, "with --out: also write NAME.axes.png, the axes drawn on the picture",
         NULL},
        {"edges", 0, 0, CLI_FLAG, &own.edges,
         "with --out: also write NAME.edges.png, the edges that the pose comes from", NULL},
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    memset(&own, 0, sizeof own);
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_ALIGN, own_entries);
    bool parsed = cli_parse(&argc, &argv, entries, cli_run_group(&run), "PICTURES_OR_FOLDERS...",
                            "Finds the object in each picture and brings it into the standard pose.", NULL, &code);
    dp_recipe recipe;
    cli_recipe_begin(CLI_RECIPE_ALIGN, &recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (argc < 2)
        return cli_usage("give a picture");
    if ((own.plot || own.edges) && !own.out)
        return cli_usage("--plot and --edges need --out");
    dp_error err;
    if (!canvas_is_bounded(&recipe, &run.run, NULL, &err))
        return cli_failed(&err);
    if (own.out && !*own.out)
        return cli_usage("--out: the folder has no name");

    size_t n_failed = 0;
    GPtrArray *names, *inputs = cli_inputs_named(argv + 1, argc - 1, &names, &n_failed);
    if (own.out && inputs->len && !begin_outputs(inputs, names, &code)) {
        g_ptr_array_unref(names);
        g_ptr_array_unref(inputs);
        return code;
    }
    for (guint i = 0; i < inputs->len && !cli_interrupted(); i++) {
        if (align_one(inputs->pdata[i], names->pdata[i], recipe, &run.run, &err))
            continue;
        n_failed++;
        if (own.json) {
            json_t *line = cli_json_pack("{s:o, s:s, s:o}", "input", cli_json_text(inputs->pdata[i]), "status", "error",
                                         "error", cli_json_text(err.message));
            cli_json_bytes(line, "input", inputs->pdata[i]);
            cli_json_print(line);
        }
        cli_complain("%s", err.message);
    }
    g_ptr_array_unref(names);
    g_ptr_array_unref(inputs);
    return n_failed ? EXIT_SOME_FAILED : EXIT_DONE;
}
