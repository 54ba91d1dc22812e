/* extractor.c - features of one picture, with its polarity settled.
 *
 * PCA finds an axis, not a direction: the object may lie the right way round or turned by 180 degrees.  The orientation
 * vector of the features says which.  `rotate` turns the picture and embeds again; `mirror` flips the columns of the grid,
 * as the paper does, which is the same for parts symmetric about their axis only. */
#include "extract/extractor.h"
#include "geometry/spaces.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/session.h"
#include "extract/layer_grid.h"
#include "extract/background.h"
#include "extract/orientation.h"

dp_status dp_extractor_open(const dp_recipe *recipe, size_t patch_px, size_t dim, dp_extractor *extractor,
                            dp_error *err)
{
    size_t rows = dp_canvas_to_cells(recipe->canvas_height_px, patch_px),
           cols = dp_canvas_to_cells(recipe->canvas_width_px, patch_px), cells, values;
    if (!dp_mul_size(rows, cols, &cells) || !dp_mul_size(cells, dim, &values))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu is too large", recipe->canvas_height_px,
                       recipe->canvas_width_px);
    *extractor = (dp_extractor){
        .recipe = *recipe,
        .patch_px = patch_px,
        .rows = rows,
        .cols = cols,
        .dim = dim,
        .valid = dp_malloc_2d(cells, patch_px, patch_px),
        .tokens = dp_malloc(values, sizeof(float)),
        .raw = recipe->neighbourhood > 1 ? dp_malloc(values, sizeof(float)) : NULL,
        .orientation = dp_malloc(dim, sizeof(float)),
        .background = recipe->background ? dp_calloc(cells, 1) : NULL,
        .component = recipe->background ? dp_malloc(cells, sizeof(float)) : NULL,
    };
    if (extractor->valid && extractor->tokens && (extractor->raw || recipe->neighbourhood <= 1)
        && extractor->orientation && (!recipe->background || (extractor->background && extractor->component)))
        return DP_OK;
    dp_extractor_close(extractor);
    return dp_fail_memory(err, "the features of one picture", values * sizeof(float));
}

dp_status dp_extractor_fit(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err)
{
    dp_recipe recipe = extractor->recipe;
    if (!dp_own_canvas(&recipe)
        || (recipe.canvas_height_px == prepared->height_px && recipe.canvas_width_px == prepared->width_px))
        return DP_OK;
    recipe.canvas_height_px = prepared->height_px;
    recipe.canvas_width_px = prepared->width_px;
    dp_extractor larger;
    dp_status status = dp_extractor_open(&recipe, extractor->patch_px, extractor->dim, &larger, err);
    if (status)
        return status;
    larger.layer_norm = extractor->layer_norm;
    dp_extractor_close(extractor);
    *extractor = larger;
    return DP_OK;
}

void dp_extractor_close(dp_extractor *extractor)
{
    dp_extract_plan_close(&extractor->plan);
    dp_memory_free(extractor->valid);
    dp_memory_free(extractor->tokens);
    dp_memory_free(extractor->raw);
    dp_memory_free(extractor->orientation);
    dp_memory_free(extractor->background);
    dp_memory_free(extractor->component);
    *extractor = (dp_extractor){0};
}

/* Layers as the network leaves them; normalised where it is known by what. */
static dp_status extract(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err)
{
    const size_t height = extractor->recipe.canvas_height_px, width = extractor->recipe.canvas_width_px;
    dp_status status =
        extractor->plan.dim ? DP_OK : dp_extract_plan_open(session, height, width, &extractor->plan, err);
    const dp_extract_plan *p = &extractor->plan;
    if (!status && (p->dim != extractor->dim || p->rows != extractor->rows || p->cols != extractor->cols))
        status = dp_fail(err, DP_E_MISMATCH, "the layers of this network are not those of the recipe");
    if (!status)
        status = dp_extract(&extractor->plan, session, rgb, height, width, extractor->tokens, err);
    if (!status && extractor->layer_norm)
        dp_layer_norm_apply(extractor->tokens, extractor->rows * extractor->cols, extractor->dim, extractor->layer_norm,
                            extractor->layer_norm + extractor->dim);
    return status;
}

dp_status dp_extractor_embed_canvas(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    if (r->layer_norm)
        return extract(extractor, session, rgb, err);
    dp_status status = dp_session_embed(session, rgb, r->canvas_height_px, r->canvas_width_px, r->layers, r->n_layers,
                                        r->layer_mix, extractor->raw ? extractor->raw : extractor->tokens, err);
    if (!status && extractor->raw)
        dp_mean_3x3(extractor->raw, extractor->rows, extractor->cols, extractor->dim, extractor->tokens);
    return status;
}

dp_status dp_extractor_embed(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, dp_error *err)
{
    dp_status status = dp_extractor_fit(extractor, prepared, err);
    if (status)
        return status;
    status = dp_extractor_embed_canvas(extractor, session, prepared->rgb, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

dp_status dp_extractor_orientation(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err)
{
    dp_status status = dp_orientation(extractor->tokens, prepared->cells, extractor->rows, extractor->cols,
                                      extractor->dim, extractor->orientation, err);
    return status ? dp_error_prefix(err, status, "%s", prepared->path) : DP_OK;
}

bool dp_extractor_has_polarity(const dp_extractor *extractor, const dp_prepared *prepared)
{
    return extractor->recipe.polarity != DP_POLARITY_NONE && prepared->pose.status == DP_ALIGN_OK;
}

dp_status dp_extractor_features(dp_extractor *extractor, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    dp_status status = dp_extractor_embed(extractor, session, prepared, err);
    *polarity = 0;
    if (status || !dp_extractor_has_polarity(extractor, prepared))
        return status;
    status = dp_extractor_orientation(extractor, prepared, err);
    if (status)
        return status;
    dp_orientation_unbias(extractor->orientation, orientation + extractor->dim, extractor->dim);
    *polarity = dp_orientation_sign(extractor->orientation, orientation, extractor->dim, NULL);
    if (*polarity >= 0)
        return DP_OK;
    if (r->polarity == DP_POLARITY_MIRROR) {
        dp_grid_mirror(extractor->tokens, prepared->cells, extractor->rows, extractor->cols, extractor->dim);
        return DP_OK;
    }
    status = dp_prepared_warp(prepared, r, extractor->patch_px, 1, extractor->valid, err);
    return status ? status : dp_extractor_embed(extractor, session, prepared, err);
}

/* dp_mean_3x3 divides by 9 at the border too; here by the cells there are, or the border would be what differs most. */
static const float *even_means(dp_extractor *extractor)
{
    if (!extractor->raw)
        return extractor->tokens;
    for (size_t r = 0; r < extractor->rows; r++)
        for (size_t c = 0; c < extractor->cols; c++) {
            size_t high = 1 + (r > 0) + (r + 1 < extractor->rows), wide = 1 + (c > 0) + (c + 1 < extractor->cols);
            size_t first = (r * extractor->cols + c) * extractor->dim;
            float factor = 9 / (float)(high * wide);
            for (size_t d = 0; d < extractor->dim; d++)
                extractor->raw[first + d] = factor * extractor->tokens[first + d];
        }
    return extractor->raw;
}

dp_status dp_extractor_background(dp_extractor *extractor, dp_session *session, const uint8_t *cells, const char *path,
                                  size_t *left, dp_error *err)
{
    const dp_recipe *r = &extractor->recipe;
    dp_status status = dp_first_component(
        even_means(extractor), r->background_rule == DP_BACKGROUND_LIST ? NULL : cells, extractor->rows,
        extractor->cols, extractor->dim, dp_session_pool(session), extractor->component, err);
    if (!status)
        status = dp_background_cells(extractor->component, cells, extractor->rows, extractor->cols,
                                     r->background_threshold, r->background_rule, extractor->background, err);
    if (status)
        return dp_error_prefix(err, status, "%s", path);
    *left = 0;
    for (size_t i = 0; i < extractor->rows * extractor->cols; i++)
        *left += cells[i] && !extractor->background[i];
    return DP_OK;
}

dp_status dp_fail_all_background(const dp_recipe *recipe, const char *path, dp_error *err)
{
    return dp_fail(err, DP_E_PICTURE,
                   "%s: all of it is background: no feature passes the threshold %g on the first principal component",
                   path, recipe->background_threshold);
}
