/* workbench.c - features of one picture, with its polarity settled.
 *
 * PCA finds an axis, not a direction: the object may lie the right way round or turned by 180 degrees.  The orientation
 * vector of the features says which.  `rotate` turns the picture and embeds again; `mirror` flips the columns of the grid,
 * as the paper does, which is the same for parts symmetric about their axis only. */
#include "run/workbench.h"
#include "align/transform.h"
#include "base/error.h"
#include "base/memory.h"
#include "embed/session.h"
#include "extract/layer_grid.h"
#include "map/background.h"
#include "polarity/orientation.h"

dp_status dp_workbench_open(const dp_recipe *recipe, size_t patch_px, size_t dim, size_t knn, dp_workbench *bench,
                            dp_error *err)
{
    size_t rows = recipe->canvas_height_px / patch_px, cols = recipe->canvas_width_px / patch_px, cells, values,
           neighbours;
    if (!dp_mul_size(rows, cols, &cells) || !dp_mul_size(cells, dim, &values) || !dp_mul_size(cells, knn, &neighbours))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu is too large", recipe->canvas_height_px,
                       recipe->canvas_width_px);
    *bench = (dp_workbench){
        .recipe = *recipe,
        .patch_px = patch_px,
        .rows = rows,
        .cols = cols,
        .dim = dim,
        .knn = knn,
        .valid = dp_malloc_2d(cells, patch_px, patch_px),
        .tokens = dp_malloc(values, sizeof(float)),
        .raw = recipe->neighbourhood > 1 ? dp_malloc(values, sizeof(float)) : NULL,
        .orientation = dp_malloc(dim, sizeof(float)),
        .background = recipe->background ? dp_calloc(cells, 1) : NULL,
        .component = recipe->background ? dp_malloc(cells, sizeof(float)) : NULL,
        .nearest = dp_malloc(neighbours, sizeof(dp_neighbour)),
        .nearest_picture = dp_malloc(cells, sizeof(uint32_t)),
    };
    if (bench->valid && bench->tokens && (bench->raw || recipe->neighbourhood <= 1) && bench->orientation
        && (!recipe->background || (bench->background && bench->component)) && bench->nearest && bench->nearest_picture)
        return DP_OK;
    dp_workbench_close(bench);
    return dp_fail_memory(err, "the features of one picture", values * sizeof(float));
}

dp_status dp_workbench_fit(dp_workbench *bench, const dp_prepared *prepared, dp_error *err)
{
    dp_recipe recipe = bench->recipe;
    if (!dp_own_canvas(&recipe)
        || (recipe.canvas_height_px == prepared->height_px && recipe.canvas_width_px == prepared->width_px))
        return DP_OK;
    recipe.canvas_height_px = prepared->height_px;
    recipe.canvas_width_px = prepared->width_px;
    dp_workbench larger;
    dp_status status = dp_workbench_open(&recipe, bench->patch_px, bench->dim, bench->knn, &larger, err);
    if (status)
        return status;
    larger.layer_norm = bench->layer_norm;
    dp_workbench_close(bench);
    *bench = larger;
    return DP_OK;
}

void dp_workbench_close(dp_workbench *bench)
{
    dp_extract_plan_close(&bench->plan);
    dp_memory_free(bench->valid);
    dp_memory_free(bench->tokens);
    dp_memory_free(bench->raw);
    dp_memory_free(bench->orientation);
    dp_memory_free(bench->background);
    dp_memory_free(bench->component);
    dp_memory_free(bench->nearest);
    dp_memory_free(bench->nearest_picture);
    *bench = (dp_workbench){0};
}

/* Layers as the network leaves them; normalised where it is known by what. */
static dp_status extract(dp_workbench *bench, dp_session *session, const float *rgb, dp_error *err)
{
    const size_t height = bench->recipe.canvas_height_px, width = bench->recipe.canvas_width_px;
    dp_status status = bench->plan.dim ? DP_OK : dp_extract_plan_open(session, height, width, &bench->plan, err);
    const dp_extract_plan *p = &bench->plan;
    if (!status && (p->dim != bench->dim || p->rows != bench->rows || p->cols != bench->cols))
        status = dp_fail(err, DP_E_MISMATCH, "the layers of this network are not those of the recipe");
    if (!status)
        status = dp_extract(&bench->plan, session, rgb, height, width, bench->tokens, err);
    if (!status && bench->layer_norm)
        dp_layer_norm_apply(bench->tokens, bench->rows * bench->cols, bench->dim, bench->layer_norm,
                            bench->layer_norm + bench->dim);
    return status;
}

dp_status dp_workbench_embed_canvas(dp_workbench *bench, dp_session *session, const float *rgb, dp_error *err)
{
    const dp_recipe *r = &bench->recipe;
    if (r->layer_norm)
        return extract(bench, session, rgb, err);
    dp_status status = dp_session_embed(session, rgb, r->canvas_height_px, r->canvas_width_px, r->layers, r->n_layers,
                                        r->layer_mix, bench->raw ? bench->raw : bench->tokens, err);
    if (!status && bench->raw)
        dp_mean_3x3(bench->raw, bench->rows, bench->cols, bench->dim, bench->tokens);
    return status;
}

dp_status dp_workbench_embed(dp_workbench *bench, dp_session *session, const dp_prepared *prepared, dp_error *err)
{
    dp_status status = dp_workbench_fit(bench, prepared, err);
    if (status)
        return status;
    status = dp_workbench_embed_canvas(bench, session, prepared->rgb, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

dp_status dp_workbench_orientation(dp_workbench *bench, const dp_prepared *prepared, dp_error *err)
{
    dp_status status =
        dp_orientation(bench->tokens, prepared->cells, bench->rows, bench->cols, bench->dim, bench->orientation, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

bool dp_workbench_has_polarity(const dp_workbench *bench, const dp_prepared *prepared)
{
    return bench->recipe.polarity != DP_POLARITY_NONE && prepared->pose.status == DP_ALIGN_OK;
}

dp_status dp_workbench_features(dp_workbench *bench, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err)
{
    const dp_recipe *r = &bench->recipe;
    dp_status status = dp_workbench_embed(bench, session, prepared, err);
    *polarity = 0;
    if (status || !dp_workbench_has_polarity(bench, prepared))
        return status;
    status = dp_workbench_orientation(bench, prepared, err);
    if (status)
        return status;
    dp_orientation_unbias(bench->orientation, orientation + bench->dim, bench->dim);
    *polarity = dp_orientation_sign(bench->orientation, orientation, bench->dim, NULL);
    if (*polarity >= 0)
        return DP_OK;
    if (r->polarity == DP_POLARITY_MIRROR) {
        dp_grid_mirror(bench->tokens, prepared->cells, bench->rows, bench->cols, bench->dim);
        return DP_OK;
    }
    status = dp_prepared_warp(prepared, r, bench->patch_px, 1, bench->valid, err);
    return status ? status : dp_workbench_embed(bench, session, prepared, err);
}

/* dp_mean_3x3 divides by 9 at the border too; here by the cells there are, or the border would be what differs most. */
static const float *even_means(dp_workbench *bench)
{
    if (!bench->raw)
        return bench->tokens;
    for (size_t r = 0; r < bench->rows; r++)
        for (size_t c = 0; c < bench->cols; c++) {
            size_t high = 1 + (r > 0) + (r + 1 < bench->rows), wide = 1 + (c > 0) + (c + 1 < bench->cols);
            size_t first = (r * bench->cols + c) * bench->dim;
            float factor = 9 / (float)(high * wide);
            for (size_t d = 0; d < bench->dim; d++)
                bench->raw[first + d] = factor * bench->tokens[first + d];
        }
    return bench->raw;
}

dp_status dp_workbench_background(dp_workbench *bench, dp_session *session, const uint8_t *cells, const char *path,
                                  size_t *left, dp_error *err)
{
    const dp_recipe *r = &bench->recipe;
    dp_status status =
        dp_first_component(even_means(bench), r->background_rule == DP_BACKGROUND_LIST ? NULL : cells, bench->rows,
                           bench->cols, bench->dim, dp_session_pool(session), bench->component, err);
    if (!status)
        status = dp_background_cells(bench->component, cells, bench->rows, bench->cols, r->background_threshold,
                                     r->background_rule, bench->background, err);
    if (status)
        return dp_error_prefix(err, status, "%s", path);
    *left = 0;
    for (size_t i = 0; i < bench->rows * bench->cols; i++)
        *left += cells[i] && !bench->background[i];
    return DP_OK;
}

dp_status dp_fail_all_background(const dp_recipe *recipe, const char *path, dp_error *err)
{
    return dp_fail(err, DP_E_PICTURE,
                   "%s: all of it is background: no feature passes the threshold %g on the first principal component",
                   path, recipe->background_threshold);
}
