/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c - from one picture to its result. */
#include "geometry/spaces.h"
#include "bank/bank.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "search/searcher.h"
#include "score/cell_score.h"
#include "network/network.h"
#include "network/session.h"
#include "score/defects.h"
#include "reduce/pca.h"
#include "pipeline/fit.h"
#include "score/gate.h"
#include "score/map_scorer.h"
#include "score/nearest.h"
#include "search/reweight.h"
#include "score/picture_map.h"
#include "extract/extractor.h"
#include "image/image.h"
#include "options/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What one view needs. */
struct way {
    dp_view view;
    dp_scoring scoring; /* the view's */
    dp_map_scorer judge;
    dp_searcher searcher;
    dp_result result; /* of the last picture, in the memory below */
    dp_room grid, grid_valid, weights, map, inspected, defects;
};

/* What is the same for every picture of a run. */
struct inspection {
    dp_session *session;
    const dp_bank *bank;
    struct way *ways; /* [n_ways] */
    size_t n_ways;
    struct way *way; /* the one in use */
    dp_extractor extractor;
    size_t knn, room;          /* neighbours of a cell, cells: what the two below have room for */
    dp_neighbour *nearest;     /* [rows, cols, knn] */
    uint32_t *nearest_picture; /* [rows, cols] */
    dp_regions regions;        /* of all views */
    dp_gate gate;
    bool size_told;
    float *projected;      /* [rows, cols, dim of the bank], where that is not the features' */
    size_t projected_room; /* cells it was made larger for */
};

static void inspection_close(struct inspection *job)
{
    dp_memory_free(job->projected);
    for (size_t i = 0; job->ways && i < job->n_ways; i++) {
        struct way *way = &job->ways[i];
        dp_map_scorer_close(&way->judge);
        dp_searcher_close(&way->searcher);
        dp_room *const rooms[] = {&way->grid, &way->grid_valid, &way->weights,
                                  &way->map,  &way->inspected,  &way->defects};
        for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++)
            dp_room_close(rooms[k]);
    }
    dp_memory_free(job->ways);
    dp_regions_close(&job->regions);
    dp_memory_free(job->nearest);
    dp_memory_free(job->nearest_picture);
    dp_extractor_close(&job->extractor);
}

dp_status dp_session_fits_bank(const dp_session *session, const dp_bank *bank, dp_error *err)
{
    dp_network_info model;
    dp_status status = dp_network_digest(dp_session_network(session), err);
    if (status)
        return status;
    dp_network_get_info(dp_session_network(session), &model);
    if (strcmp(model.sha256, bank->model.sha256) != 0)
        return dp_fail(err, DP_E_MISMATCH, "the bank was made with another checkpoint: %s (SHA-256 %s); %s has %s",
                       bank->model.path, bank->model.sha256, model.path, model.sha256);
    const dp_recipe *recipe = &bank->recipe;
    const dp_network_facts network = dp_session_facts(session);
    if (recipe->layout == DP_LAYOUT_GRID
        && (recipe->canvas_height_px != bank->rows.grid_rows * model.patch_px
            || recipe->canvas_width_px != bank->rows.grid_cols * model.patch_px))
        return dp_fail(err, DP_E_MISMATCH,
                       "the bank has %zux%zu cells, its canvas of %zux%zu pixels is not so many patches of %zu",
                       bank->rows.grid_rows, bank->rows.grid_cols, recipe->canvas_height_px, recipe->canvas_width_px,
                       model.patch_px);
    if (bank->patch_recorded && bank->patch_px != model.patch_px)
        return dp_fail(err, DP_E_MISMATCH, "the bank's cells are patches of %zu pixels, those of the checkpoint %zu",
                       bank->patch_px, model.patch_px);
    status = dp_check_features(recipe, &network, err);
    if (!status && !dp_own_canvas(recipe)) /* where each picture has its own it is checked with the picture */
        status = dp_check_canvas(recipe, &network, err);
    if (status)
        return status;
    const size_t dim = dp_recipe_dim(recipe, &network);
    if (bank->projection.dim_in != dim)
        return dp_fail(err, DP_E_MISMATCH,
                       "the bank holds features of %zu numbers, its recipe makes %zu with this checkpoint",
                       bank->projection.dim_in, dim);
    if (dp_session_precision(session) != bank->recipe.precision)
        return dp_fail(err, DP_E_MISMATCH, "the bank holds %s features, the session computes %s",
                       bank->recipe.precision == DP_INT8 ? "int8" : "fp32",
                       dp_session_precision(session) == DP_INT8 ? "int8" : "fp32");
    return DP_OK;
}

static void warn(const struct inspection *job, const char *format, ...)
{
    const dp_run *run = dp_session_run(job->session);
    char line[DP_ERROR_MESSAGE_BYTES];
    if (!run->log)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dp_shelf *shelf = dp_shelf_use(NULL); /* what the caller allocates is the caller's */
    run->log(run->user, DP_LOG_WARNING, line);
    dp_shelf_use(shelf);
}

static dp_status inspection_open(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                 struct inspection *job, dp_error *err)
{
    *job = (struct inspection){
        .session = session, .bank = bank, .n_ways = n_views, .ways = dp_calloc(n_views, sizeof *job->ways)};
    if (!job->ways)
        return dp_fail_memory(err, "the views", n_views * sizeof *job->ways);
    job->way = job->ways;
    dp_status status = dp_session_fits_bank(session, bank, err);
    const dp_canvas_shape shape = dp_canvas_shape_of(&bank->recipe, dp_session_facts(session).patch_px);
    for (size_t i = 0; i < n_views && !status; i++) {
        struct way *way = &job->ways[i];
        way->view = views[i];
        way->scoring = dp_scoring_of_view(&views[i]);
        job->knn = views[i].knn > job->knn ? views[i].knn : job->knn;
        status = dp_map_scorer_open(&way->scoring.post, way->scoring.score, &way->judge, err);
        if (!status)
            status = dp_searcher_open(&bank->rows, &way->scoring, dp_session_isa(session), dp_session_pool(session),
                                      &way->searcher, err);
    }
    if (!status)
        status = dp_extractor_open(&bank->recipe, &shape, bank->projection.dim_in,
                                   dp_masks_inspected(&bank->recipe) || bank->recipe.reweight ? DP_WHOLE_GRID
                                                                                              : DP_GRID_BYTES,
                                   &job->extractor, err);
    if (!status)
        job->extractor.layer_norm = bank->layer_norm;
    for (size_t i = 1; i < n_views && !status; i++)
        if (views[i].roi != views[0].roi)
            status = dp_fail(err, DP_E_ARGUMENT, "views of one picture share the region to inspect");
    if (!status)
        status = dp_regions_open(bank, views[0].roi, &job->regions, err);
    if (!status)
        status = dp_gate_open(bank, &job->gate, err);
    if (!status && !job->gate.light_known)
        warn(job,
             "%s: was made before the light of its pictures was kept: a frame that is too dark or too bright cannot be "
             "told by its light; "
             "a bank fitted anew can",
             bank->file.path ? bank->file.path : "the bank");
    if (!status && bank->projection.basis
        && !(job->projected =
                 dp_malloc_2d(job->extractor.band * job->extractor.shape.cols /* checked by the extractor */,
                              bank->rows.dim, sizeof *job->projected))) {
        status = dp_fail_memory(err, "the features of one picture",
                                job->extractor.shape.rows * job->extractor.shape.cols * bank->rows.dim * sizeof(float));
    }
    if (status)
        inspection_close(job);
    return status;
}

/* The result of a picture whose grid is [rows, cols], nothing in it yet. */
static dp_status result_begin(const struct inspection *job, const dp_prepared *prepared, size_t rows, size_t cols,
                              dp_error *err)
{
    struct way *way = job->way;
    way->result = (dp_result){
        .score = NAN,
        .threshold = way->scoring.levels.threshold,
        .cell_threshold = way->scoring.levels.cell_threshold,
        .p_value = NAN,
        .label = DP_LABEL_NONE,
        .pose = prepared->pose,
        .crop_x0_px = NAN,
        .crop_y0_px = NAN,
        .crop_x1_px = NAN,
        .crop_y1_px = NAN,
        .inspected_fraction = NAN,
        .grid_rows = rows,
        .grid_cols = cols,
        .grid = dp_room_for(&way->grid, rows * cols /* checked: the features exist */, sizeof(float)),
        .grid_valid = dp_room_for(&way->grid_valid, rows * cols /* checked: the features exist */, 1),
        .height_px = prepared->picture->height_px,
        .width_px = prepared->picture->width_px,
    };
    return way->result.grid && way->result.grid_valid
               ? DP_OK
               : dp_fail_memory(err, prepared->path, rows * cols * sizeof(float));
}

static dp_status make_map(struct way *way, const char *path, dp_error *err)
{
    size_t pixels = way->result.height_px * way->result.width_px;
    way->result.map = dp_room_for(&way->map, pixels, sizeof(float));
    return way->result.map ? DP_OK : dp_fail_memory(err, path, pixels * sizeof(float));
}

static void not_inspected(dp_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(result->reason, sizeof result->reason, format, args);
    va_end(args);
    result->label = DP_LABEL_NOT_INSPECTED;
}

static const char *why_unaligned(dp_align_status status)
{
    switch (status) {
    case DP_ALIGN_FEW_EDGES: return "no part is seen in it: there are too few edges";
    case DP_ALIGN_ROUND: return "what is seen in it is round and has no axis";
    case DP_ALIGN_CUT: return "the part runs over the border of the picture";
    default: return "no part is seen in it";
    }
}

/* The result of a picture that was decoded but could not be compared at all, for the reason that the fault gives. */
static dp_status result_blank(struct inspection *job, struct way *way, const dp_prepared *prepared,
                              const dp_error *fault, dp_error *err)
{
    size_t named = strlen(prepared->path);
    const char *why = fault->message;
    if (!strncmp(why, prepared->path, named) && !strncmp(why + named, ": ", 2))
        why += named + 2;
    job->way = way;
    dp_error kept = *fault; /* err may be it */
    dp_status status = result_begin(job, prepared, 0, 0, err);
    if (!status)
        status = make_map(way, prepared->path, err);
    if (status)
        return status;
    memset(way->result.map, 0, way->result.height_px * way->result.width_px * sizeof(float));
    not_inspected(&way->result, "%s", kept.message + (why - fault->message));
    return DP_OK;
}

/* Whether a fault lies in the picture, which was decoded, and not in the checkpoint or the machine. */
static bool cannot_be_judged(dp_status fault, const dp_prepared *prepared)
{
    return fault == DP_E_PICTURE && prepared->picture;
}

/* What is known of a picture before it is viewed. */
struct embedded {
    int polarity;
    double ms, masked_fraction, roi_fraction;
    double valid;       /* share of the cells that lie inside the picture */
    double region_seen; /* of the cells of the region to inspect; NaN: there is none */
};

/* Once in a run: a picture of another size, the same aspect ratio. */
static void tell_size(struct inspection *job, const dp_prepared *prepared)
{
    const dp_picture *picture = prepared->picture;
    char other[DP_REASON_BYTES];
    if (job->size_told || job->bank->recipe.align != DP_ALIGN_NONE || job->way->view.any_size
        || !dp_gate_other_size(&job->gate, picture->width_px, picture->height_px)
        || dp_gate_other_ratio(&job->gate, picture->width_px, picture->height_px, other, sizeof other))
        return;
    job->size_told = true;
    warn(job,
         "%s: has another size (%zux%zu pixels) than the good pictures, so small defects may look different; set "
         "any_size if this is intended",
         prepared->path, picture->width_px, picture->height_px);
}

/* The decision.  What could not be judged is said first; it is never called good. */
static void decide(const struct inspection *job, const dp_prepared *prepared, const struct embedded *embedded,
                   dp_result *result)
{
    const dp_recipe *recipe = &job->bank->recipe;
    const dp_gate *gate = &job->gate;
    char *reason = result->reason;
    size_t bytes = sizeof result->reason;
    bool free_size = recipe->align != DP_ALIGN_NONE || job->way->view.any_size;
    double object = 1 - embedded->masked_fraction;
    /* NOLINTBEGIN(bugprone-branch-clone): the order decides */
    if (recipe->align == DP_ALIGN_PCA && result->pose.status != DP_ALIGN_OK)
        not_inspected(result, "cannot be aligned (%s): %s", dp_align_status_name(result->pose.status),
                      why_unaligned(result->pose.status));
    else if (isnan(result->score))
        not_inspected(result, "no cell lies wholly inside the picture: there is nothing to compare");
    else if (dp_gate_no_light(gate, &prepared->light, reason, bytes)
             || (!free_size && dp_gate_other_ratio(gate, result->width_px, result->height_px, reason, bytes)))
        result->label = DP_LABEL_NOT_INSPECTED;
    else if (result->score > result->threshold)
        result->label = DP_LABEL_ANOMALOUS;
    else if (dp_gate_few_cells(gate, embedded->valid, object, embedded->region_seen, reason, bytes)
             || dp_gate_odd_light(gate, &prepared->light, reason, bytes))
        result->label = DP_LABEL_NOT_INSPECTED;
    else
        result->label = isnan(result->threshold) ? DP_LABEL_NONE : DP_LABEL_GOOD;
    /* NOLINTEND(bugprone-branch-clone) */
}

static size_t count(const uint8_t *cells, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += cells[i] != 0;
    return sum;
}

/* How much of the region to inspect lies inside the picture. */
static dp_status see_region(struct inspection *job, const dp_prepared *prepared, struct embedded *embedded, size_t seen,
                            dp_error *err)
{
    const dp_extractor *extractor = &job->extractor;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    uint8_t *everywhere = dp_malloc(cells, 1);
    if (!everywhere)
        return dp_fail_memory(err, "the region to inspect", cells);
    memset(everywhere, 1, cells);
    dp_status status = dp_regions_cells(&job->regions, &extractor->recipe, &prepared->pose, embedded->polarity,
                                        extractor->shape.rows, extractor->shape.cols, prepared->path, everywhere, err);
    if (!status)
        embedded->region_seen = (double)seen / (double)count(everywhere, cells); /* 0 / 0: nothing to be seen */
    dp_memory_free(everywhere);
    return status;
}

/* Narrows the cells that are searched for to the region to inspect, and takes the background off them. */
static dp_status mask_cells(struct inspection *job, dp_prepared *prepared, struct embedded *embedded, dp_error *err)
{
    const dp_extractor *extractor = &job->extractor;
    size_t left, cells = extractor->shape.rows * extractor->shape.cols, inside = count(prepared->cells, cells),
                 in_region = inside;
    bool masked = dp_masks_inspected(&extractor->recipe);
    dp_status status = DP_OK;
    embedded->masked_fraction = 0;
    embedded->roi_fraction = 1;
    embedded->valid = (double)inside / (double)cells;
    embedded->region_seen = NAN;
    if (masked) /* of the whole picture, whatever is inspected of it */
        status = dp_extractor_background(&job->extractor, job->session, prepared->cells, prepared->path, &left, err);
    if (!status && dp_regions_any(&job->regions)) {
        status = dp_regions_cells(&job->regions, &extractor->recipe, &prepared->pose, embedded->polarity,
                                  extractor->shape.rows, extractor->shape.cols, prepared->path, prepared->cells, err);
        in_region = count(prepared->cells, cells);
        if (!status)
            status = see_region(job, prepared, embedded, in_region, err);
        if (!status && inside && !in_region)
            status = dp_fail(err, DP_E_PICTURE,
                             "%s: no cell lies in the region to inspect, there is nothing to compare", prepared->path);
        embedded->roi_fraction = inside ? (double)in_region / (double)inside : 0;
    }
    if (status || !masked)
        return status;
    for (size_t i = 0; i < cells; i++) {
        extractor->background[i] = extractor->background[i] && prepared->cells[i];
        prepared->cells[i] = prepared->cells[i] && !extractor->background[i];
    }
    left = count(prepared->cells, cells);
    if (in_region && !left)
        return dp_fail_all_background(&extractor->recipe, prepared->path, err);
    if (in_region)
        embedded->masked_fraction = (double)(in_region - left) / (double)in_region;
    return DP_OK;
}

/* NaN where no good picture has a score to compare with. */
static double p_value(const dp_view *view, double score)
{
    size_t known = 0;
    for (size_t p = 0; view->good_scores && p < view->n_good_scores; p++)
        known += !isnan(view->good_scores[p]);
    return known ? dp_conformal_p(view->good_scores, view->n_good_scores, score) : (double)NAN;
}

/* Room for the neighbours of a picture's cells. */
static dp_status make_room(struct inspection *job, dp_error *err)
{
    size_t cells = job->extractor.shape.rows * job->extractor.shape.cols;
    if (job->room >= cells)
        return DP_OK;
    dp_memory_free(job->nearest);
    dp_memory_free(job->nearest_picture);
    job->nearest = dp_malloc_2d(cells, job->knn, sizeof *job->nearest);
    job->nearest_picture = dp_malloc(cells, sizeof *job->nearest_picture);
    job->room = job->nearest && job->nearest_picture ? cells : 0;
    return job->room ? DP_OK
                     : dp_fail_memory(err, "the neighbours of one picture", cells * job->knn * sizeof *job->nearest);
}

/* What comes from the shelf moves into memory that stays. */
static dp_status keep(dp_room *room, void *from, size_t bytes, void **to, dp_error *err)
{
    *to = bytes ? dp_room_for(room, bytes, 1) : NULL;
    if (*to)
        memcpy(*to, from, bytes);
    dp_memory_free(from);
    return *to || !bytes ? DP_OK : dp_fail_memory(err, "the result of one picture", bytes);
}

static dp_status weigh_cells(struct inspection *job, const dp_search *search, const dp_found *found, dp_error *err)
{
    float *weights = NULL;
    void *kept = NULL;
    dp_status status = dp_reweight_cells(&job->bank->rows, search, found, job->way->scoring.reweight,
                                         dp_session_pool(job->session), &weights, err);
    if (!status)
        status = keep(&job->way->weights, weights, found->cells * sizeof *weights, &kept, err);
    job->way->result.weights = kept;
    return status;
}

/* The distances of the cells whose features the extractor holds: *features [cells of the band, dim of the bank]. */
static dp_status search_band(struct inspection *job, const dp_prepared *prepared, const float **features, dp_error *err)
{
    const dp_rows *rows = &job->bank->rows;
    const dp_extractor *extractor = &job->extractor;
    const size_t first = extractor->top * extractor->shape.cols, n = extractor->band * extractor->shape.cols;
    dp_result *result = &job->way->result;
    dp_pool *pool = dp_session_pool(job->session);
    dp_status status =
        dp_pca_project_cells(&job->bank->projection, extractor->tokens, n, pool, job->projected, features, err);
    const dp_cells cells = {.features = *features,
                            .valid = prepared->cells + first,
                            .rows = extractor->shape.rows,
                            .cols = extractor->shape.cols,
                            .top = extractor->top,
                            .band = extractor->band,
                            .leave_out = DP_NO_PICTURE};
    const dp_distances found = {job->nearest + first * job->way->scoring.knn, result->grid + first,
                                result->grid_valid + first};
    if (!status)
        status = dp_searcher_map(&job->way->searcher, &cells, pool, &found, err);
    if (dp_extractor_bands(extractor) > 1 && !rows->flat) /* the next band reads other rows */
        dp_rows_forget(rows, first, 0, n * rows->n_rows);
    return status;
}

static dp_status measure_distances(struct inspection *job, const dp_prepared *prepared, dp_error *err)
{
    dp_result *result = &job->way->result;
    const dp_bank *bank = job->bank;
    dp_extractor *extractor = &job->extractor;
    const dp_scoring *scoring = &job->way->scoring;
    dp_pool *pool = dp_session_pool(job->session);
    const float *features = NULL;
    double start, searched = 0;
    dp_status status = make_room(job, err);
    for (size_t band = 0; band < dp_extractor_bands(extractor) && !status; band++) {
        start = dp_now_seconds();
        status = dp_extractor_band(extractor, job->session, prepared, band, err);
        if (status)
            return status;
        result->embed_ms += 1000 * (dp_now_seconds() - start);
        start = dp_now_seconds();
        status = search_band(job, prepared, &features, err);
        searched += dp_now_seconds() - start;
    }
    if (status)
        return dp_error_prefix(err, status, "%s", prepared->path);
    result->search_ms = 1000 * searched;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    for (size_t i = 0; i < cells; i++) {
        const dp_neighbour *found = &job->nearest[i * scoring->knn];
        job->nearest_picture[i] =
            found->row == DP_NO_ROW ? UINT32_MAX : (uint32_t)dp_rows_picture(&bank->rows, found->cell, found->row);
    }
    if (dp_masks_inspected(&bank->recipe))
        dp_grid_mask(&bank->recipe, extractor->background, cells, result->grid, result->grid_valid);
    double cell_px = dp_cell_area_px(&(dp_frame){.recipe = &extractor->recipe,
                                                 .pose = &result->pose,
                                                 .rows = extractor->shape.rows,
                                                 .cols = extractor->shape.cols});
    status = dp_map_scorer_run(&job->way->judge, result->grid, result->grid_valid, extractor->shape.rows,
                               extractor->shape.cols, cell_px, &result->score, err);
    if (!status && dp_scoring_reweighs(scoring)) {
        const dp_search search =
            dp_searcher_search(&job->way->searcher, extractor->shape.rows, extractor->shape.cols, DP_NO_PICTURE);
        const dp_found found = {features, job->nearest, result->grid, result->grid_valid, cells};
        double factor;
        start = dp_now_seconds();
        status = dp_reweight(&bank->rows, &search, &found, scoring->reweight, pool, &factor, err);
        result->score *= status ? 1 : factor;
        result->search_ms += 1000 * (dp_now_seconds() - start);
        if (!status && job->way->view.cell_weights)
            status = weigh_cells(job, &search, &found, err);
    }
    if (status)
        return dp_error_prefix(err, status, "%s", prepared->path);
    result->p_value = p_value(&job->way->view, result->score);
    return DP_OK;
}

/* The map in the picture, and what stands out of it.  An anomalous picture shows where, also when its score passed the picture threshold
 * though no part of its map passes the cell threshold. */
static dp_status show_in_picture(struct inspection *job, dp_result *result, dp_error *err)
{
    const dp_extractor *extractor = &job->extractor;
    const dp_picture_map show = {.recipe = &extractor->recipe,
                                 .pose = &result->pose,
                                 .polarity = result->polarity,
                                 .rows = result->grid_rows,
                                 .cols = result->grid_cols,
                                 .background = dp_masks_inspected(&extractor->recipe) ? extractor->background : NULL,
                                 .regions = &job->regions,
                                 .pool = dp_session_pool(job->session)};
    size_t pixels = result->height_px * result->width_px, n = 0;
    double box[4];
    dp_projection projection;
    dp_status status = make_map(job->way, "the map", err);
    if (status)
        return status;
    if (dp_picture_map_leaves_out(&show) && !(result->inspected = dp_room_for(&job->way->inspected, pixels, 1)))
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
                                    .nearest = job->nearest_picture,
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
        status = keep(&job->way->defects, found, result->n_defects * sizeof *found, &kept, err);
    result->defects = kept;
    for (size_t i = 0; !status && i < result->n_defects; i++) {
        dp_defect *defect = &result->defects[i];
        const dp_neighbour *nearest = &job->nearest[defect->peak_cell * job->way->scoring.knn];
        dp_seen seen;
        if (dp_nearest_seen(job->bank, nearest, &seen)) {
            defect->nearest_cell = seen.cell;
            defect->nearest_version = seen.version;
        }
        dp_nearest_place(job->bank, nearest, &defect->nearest_x_px, &defect->nearest_y_px);
    }
    return status;
}

/* The features of a picture and the cells that take part, for all views. */
static dp_status embed_prepared(struct inspection *job, dp_prepared *prepared, struct embedded *embedded, dp_error *err)
{
    double start = dp_now_seconds();
    dp_status status = dp_extractor_features(&job->extractor, job->session, prepared, job->bank->orientation,
                                             &embedded->polarity, err);
    embedded->ms = 1000 * (dp_now_seconds() - start);
    size_t cells = job->extractor.shape.rows * job->extractor.shape.cols;
    if (!status && job->bank->projection.basis && dp_own_canvas(&job->bank->recipe)
        && cells > job->projected_room) { /* the grid is the picture's own */
        job->projected_room = cells;
        dp_memory_free(job->projected);
        if (!(job->projected = dp_malloc_2d(cells, job->bank->rows.dim, sizeof *job->projected)))
            status = dp_fail_memory(err, "the features of one picture", cells * job->bank->rows.dim * sizeof(float));
    }
    return status ? status : mask_cells(job, prepared, embedded, err);
}

/* One view of it, into way->result. */
static dp_status view_prepared(struct inspection *job, struct way *way, dp_prepared *prepared,
                               const struct embedded *embedded, bool shows, dp_error *err)
{
    job->way = way;
    dp_status status = result_begin(job, prepared, job->extractor.shape.rows, job->extractor.shape.cols, err);
    dp_result *result = &way->result;
    if (!status) {
        result->valid_fraction = prepared->valid_fraction;
        result->polarity = embedded->polarity;
        result->embed_ms = embedded->ms;
        result->masked_fraction = embedded->masked_fraction;
        result->roi_fraction = embedded->roi_fraction;
        status = measure_distances(job, prepared, err);
    }
    if (!status) {
        tell_size(job, prepared);
        decide(job, prepared, embedded, result);
        status = shows ? show_in_picture(job, result, err) : DP_OK;
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------ the inspector */

struct dp_inspector {
    struct inspection job;
    dp_session *own;     /* NULL: the session is the caller's */
    dp_network *network; /* NULL: the network is the caller's */
    dp_shelf *shelf;
    dp_prepared prepared; /* of a picture handed over */
    dp_picture picture;   /* the same as RGB */
    dp_room rgb;          /* of it, where it has to be converted */
};

void dp_inspector_close(dp_inspector **inspector)
{
    if (!inspector || !*inspector)
        return;
    dp_inspector *i = *inspector;
    inspection_close(&i->job);
    dp_prepared_close(&i->prepared);
    dp_room_close(&i->rgb);
    dp_shelf_close(&i->shelf);
    dp_session_close(&i->own);
    dp_network_close(&i->network);
    dp_memory_free(i);
    *inspector = NULL;
}

dp_status dp_inspector_open_views(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                  dp_inspector **inspector, dp_error *err)
{
    if (!n_views)
        return dp_fail(err, DP_E_ARGUMENT, "no view to inspect pictures by");
    dp_inspector *made = dp_calloc(1, sizeof *made);
    if (!made || !(made->shelf = dp_shelf_open())) {
        dp_memory_free(made);
        return dp_fail_memory(err, "an inspector", sizeof *made);
    }
    dp_status status = inspection_open(session, bank, views, n_views, &made->job, err);
    if (status) {
        made->job = (struct inspection){0};
        dp_inspector_close(&made);
        return status;
    }
    *inspector = made;
    return DP_OK;
}

dp_status dp_inspector_open(const dp_network *network, const dp_bank *bank, const dp_run *run, dp_inspector **inspector,
                            dp_error *err)
{
    dp_network *own = NULL;
    dp_session *session = NULL;
    dp_inspector *made = NULL;
    dp_view view;
    dp_view_init(bank, &view);
    dp_status status = network ? DP_OK : dp_network_open(bank->model.path, &own, err);
    if (!status)
        status = dp_session_open(network ? network : own, bank->recipe.precision, run, &session, err);
    if (!status)
        status = dp_inspector_open_views(session, bank, &view, 1, &made, err);
    if (status) {
        dp_session_close(&session);
        dp_network_close(&own);
        return status;
    }
    made->own = session;
    made->network = own;
    *inspector = made;
    return DP_OK;
}

/* Pose, canvas and light of the picture in prepared->picture. */
static dp_status prepare(dp_inspector *inspector, dp_error *err)
{
    struct inspection *job = &inspector->job;
    dp_prepared *prepared = &inspector->prepared;
    const dp_recipe *recipe = &job->bank->recipe;
    prepared->run = dp_session_run(job->session);
    prepared->path = "picture";
    dp_status status = prepared->cells ? DP_OK : dp_prepared_open(prepared, recipe, &job->extractor.shape, err);
    if (!status)
        status = dp_light_measure(prepared->picture, &prepared->light, err);
    if (!status)
        status = dp_pose_find(prepared->picture, recipe, &prepared->pose, err);
    if (!status)
        status = dp_prepared_warp(prepared, 0, err);
    return status;
}

/* As dp_inspector_run, of a picture as RGB. */
static dp_status inspect_rgb(dp_inspector *inspector, const dp_picture *picture, bool shows, const dp_result **result,
                             dp_error *err)
{
    struct inspection *job = &inspector->job;
    struct embedded embedded;
    dp_error own = {0};
    err = err ? err : &own;         /* what is wrong with the picture goes into the result */
    dp_picture borrowed = *picture; /* only read */
    dp_shelf *before = dp_shelf_use(inspector->shelf);
    inspector->prepared.picture = &borrowed;
    dp_status status = prepare(inspector, err);
    if (!status)
        status = embed_prepared(job, &inspector->prepared, &embedded, err);
    if (!status)
        status = view_prepared(job, job->ways, &inspector->prepared, &embedded, shows, err);
    if (cannot_be_judged(status, &inspector->prepared))
        status = result_blank(job, job->ways, &inspector->prepared, err, err);
    if (!status)
        status = dp_bank_check_unchanged(job->bank, err);
    inspector->prepared.picture = NULL;
    dp_shelf_leave(inspector->shelf, before);
    if (!status)
        *result = &job->ways->result;
    return status;
}

dp_status dp_inspector_run_picture(dp_inspector *inspector, const dp_picture *picture, const dp_result **result,
                                   dp_error *err)
{
    return inspect_rgb(inspector, picture, true, result, err);
}

dp_status dp_inspector_run(dp_inspector *inspector, const dp_image *image, unsigned what, const dp_result **result,
                           dp_error *err)
{
    const dp_run *run = dp_session_run(inspector->job.session);
    const dp_recipe *recipe = &inspector->job.bank->recipe;
    dp_image own;
    dp_status status = dp_image_take(image, run->max_picture_pixels, &own, err);
    if (status)
        return status;
    dp_picture *picture = &inspector->picture;
    *picture = (dp_picture){.width_px = own.width, .height_px = own.height, .rgb = dp_image_as_rgb(&own)};
    if (!picture->rgb) {
        size_t pixels = own.width * own.height; /* checked by dp_image_take */
        if (!(picture->rgb = dp_room_for(&inspector->rgb, pixels, 3)))
            return dp_fail_memory(err, "the picture", 3 * pixels);
        dp_image_convert(&own, own.white ? own.white : recipe->sample_white, picture->rgb);
    }
    return inspect_rgb(inspector, picture, what & DP_RESULT_MAP, result, err);
}

/* ---------------------------------------------------------------------------------------------------- many pictures */

static dp_status inspect_next(struct inspection *job, dp_prepared *prepared, dp_view_result_fn on_result, void *user,
                              dp_error *err)
{
    double start = dp_now_seconds() - prepared->seconds;
    dp_error fault = prepared->error;
    struct embedded embedded;
    dp_status before = prepared->status;
    int stop = 0;
    if (!before)
        before = embed_prepared(job, prepared, &embedded, &fault);
    bool blank = cannot_be_judged(before, prepared);
    for (size_t i = 0; i < (before && !blank ? 1 : job->n_ways) && !stop; i++) {
        struct way *way = &job->ways[i];
        dp_status status = before ? before : view_prepared(job, way, prepared, &embedded, true, &fault);
        if (status == DP_E_CANCELLED) {
            *err = fault;
            return status;
        }
        if (cannot_be_judged(status, prepared)) {
            dp_error why = fault;
            status = result_blank(job, way, prepared, &why, &fault);
            if (!status)
                fault = why; /* it serves the other views as well */
        }
        double end = dp_now_seconds();
        dp_status intact = dp_bank_check_unchanged(job->bank, err); /* else no figure of this picture may be told */
        if (intact)
            return intact;
        dp_shelf *shelf = dp_shelf_use(NULL); /* what the caller allocates is the caller's */
        stop = on_result(user, prepared->index, i, prepared->path, prepared->picture, status ? NULL : &way->result,
                         1000 * (end - start), status ? fault.message : NULL);
        dp_shelf_use(shelf);
        start = dp_now_seconds();
    }
    return stop ? dp_fail(err, DP_E_CANCELLED, "stopped after %zu pictures", prepared->index + 1) : DP_OK;
}

dp_status dp_session_inspect_from(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                  const dp_source *source, dp_view_result_fn on_result, void *user, dp_error *err)
{
    const dp_pictures pictures = dp_pictures_all(source);
    const dp_run *run = dp_session_run(session);
    dp_inspector *inspector = NULL;
    dp_prefetch *prefetch = NULL;
    dp_error own = {0};
    err = err ? err : &own;
    dp_status status = dp_inspector_open_views(session, bank, views, n_views, &inspector, err);
    if (!status)
        status =
            dp_prefetch_open(&pictures, &bank->recipe, &inspector->job.extractor.shape, run, false, &prefetch, err);
    for (dp_prepared *next; !status && (next = dp_prefetch_next(prefetch));) {
        size_t done = next->index + 1;
        dp_prepared_report(next, &bank->recipe, run);
        dp_shelf *before = dp_shelf_use(inspector->shelf);
        status = inspect_next(&inspector->job, next, on_result, user, err);
        dp_shelf_leave(inspector->shelf, before);
        if (!status && run->progress && run->progress(run->user, "inspect", done, pictures.n) && done < pictures.n)
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures", done, pictures.n);
    }
    dp_prefetch_close(&prefetch);
    dp_inspector_close(&inspector);
    return status;
}

double dp_result_score(const dp_result *result, dp_score how)
{
    size_t cells = result->grid_rows * result->grid_cols;
    float *scratch = dp_malloc(cells, sizeof *scratch);
    double score = scratch ? dp_score_cells(how, result->grid, result->grid_valid, cells, scratch) : NAN;
    dp_memory_free(scratch);
    return score;
}
