/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_view.c - inspects a picture by one view: distances, score, map and defects. */
#include "base/clock.h"
#include "base/error.h"
#include "geometry/spaces.h"
#include "network/session.h"
#include "pipeline/inspector.h"
#include "reduce/pca.h"
#include "score/cell_score.h"
#include "score/defects.h"
#include "score/nearest.h"
#include "score/picture_map.h"
#include "search/reweight.h"

#include <math.h>
#include <string.h>

/* Begins the result of a picture whose grid is [rows, cols]; it is still empty. */
static dp_status result_begin(dp_view_state *state, const dp_prepared *prepared, size_t rows, size_t cols,
                              dp_error *err)
{
    state->result = (dp_result){
        .score = NAN,
        .threshold = state->scoring.levels.threshold,
        .cell_threshold = state->scoring.levels.cell_threshold,
        .p_value = NAN,
        .nearest_similarity = NAN,
        .label = DP_LABEL_NONE,
        .pose = prepared->pose,
        .crop_x0_px = NAN,
        .crop_y0_px = NAN,
        .crop_x1_px = NAN,
        .crop_y1_px = NAN,
        .inspected_fraction = NAN,
        .grid_rows = rows,
        .grid_cols = cols,
        .grid = dp_room_for(&state->grid, rows * cols /* checked: the features exist */, sizeof(float)),
        .grid_valid = dp_room_for(&state->grid_valid, rows * cols /* checked: the features exist */, 1),
        .height_px = prepared->picture->height_px,
        .width_px = prepared->picture->width_px,
    };
    return state->result.grid && state->result.grid_valid
               ? DP_OK
               : dp_fail_memory(err, prepared->path, rows * cols * sizeof(float));
}

static dp_status make_map(dp_view_state *state, const char *path, dp_error *err)
{
    size_t pixels = state->result.height_px * state->result.width_px;
    state->result.map = dp_room_for(&state->map, pixels, sizeof(float));
    return state->result.map ? DP_OK : dp_fail_memory(err, path, pixels * sizeof(float));
}

/* Returns NaN if no good picture has a score to compare with. */
static double p_value(const dp_view *view, double score)
{
    size_t known = 0;
    for (size_t p = 0; view->good_scores && p < view->n_good_scores; p++)
        known += !isnan(view->good_scores[p]);
    return known ? dp_conformal_p(view->good_scores, view->n_good_scores, score) : (double)NAN;
}

/* Makes room for the neighbours of a picture's cells. */
static dp_status make_room(dp_inspector *inspector, dp_error *err)
{
    const size_t cells = inspector->extractor.shape.cells;
    if (inspector->room >= cells)
        return DP_OK;
    dp_memory_free(inspector->nearest);
    dp_memory_free(inspector->nearest_picture);
    inspector->nearest = NULL;
    inspector->nearest_picture = NULL;
    inspector->room = 0;
    const dp_need needs[] = {{&inspector->nearest, cells, inspector->knn, sizeof *inspector->nearest},
                             {&inspector->nearest_picture, cells, 1, sizeof *inspector->nearest_picture}};
    dp_status status = dp_memory_take(needs, 2, "the neighbours of one picture", err);
    inspector->room = status ? 0 : cells;
    return status;
}

/* Moves memory of the shelf into memory that stays. */
static dp_status keep(dp_room *room, void *from, size_t bytes, void **to, dp_error *err)
{
    *to = bytes ? dp_room_for(room, bytes, 1) : NULL;
    if (*to)
        memcpy(*to, from, bytes);
    dp_memory_free(from);
    return *to || !bytes ? DP_OK : dp_fail_memory(err, "the result of one picture", bytes);
}

static dp_status weigh_cells(dp_inspector *inspector, dp_view_state *state, const dp_search *search,
                             const dp_found *found, dp_error *err)
{
    float *weights = NULL;
    void *kept = NULL;
    dp_status status = dp_reweight_cells(&inspector->bank->rows, search, found, state->scoring.reweight,
                                         dp_session_pool(inspector->session), &weights, err);
    if (!status)
        status = keep(&state->weights, weights, found->cells * sizeof *weights, &kept, err);
    state->result.weights = kept;
    return status;
}

/* Searches for the cells whose features the extractor holds. *features: [cells of the band, dim of the bank]. */
static dp_status search_band(dp_inspector *inspector, dp_view_state *state, const dp_prepared *prepared,
                             const float **features, dp_error *err)
{
    const dp_rows *rows = &inspector->bank->rows;
    const dp_extractor *extractor = &inspector->extractor;
    const size_t first = extractor->top * extractor->shape.cols, n = extractor->band * extractor->shape.cols;
    dp_result *result = &state->result;
    dp_pool *pool = dp_session_pool(inspector->session);
    dp_status status = dp_pca_project_cells(&inspector->bank->projection, extractor->tokens, n, pool,
                                            inspector->projected, features, err);
    const dp_cells cells = {.features = *features,
                            .valid = prepared->cells + first,
                            .rows = extractor->shape.rows,
                            .cols = extractor->shape.cols,
                            .top = extractor->top,
                            .band = extractor->band,
                            .leave_out = DP_NO_PICTURE,
                            .vector = extractor->vector};
    const dp_distances found = {inspector->nearest + first * state->scoring.knn, result->grid + first,
                                result->grid_valid + first};
    if (!status)
        status = dp_searcher_map(&state->searcher, &cells, pool, &found, err);
    if (dp_extractor_bands(extractor) > 1 && !rows->flat) /* the next band reads other rows */
        dp_rows_forget(rows, first, 0, n * rows->n_rows);
    return status;
}

static dp_status measure_distances(dp_inspector *inspector, dp_view_state *state, const dp_prepared *prepared,
                                   dp_error *err)
{
    dp_result *result = &state->result;
    const dp_bank *bank = inspector->bank;
    dp_extractor *extractor = &inspector->extractor;
    const dp_scoring *scoring = &state->scoring;
    dp_pool *pool = dp_session_pool(inspector->session);
    const float *features = NULL;
    double start, searched = 0;
    dp_status status = make_room(inspector, err);
    for (size_t band = 0; band < dp_extractor_bands(extractor) && !status; band++) {
        start = dp_now_seconds();
        status = dp_extractor_band(extractor, inspector->session, prepared, band, err);
        if (status)
            return status;
        result->embed_ms += 1000 * (dp_now_seconds() - start);
        start = dp_now_seconds();
        status = search_band(inspector, state, prepared, &features, err);
        searched += dp_now_seconds() - start;
    }
    if (status)
        return dp_error_prefix(err, status, "%s", prepared->path);
    result->search_ms = 1000 * searched;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    for (size_t i = 0; i < cells; i++) {
        const dp_neighbour *found = &inspector->nearest[i * scoring->knn];
        inspector->nearest_picture[i] =
            found->row == DP_NO_ROW ? UINT32_MAX : (uint32_t)dp_rows_picture(&bank->rows, found->cell, found->row);
    }
    if (dp_masks_inspected(&bank->recipe))
        dp_grid_mask(&bank->recipe, extractor->background, cells, result->grid, result->grid_valid);
    double cell_px = dp_cell_area_px(&(dp_frame){.recipe = &extractor->recipe,
                                                 .pose = &result->pose,
                                                 .rows = extractor->shape.rows,
                                                 .cols = extractor->shape.cols});
    status = dp_map_scorer_run(&state->scorer, result->grid, result->grid_valid, extractor->shape.rows,
                               extractor->shape.cols, cell_px, &result->score, err);
    if (!status && dp_scoring_reweighs(scoring)) {
        const dp_search search =
            dp_searcher_search(&state->searcher, extractor->shape.rows, extractor->shape.cols, DP_NO_PICTURE);
        const dp_found found = {features, inspector->nearest, result->grid, result->grid_valid, cells};
        double factor;
        start = dp_now_seconds();
        status = dp_reweight(&bank->rows, &search, &found, scoring->reweight, pool, &factor, err);
        result->score *= status ? 1 : factor;
        result->search_ms += 1000 * (dp_now_seconds() - start);
        if (!status && state->view.cell_weights)
            status = weigh_cells(inspector, state, &search, &found, err);
    }
    if (status)
        return dp_error_prefix(err, status, "%s", prepared->path);
    result->nearest_similarity = state->searcher.likeness.similarity;
    if (scoring->score == DP_SCORE_RETRIEVED && !isnan(result->score))
        result->score = state->searcher.likeness.distance;
    result->p_value = p_value(&state->view, result->score);
    return DP_OK;
}

/* Makes the map in the picture and finds its defects. An anomalous picture always shows a place, even if its score
 * exceeds the picture threshold but no part of its map exceeds the cell threshold. */
static dp_status show_in_picture(dp_inspector *inspector, dp_view_state *state, dp_error *err)
{
    dp_result *result = &state->result;
    const dp_extractor *extractor = &inspector->extractor;
    const dp_picture_map show = {.recipe = &extractor->recipe,
                                 .pose = &result->pose,
                                 .polarity = result->polarity,
                                 .rows = result->grid_rows,
                                 .cols = result->grid_cols,
                                 .background = dp_masks_inspected(&extractor->recipe) ? extractor->background : NULL,
                                 .regions = &inspector->regions,
                                 .pool = dp_session_pool(inspector->session)};
    size_t pixels = result->height_px * result->width_px, n = 0;
    double box[4];
    dp_projection projection;
    dp_status status = make_map(state, "the map", err);
    if (status)
        return status;
    if (dp_picture_map_leaves_out(&show) && !(result->inspected = dp_room_for(&state->inspected, pixels, 1)))
        return dp_fail_memory(err, "the inspected pixels", pixels);
    if (dp_picture_map_crop(&show, box)) {
        result->crop_x0_px = box[0], result->crop_y0_px = box[1];
        result->crop_x1_px = box[2], result->crop_y1_px = box[3];
    }
    status =
        dp_picture_map_make(&show, result->grid, result->grid_valid, &projection, result->map, result->inspected, err);
    for (size_t i = 0; !status && result->inspected && i < pixels; i++)
        n += result->inspected[i] == 1;
    if (!status && result->inspected)
        result->inspected_fraction = (double)n / (double)pixels;
    const dp_delivered delivered = {.projection = &projection,
                                    .grid = result->grid,
                                    .valid = result->grid_valid,
                                    .nearest = inspector->nearest_picture,
                                    .map = result->map,
                                    .height_px = result->height_px,
                                    .width_px = result->width_px};
    dp_defect *found = NULL;
    void *kept = NULL;
    if (!status && result->label == DP_LABEL_ANOMALOUS)
        status = dp_defects_find(&delivered, result->cell_threshold, &found, &result->n_defects, err);
    if (!status && result->label == DP_LABEL_ANOMALOUS && !result->n_defects)
        status = dp_defects_largest(&delivered, &found, &result->n_defects, err);
    if (!status)
        status = keep(&state->defects, found, result->n_defects * sizeof *found, &kept, err);
    result->defects = kept;
    for (size_t i = 0; !status && i < result->n_defects; i++) {
        dp_defect *defect = &result->defects[i];
        const dp_neighbour *nearest = &inspector->nearest[defect->peak_cell * state->scoring.knn];
        dp_patch patch;
        if (dp_nearest_patch(inspector->bank, nearest, &patch)) {
            defect->nearest_cell = patch.cell;
            defect->nearest_version = patch.version;
        }
        dp_nearest_place(inspector->bank, nearest, &defect->nearest_x_px, &defect->nearest_y_px);
    }
    return status;
}

dp_status dp_inspect_view(dp_inspector *inspector, dp_view_state *state, dp_prepared *prepared,
                          const dp_embedded *embedded, bool shows, dp_error *err)
{
    dp_status status =
        result_begin(state, prepared, inspector->extractor.shape.rows, inspector->extractor.shape.cols, err);
    dp_result *result = &state->result;
    if (!status) {
        result->valid_fraction = prepared->valid_fraction;
        result->polarity = embedded->polarity;
        result->embed_ms = embedded->ms;
        result->masked_fraction = embedded->masked_fraction;
        result->roi_fraction = embedded->roi_fraction;
        status = measure_distances(inspector, state, prepared, err);
    }
    if (!status) {
        dp_warn_of_size(inspector, &state->view, prepared);
        dp_decide(inspector, &state->view, prepared, embedded, result);
        status = shows ? show_in_picture(inspector, state, err) : DP_OK;
    }
    return status;
}

dp_status dp_inspect_blank(dp_view_state *state, const dp_prepared *prepared, const dp_error *fault, dp_error *err)
{
    size_t named = strlen(prepared->path);
    const char *why = fault->message;
    if (!strncmp(why, prepared->path, named) && !strncmp(why + named, ": ", 2))
        why += named + 2;
    dp_error kept = *fault; /* err may be it */
    dp_status status = result_begin(state, prepared, 0, 0, err);
    if (!status)
        status = make_map(state, prepared->path, err);
    if (status)
        return status;
    memset(state->result.map, 0, state->result.height_px * state->result.width_px * sizeof(float));
    dp_not_inspected(&state->result, "%s", kept.message + (why - fault->message));
    return DP_OK;
}
