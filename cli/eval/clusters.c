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

/* The picture as it goes into the transformer; false where there is none. */
static bool load_canvas(const eval_run *run, const dp_recipe *recipe, struct picked *one)
{
    size_t patch = run->model.patch_px, height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    dp_picture *picture = NULL;
    dp_pose pose = {.status = DP_ALIGN_OFF};
    if (dp_picture_load(one->item->path, run->max_pixels, &picture, NULL))
        return false;
    if (recipe->edge_px) { /* each picture its own size */
        double scale = (double)recipe->edge_px / (double)MIN(picture->width_px, picture->height_px);
        height = (size_t)((double)picture->height_px * scale + 0.5) / patch * patch;
        width = (size_t)((double)picture->width_px * scale + 0.5) / patch * patch;
    } /* a crop's clusters are shown for the whole picture */
    bool good = height && width && (recipe->align == DP_ALIGN_NONE || !dp_pose_find(picture, recipe, &pose, NULL));
    one->canvas = good ? g_try_new(float, height * width * 3) : NULL;
    good = one->canvas && !dp_canvas_warp(picture, &pose, recipe->fill, 0, height, width, one->canvas, NULL, NULL);
    if (good) {
        one->rows = height / patch;
        one->cols = width / patch;
    }
    dp_picture_free(&picture);
    return good;
}

static dp_picture *draw(const struct picked *one, const uint32_t *labels, size_t patch)
{
    dp_picture *drawn = NULL, *small = NULL;
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
    small = eval_shrink(drawn, DRAWN_SIDE);
    dp_picture_free(&drawn);
    return small;
}

json_t *eval_draw_clusters(dp_session *session, const eval_run *run, size_t canvas_height_px, size_t canvas_width_px)
{
    json_t *list = json_array();
    struct picked picked[N_MOST] = {{0}};
    dp_recipe recipe = run->recipe;
    recipe.canvas_height_px = canvas_height_px;
    recipe.canvas_width_px = canvas_width_px;
    size_t n = pick(run, picked), n_tokens = 0;
    if (dp_recipe_settle_layers(&recipe, run->model.depth, NULL))
        return list;
    size_t dim = run->model.dim * (recipe.layer_mix == DP_LAYERS_MEAN ? 1 : recipe.n_layers);
    for (size_t i = 0; i < n; i++)
        if (load_canvas(run, &recipe, &picked[i])) {
            picked[i].first = n_tokens;
            n_tokens += picked[i].rows * picked[i].cols;
        }
    float *tokens = n_tokens ? g_try_malloc_n(n_tokens, dim * sizeof *tokens) : NULL;
    uint32_t *labels = n_tokens ? g_try_new(uint32_t, n_tokens) : NULL;
    bool good = tokens && labels;
    for (size_t i = 0; i < n && good; i++)
        good = !picked[i].rows
               || !dp_session_embed(session, picked[i].canvas, picked[i].rows * run->model.patch_px,
                                    picked[i].cols * run->model.patch_px, recipe.layers, recipe.n_layers, recipe.layer_mix,
                                    tokens + picked[i].first * dim, NULL);
    good = good && !dp_tokens_cluster(tokens, n_tokens, dim, N_CLUSTERS, 0, labels, NULL);
    for (size_t i = 0; i < n; i++) {
        dp_picture *drawn = good && picked[i].rows ? draw(&picked[i], labels, run->model.patch_px) : NULL;
        char file[32];
        g_snprintf(file, sizeof file, "clusters-%zu.jpg", i + 1);
        dp_error err;
        char *place = eval_figure_place(run, file), *path = drawn ? eval_make_place(run, place, &err) : NULL;
        if (path && !dp_picture_save_jpeg(drawn, path, NULL))
            json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "input", cli_json_text(picked[i].item->path), "defect",
                                                  cli_json_text(picked[i].item->defect), "drawn", cli_json_text(place)));
        g_free(path);
        g_free(place);
        dp_picture_free(&drawn);
        g_free(picked[i].canvas);
    }
    g_free(tokens);
    g_free(labels);
    return list;
}
