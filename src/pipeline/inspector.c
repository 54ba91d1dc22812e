/* SPDX-License-Identifier: Apache-2.0 */
/* inspector.c - inspects pictures with a bank: opens an inspector, runs one picture or many. */
#include "base/clock.h"
#include "base/error.h"
#include "image/image.h"
#include "network/network.h"
#include "network/session.h"
#include "pipeline/bank_match.h"
#include "pipeline/inspector.h"
#include "score/cell_score.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------ open and close */

void dp_inspector_close(dp_inspector **pointer)
{
    if (!pointer || !*pointer)
        return;
    dp_inspector *inspector = *pointer;
    for (size_t i = 0; inspector->views && i < inspector->n_views; i++) {
        dp_view_state *state = &inspector->views[i];
        dp_map_scorer_close(&state->scorer);
        dp_searcher_close(&state->searcher);
        dp_room *const rooms[] = {&state->grid, &state->grid_valid, &state->weights,
                                  &state->map,  &state->inspected,  &state->defects};
        for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++)
            dp_room_close(rooms[k]);
    }
    dp_memory_free(inspector->views);
    dp_memory_free(inspector->projected);
    dp_memory_free(inspector->nearest);
    dp_memory_free(inspector->nearest_picture);
    dp_regions_close(&inspector->regions);
    dp_extractor_close(&inspector->extractor);
    dp_finder_close(&inspector->finder);
    dp_prepared_close(&inspector->prepared);
    dp_room_close(&inspector->rgb);
    dp_shelf_close(&inspector->shelf);
    dp_session_close(&inspector->own_session);
    dp_network_close(&inspector->own_network);
    dp_memory_free(inspector);
    *pointer = NULL;
}

static dp_status open_view(dp_session *session, const dp_bank *bank, const dp_view *view, dp_view_state *state,
                           dp_error *err)
{
    state->view = *view;
    state->scoring = dp_scoring_of_view(view);
    dp_status status = dp_map_scorer_open(&view->post, view->score, &state->scorer, err);
    return status ? status
                  : dp_searcher_open(&bank->rows, &state->scoring, dp_session_isa(session), dp_session_pool(session),
                                     &state->searcher, err);
}

static dp_status open_all(dp_inspector *inspector, const dp_bank *bank, const dp_view *views, dp_error *err)
{
    const dp_recipe *recipe = &bank->recipe;
    dp_extractor *extractor = &inspector->extractor;
    const dp_network_facts network = dp_session_facts(inspector->session);
    dp_status status = dp_session_fits_bank(inspector->session, bank, err);
    for (size_t i = 0; i < inspector->n_views && !status; i++) {
        inspector->knn = views[i].knn > inspector->knn ? views[i].knn : inspector->knn;
        status = open_view(inspector->session, bank, &views[i], &inspector->views[i], err);
        if (!status && views[i].roi != views[0].roi)
            status = dp_fail(err, DP_E_ARGUMENT, "all views of one picture must have the same region to inspect");
    }
    if (!status)
        status = dp_extractor_open(recipe, &network,
                                   dp_masks_inspected(recipe) || recipe->reweight ? DP_WHOLE_GRID : DP_GRID_BYTES,
                                   extractor, err);
    if (!status && bank->projection.basis) /* queries are projected like the bank's rows */
        status = dp_memory_take(
            &(dp_need){&inspector->projected, extractor->band * extractor->shape.cols, bank->rows.dim, sizeof(float)},
            1, "the features of one picture", err);
    if (!status) {
        extractor->layer_norm = bank->layer_norm;
        status = dp_gate_open(bank, &inspector->gate, err);
    }
    if (!status && !inspector->gate.light_known)
        dp_inspector_warn(inspector,
                          "%s: an older dinopatch made this bank without the light of its pictures, so frames that are "
                          "too dark or too bright cannot be recognised; fit it again",
                          dp_bank_name(bank));
    if (!status)
        status = dp_regions_open(bank, views[0].roi, &inspector->regions, err);
    if (!status && bank->reference)
        status = dp_finder_open(inspector->session, &inspector->finder, err);
    return status;
}

dp_status dp_inspector_open_views(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                  dp_inspector **inspector, dp_error *err)
{
    if (!n_views)
        return dp_fail(err, DP_E_ARGUMENT, "there is no view to inspect pictures with; give at least one");
    dp_inspector *made = dp_calloc(1, sizeof *made);
    if (made) {
        made->session = session;
        made->bank = bank;
        made->n_views = n_views;
        made->views = dp_calloc(n_views, sizeof *made->views);
        made->shelf = dp_shelf_open();
    }
    dp_status status = made && made->views && made->shelf
                           ? open_all(made, bank, views, err)
                           : dp_fail_memory(err, "an inspector", sizeof *made + n_views * sizeof *made->views);
    if (status)
        dp_inspector_close(&made);
    else
        *inspector = made;
    return status;
}

/* Opens the network that the bank names. */
static dp_status open_named(const dp_bank *bank, dp_network **network, dp_error *err)
{
    dp_bank_info info = {.size = sizeof info};
    dp_bank_get_info(bank, &info);
    return dp_network_open(info.network_path, network, err);
}

dp_status dp_inspector_open(const dp_network *network, const dp_bank *bank, const dp_run *run, dp_inspector **inspector,
                            dp_error *err)
{
    dp_network *own = NULL;
    dp_session *session = NULL;
    dp_inspector *made = NULL;
    dp_view view;
    dp_view_init(bank, &view);
    dp_status status = network ? DP_OK : open_named(bank, &own, err);
    if (!status)
        status = dp_session_open(network ? network : own, bank->recipe.precision, run, &session, err);
    if (!status)
        status = dp_inspector_open_views(session, bank, &view, 1, &made, err);
    if (status) {
        dp_session_close(&session);
        dp_network_close(&own);
        return status;
    }
    made->own_session = session;
    made->own_network = own;
    *inspector = made;
    return DP_OK;
}

/* --------------------------------------------------------------------------------------------------------- one picture */

/* Returns whether the fault is in the decoded picture, not in the checkpoint or the machine. */
static bool cannot_be_judged(dp_status fault, const dp_prepared *prepared)
{
    return fault == DP_E_PICTURE && prepared->picture;
}

/* Finds pose, canvas and light of the picture in prepared->picture. */
static dp_status prepare(dp_inspector *inspector, dp_error *err)
{
    dp_prepared *prepared = &inspector->prepared;
    const dp_recipe *recipe = &inspector->bank->recipe;
    prepared->run = dp_session_run(inspector->session);
    prepared->path = "picture";
    dp_status status = prepared->cells ? DP_OK : dp_prepared_open(prepared, recipe, &inspector->extractor.shape, err);
    if (!status)
        status = dp_light_measure(prepared->picture, &prepared->light, err);
    if (!status)
        status = dp_prepared_find_pose(prepared, &inspector->finder, inspector->bank->reference, err);
    if (!status)
        status = dp_prepared_warp(prepared, 0, err);
    return status;
}

/* Does dp_inspector_run for a picture that is RGB already. */
static dp_status inspect_rgb(dp_inspector *inspector, const dp_picture *picture, bool shows, const dp_result **result,
                             dp_error *err)
{
    dp_view_state *state = inspector->views;
    dp_embedded embedded;
    dp_error own = {0};
    err = err ? err : &own;         /* faults of the picture go into the result */
    dp_picture borrowed = *picture; /* only read */
    dp_shelf *before = dp_shelf_use(inspector->shelf);
    inspector->prepared.picture = &borrowed;
    dp_status status = prepare(inspector, err);
    if (!status)
        status = dp_inspect_cells(inspector, &inspector->prepared, &embedded, err);
    if (!status)
        status = dp_inspect_view(inspector, state, &inspector->prepared, &embedded, shows, err);
    if (cannot_be_judged(status, &inspector->prepared))
        status = dp_inspect_blank(state, &inspector->prepared, err, err);
    if (!status)
        status = dp_bank_check_unchanged(inspector->bank, err);
    inspector->prepared.picture = NULL;
    dp_shelf_leave(inspector->shelf, before);
    if (!status)
        *result = &state->result;
    return status;
}

dp_status dp_inspector_run_picture(dp_inspector *inspector, const dp_picture *picture, const dp_result **result,
                                   dp_error *err)
{
    return inspect_rgb(inspector, picture, true, result, err);
}

float *dp_inspector_take_map(dp_inspector *inspector)
{
    dp_view_state *state = inspector->views;
    float *map = state->result.map;
    if (map) /* it lies in the room and nowhere else */
        state->map = (dp_room){0};
    state->result.map = NULL;
    return map;
}

dp_status dp_inspector_run(dp_inspector *inspector, const dp_image *image, unsigned what, const dp_result **result,
                           dp_error *err)
{
    const dp_run *run = dp_session_run(inspector->session);
    const dp_recipe *recipe = &inspector->bank->recipe;
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

static dp_status inspect_next(dp_inspector *inspector, dp_prepared *prepared, dp_view_result_fn on_result, void *user,
                              dp_error *err)
{
    double start = dp_now_seconds() - prepared->seconds;
    dp_error fault = prepared->error;
    dp_embedded embedded;
    dp_status before = prepared->status;
    int stop = 0;
    if (!before)
        before = dp_inspect_cells(inspector, prepared, &embedded, &fault);
    bool blank = cannot_be_judged(before, prepared);
    for (size_t i = 0; i < (before && !blank ? 1 : inspector->n_views) && !stop; i++) {
        dp_view_state *state = &inspector->views[i];
        dp_status status = before ? before : dp_inspect_view(inspector, state, prepared, &embedded, true, &fault);
        if (status == DP_E_CANCELLED) {
            *err = fault;
            return status;
        }
        if (cannot_be_judged(status, prepared)) {
            dp_error why = fault;
            status = dp_inspect_blank(state, prepared, &why, &fault);
            if (!status)
                fault = why; /* the next views need it too */
        }
        double end = dp_now_seconds();
        dp_status intact =
            dp_bank_check_unchanged(inspector->bank, err); /* otherwise no result of this picture may be returned */
        if (intact)
            return intact;
        dp_shelf *shelf = dp_shelf_use(NULL); /* memory for the caller comes from the caller's own shelf */
        stop = on_result(user, prepared->index, i, prepared->path, prepared->picture, status ? NULL : &state->result,
                         1000 * (end - start), status ? fault.message : NULL);
        dp_shelf_use(shelf);
        start = dp_now_seconds();
    }
    return stop ? dp_fail(err, DP_E_CANCELLED, "stopped after %zu pictures", prepared->index + 1) : DP_OK;
}

dp_status dp_session_inspect_from(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                  const dp_source *source, dp_view_result_fn on_result, void *user, dp_error *err)
{
    dp_pictures pictures = dp_pictures_all(source);
    const dp_run *run = dp_session_run(session);
    dp_inspector *inspector = NULL;
    dp_prefetch *prefetch = NULL;
    dp_error own = {0};
    err = err ? err : &own;
    dp_status status = dp_inspector_open_views(session, bank, views, n_views, &inspector, err);
    if (!status) {
        pictures.finder = &inspector->finder;
        pictures.reference = bank->reference;
    }
    if (!status)
        status = dp_prefetch_open(&pictures, &bank->recipe, &inspector->extractor.shape, run, false, &prefetch, err);
    for (dp_prepared *next; !status && (next = dp_prefetch_next(prefetch));) {
        size_t done = next->index + 1;
        dp_prepared_report(next, &bank->recipe, run);
        dp_shelf *before = dp_shelf_use(inspector->shelf);
        status = inspect_next(inspector, next, on_result, user, err);
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
