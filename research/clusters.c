/* SPDX-License-Identifier: Apache-2.0 */
/* clusters.c - shows which features a network tells apart: the paper's Figure 5.
 *
 * Draws some good and some anomalous test pictures of each data set as the network sees them, each patch in the colour
 * of its cluster. The patches of all pictures are clustered together, so a colour means the same in all. Canvas and
 * alignment are those of a bank of the good pictures. */
#include "research.h"
#include "cluster.h"

enum { N_EACH = 3, N_MOST = 2 * N_EACH, N_CLUSTERS = 7, DRAWN_SIDE = 448 };
#define COVER 0.55

/* Okabe and Ito's colours, which colour-blind people can tell apart. */
static const uint8_t colours[N_CLUSTERS][3] = {{86, 180, 233}, {230, 159, 0}, {0, 158, 115},  {240, 228, 66},
                                               {0, 114, 178},  {213, 94, 0},  {204, 121, 167}};

struct picked {
    const dataset_item *item;
    size_t rows, cols, first; /* its grid; index of its first token among all tokens */
    float *canvas;            /* [rows * patch, cols * patch, 3] */
};

/* Picks pictures at even distances: first good ones, then anomalous ones. */
static size_t pick(const dataset *set, struct picked *picked)
{
    size_t n = 0, of[2] = {0, 0};
    for (guint i = 0; i < set->test->len; i++)
        of[g_array_index(set->test, dataset_item, i).label != 0]++;
    for (int label = 0; label < 2; label++) {
        size_t seen = 0, take = MIN(of[label], (size_t)N_EACH);
        for (guint i = 0; i < set->test->len; i++) {
            const dataset_item *item = &g_array_index(set->test, dataset_item, i);
            if ((item->label != 0) != label)
                continue;
            if (seen * take / of[label] != (seen + 1) * take / of[label])
                picked[n++] = (struct picked){.item = item};
            seen++;
        }
    }
    return n;
}

/* Loads the picture as the network sees it. */
static dp_status load_canvas(const research *r, const dp_recipe *recipe, struct picked *one, dp_error *err)
{
    size_t patch = r->about.patch_px, height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    dp_picture *picture = NULL;
    dp_pose pose = {.status = DP_ALIGN_OFF};
    const dp_picture_options options = {
        .max_pixels = r->run.run.max_picture_pixels, .tolerant = 1, .white = recipe->sample_white};
    dp_status status = dp_picture_load_with(one->item->path, &options, &picture, NULL, err);
    if (status)
        return status;
    if (recipe->edge_px) { /* each picture has its own size */
        double scale = (double)recipe->edge_px / (double)MIN(picture->width_px, picture->height_px);
        height = (size_t)((double)picture->height_px * scale + 0.5) / patch * patch;
        width = (size_t)((double)picture->width_px * scale + 0.5) / patch * patch;
    } /* with a crop, the clusters are still shown for the whole picture */
    if (!height || !width)
        status = DP_E_PICTURE;
    if (!status && recipe->align != DP_ALIGN_NONE)
        status = dp_pose_find(picture, recipe, &pose, err);
    if (!status && !(one->canvas = g_try_new(float, height *width * 3)))
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

/* Draws the patches of a picture in the colours of their clusters; NULL: no memory. */
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

/* Draws all loaded pictures and adds the files to the list. */
static dp_status draw_all(const research *r, const dataset *set, const struct picked *picked, size_t n,
                          const uint32_t *labels, json_t *list, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (!picked[i].rows)
            continue;
        char *place = research_place(set, "clusters", i + 1);
        dp_picture *drawn = draw(&picked[i], labels, r->about.patch_px);
        if (!drawn)
            status = no_memory(err);
        else if (!eval_save_small(r->out, place, drawn, DRAWN_SIDE, err))
            status = err->status;
        else
            cli_json_append(list,
                            cli_json_pack("{s:o, s:o, s:o}", "input", cli_json_text(picked[i].item->path), "defect",
                                          cli_json_text(picked[i].item->defect), "drawn", cli_json_text(place)));
        dp_picture_free(&drawn);
        g_free(place);
    }
    return status;
}

/* Draws test pictures with the clusters of their features below out and adds them to the list. Complains about a
 * picture that cannot be read or aligned, and leaves it out. */
static dp_status draw_set(const research *r, const dataset *set, const dp_recipe *recipe, json_t *list,
                          size_t *n_failed, dp_error *err)
{
    struct picked picked[N_MOST] = {{0}};
    size_t n = pick(set, picked), n_tokens = 0, patch = r->about.patch_px;
    size_t dim = r->about.dim * (recipe->layer_mix == DP_LAYERS_MEAN ? 1 : recipe->n_layers);
    dp_status status = DP_OK;
    for (size_t i = 0; i < n && !status; i++) {
        dp_status loaded = load_canvas(r, recipe, &picked[i], err);
        if (loaded == DP_E_MEMORY)
            status = no_memory(err);
        else if (loaded && ++*n_failed)
            cli_complain("%s", err->message);
        picked[i].first = n_tokens;
        n_tokens += picked[i].rows * picked[i].cols;
    }
    float *tokens = n_tokens && !status ? g_try_malloc_n(n_tokens, dim * sizeof *tokens) : NULL;
    uint32_t *labels = n_tokens && !status ? g_try_new(uint32_t, n_tokens) : NULL;
    if (!status && n_tokens && (!tokens || !labels))
        status = no_memory(err);
    for (size_t i = 0; i < n && !status; i++)
        if (picked[i].rows)
            status = dp_session_embed(r->session, picked[i].canvas, picked[i].rows * patch, picked[i].cols * patch,
                                      recipe->layers, recipe->n_layers, recipe->layer_mix,
                                      tokens + picked[i].first * dim, err);
    if (!status && n_tokens) {
        cluster_tokens(tokens, n_tokens, dim, N_CLUSTERS, 0, labels);
        status = draw_all(r, set, picked, n, labels, list, err);
    }
    for (size_t i = 0; i < n; i++)
        g_free(picked[i].canvas);
    g_free(tokens);
    g_free(labels);
    return status;
}

static int draw_category(const research *r, void *user, const dataset *set, const char *category, json_t *all,
                         size_t *n_failed)
{
    dp_bank *bank = NULL;
    dp_error err;
    json_t *list = json_array();
    int code = EXIT_DONE;
    cli_progress_begin(category, r->run.quiet);
    dp_status status = research_fit(r, set, &r->recipe, &bank, n_failed, &err);
    bool possible = status != DP_E_PICTURE;
    if (!status) {
        dp_bank_details info;
        dp_bank_get_details(bank, &info);
        status = draw_set(r, set, &info.recipe, list, n_failed, &err);
    }
    dp_bank_close(&bank);
    cli_progress_end();
    if (!possible) {
        eval_print_not_possible(category, err.message);
        code = EXIT_SOME_FAILED;
    } else if (status) {
        cli_complain("%s: %s", category, err.message);
        code = status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
    } else {
        printf("%-20s %zu pictures drawn\n", cli_shown(category), json_array_size(list));
        fflush(stdout);
    }
    cli_json_set(all, category, list);
    return code;
}

static void declare(cli_outputs *files, const research *r)
{
    research_declare(files, r, "clusters.json");
    research_declare_figures(files, r, "clusters", N_MOST);
}

int main(int argc, char **argv)
{
    research r;
    const cli_option own[] = {CLI_OPTION_END};
    int code;
    research_begin(&r, "clusters");
    if (!research_parse(&r, argc, argv, own, "Draws clusters of a network's features: the paper's Figure 5.", &code))
        return research_end(&r, code);
    if (!r.out)
        code = cli_usage("--out is missing: name the folder for the drawings");
    else if (research_open(&r, declare, &code))
        code = research_each(&r, draw_category, NULL, "clusters.json");
    return research_end(&r, code);
}
