/* clusters.c - what the features tell apart (the paper's Figure 5): some good and some anomalous test pictures as the transformer gets
 * them, each patch in the colour of its cluster.  The patches of all of them are clustered together: a colour means the same in all. */
#include "eval.h"

enum { N_EACH = 3, N_MOST = 2 * N_EACH, N_CLUSTERS = 7, DRAWN_SIDE = 448 };
#define COVER 0.55

/* Okabe and Ito's colours, which colour-blind eyes tell apart. */
static const uint8_t colours[N_CLUSTERS][3] = {{86, 180, 233}, {230, 159, 0}, {0, 158, 115}, {240, 228, 66},
                                               {0, 114, 178},  {213, 94, 0},  {204, 121, 167}};

struct picked {
    const dataset_item *item;
    size_t rows, cols, first; /* its grid; its first token of all */
    float *canvas;            /* [rows * patch, cols * patch, 3] */
};

/* Evenly from the good ones, then from the anomalous ones. */
static size_t pick(const eval_run *run, struct picked *picked)
{
    size_t n = 0, of[2] = {0, 0};
    for (guint i = 0; i < run->set->test->len; i++)
        of[g_array_index(run->set->test, dataset_item, i).label != 0]++;
    for (int label = 0; label < 2; label++) {
        size_t seen = 0, take = MIN(of[label], (size_t)N_EACH);
        for (guint i = 0; i < run->set->test->len; i++) {
            const dataset_item *item = &g_array_index(run->set->test, dataset_item, i);
            if ((item->label != 0) != label)
                continue;
            if (seen * take / of[label] != (seen + 1) * take / of[label])
                picked[n++] = (struct picked){.item = item};
            seen++;
        }
    }
    return n;
}

/* The picture as it goes into the transformer. */
static dp_status load_canvas(const eval_run *run, const dp_recipe *recipe, struct picked *one, dp_error *err)
{
    size_t patch = run->model.patch_px, height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    dp_picture *picture = NULL;
    dp_pose pose = {.status = DP_ALIGN_OFF};
    const dp_picture_options options = {.max_pixels = run->max_pixels, .tolerant = 1, .white = recipe->sample_white};
    dp_status status = dp_picture_load_with(one->item->path, &options, &picture, NULL, err);
    if (status)
        return status;
    if (recipe->edge_px) { /* each picture its own size */
        double scale = (double)recipe->edge_px / (double)MIN(picture->width_px, picture->height_px);
        height = (size_t)((double)picture->height_px * scale + 0.5) / patch * patch;
        width = (size_t)((double)picture->width_px * scale + 0.5) / patch * patch;
    } /* a crop's clusters are shown for the whole picture */
    if (!height || !width)
        status = DP_E_PICTURE;
    if (!status && recipe->align != DP_ALIGN_NONE)
        status = dp_pose_find(picture, recipe, &pose, err);
    if (!status && !(one->canvas = g_try_new(float, height * width * 3)))
        status = DP_E_MEMORY;
    if (!status)
        status = dp_canvas_warp(picture, &pose, recipe->fill, 0, height, width, one->canvas, NULL, err);
    if (!status) {
        one->rows = height / patch;
        one->cols = width / patch;
    }
    dp_picture_free(&picture);
    return status;
}

/* The patches of a picture in the colours of their clusters; NULL: no memory. */
static dp_picture *draw(const struct picked *one, const uint32_t *labels, size_t patch)
{
    dp_picture *drawn = NULL;
    size_t width = one->cols * patch, height = one->rows * patch;
    if (dp_picture_new(width, height, &drawn, NULL))
        return NULL;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint8_t *colour = colours[labels[one->first + y / patch * one->cols + x / patch]];
            for (size_t k = 0; k < 3; k++) {
                double photo = CLAMP((double)one->canvas[(y * width + x) * 3 + k], 0, 255);
                drawn->rgb[(y * width + x) * 3 + k] = (uint8_t)(photo + (colour[k] - photo) * COVER + 0.5);
            }
        }
    return drawn;
}

static dp_status no_memory(dp_error *err)
{
    err->status = DP_E_MEMORY;
    g_strlcpy(err->message, "not enough memory to draw the clusters of the features", sizeof err->message);
    return DP_E_MEMORY;
}

/* Draws all that were loaded; what is written is put into the list. */
static dp_status draw_all(const eval_run *run, const struct picked *picked, size_t n, const uint32_t *labels, json_t *list, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (!picked[i].rows)
            continue;
        char file[32];
        g_snprintf(file, sizeof file, "clusters-%zu.jpg", i + 1);
        char *place = eval_figure_place(run, file);
        dp_picture *drawn = draw(&picked[i], labels, run->model.patch_px);
        if (!drawn)
            status = no_memory(err);
        else if (!eval_save_small(run, place, drawn, DRAWN_SIDE, err))
            status = err->status;
        else
            cli_json_append(list, cli_json_pack("{s:o, s:o, s:o}", "input", cli_json_text(picked[i].item->path), "defect",
                                                  cli_json_text(picked[i].item->defect), "drawn", cli_json_text(place)));
        dp_picture_free(&drawn);
        g_free(place);
    }
    return status;
}

json_t *eval_draw_clusters(dp_session *session, const eval_run *run, size_t canvas_height_px, size_t canvas_width_px, dp_error *err)
{
    json_t *list = json_array();
    struct picked picked[N_MOST] = {{0}};
    dp_recipe recipe = run->recipe;
    recipe.canvas_height_px = canvas_height_px;
    recipe.canvas_width_px = canvas_width_px;
    size_t n = pick(run, picked), n_tokens = 0;
    dp_status status = DP_OK; /* the recipe is settled: cmd_eval */
    size_t dim = run->model.dim * (recipe.layer_mix == DP_LAYERS_MEAN ? 1 : recipe.n_layers);
    for (size_t i = 0; i < n && !status; i++) {
        dp_status loaded = load_canvas(run, &recipe, &picked[i], err);
        if (loaded == DP_E_MEMORY)
            status = no_memory(err);
        picked[i].first = n_tokens;
        n_tokens += picked[i].rows * picked[i].cols;
    }
    float *tokens = n_tokens && !status ? g_try_malloc_n(n_tokens, dim * sizeof *tokens) : NULL;
    uint32_t *labels = n_tokens && !status ? g_try_new(uint32_t, n_tokens) : NULL;
    if (!status && n_tokens && (!tokens || !labels))
        status = no_memory(err);
    for (size_t i = 0; i < n && !status; i++)
        if (picked[i].rows)
            status = dp_session_embed(session, picked[i].canvas, picked[i].rows * run->model.patch_px,
                                      picked[i].cols * run->model.patch_px, recipe.layers, recipe.n_layers, recipe.layer_mix,
                                      tokens + picked[i].first * dim, err);
    if (!status && n_tokens)
        status = dp_tokens_cluster(tokens, n_tokens, dim, N_CLUSTERS, 0, labels, err);
    if (!status)
        status = draw_all(run, picked, n, labels, list, err);
    for (size_t i = 0; i < n; i++)
        g_free(picked[i].canvas);
    g_free(tokens);
    g_free(labels);
    if (!status)
        return list;
    json_decref(list);
    return NULL;
}
