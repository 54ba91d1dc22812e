/* SPDX-License-Identifier: Apache-2.0 */
/* fit.c - makes a bank from pictures of good parts: one pass over the pictures, then the work that needs all of them. */
#include "pipeline/fit.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/network.h"
#include "network/session.h"
#include "options/check.h"
#include "options/recipe_facts.h"
#include "pipeline/fit_calibrate.h"
#include "pipeline/fit_work.h"
#include "pipeline/memory_plan.h"
#include "pipeline/shots.h"
#include "score/near.h"
#include "score/region.h"
#include "dinopatch/edit.h"

#include <stdio.h>
#include <string.h>

/* Normalises the features in the finished bank, which are still as the network gave them, by the statistics of all. */
static dp_status normalise(const dp_fit_work *fit, dp_bank *bank, dp_error *err)
{
    const size_t dim = bank->rows.dim, places = dp_rows_places(&bank->rows);
    float *features = bank->memory.features;
    if (!dp_bank_set_layer_norm(bank, fit->norm))
        return dp_fail_memory(err, "the statistics of features", 2 * dim * sizeof *fit->norm);
    for (size_t place = 0; place < places; place++) {
        if (!bank->memory.valid[place])
            continue;
        dp_layer_norm_apply(features + place * dim, 1, dim, fit->norm, fit->norm + dim);
        bank->memory.norms[place] = dp_norm_f32(features + place * dim, dim);
    }
    return DP_OK;
}

/* The pictures of shards, in the order of the list that they were cut from. */
static dp_status learn_again(dp_fit_work *fit, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < fit->pictures.n && !status; i++) {
        dp_prepared next;
        status = dp_fit_again(fit, i, &next, err);
        if (!status)
            status = dp_fit_learn(fit, &next, err);
        dp_prepared_close(&next);
        if (!status && fit->run->progress && fit->run->progress(fit->run->user, "join", i + 1, fit->pictures.n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures; no bank was written", i + 1,
                             fit->pictures.n);
    }
    return status;
}

static dp_status learn_all(dp_fit_work *fit, dp_error *err)
{
    dp_prefetch *prefetch = NULL;
    if (fit->replay)
        return learn_again(fit, err);
    dp_status status =
        dp_prefetch_open(&fit->pictures, &fit->extractor.recipe, &fit->extractor.shape, fit->run, true, &prefetch, err);
    for (dp_prepared *next; !status && (next = dp_prefetch_next(prefetch));) {
        size_t done = next->index + 1;
        dp_prepared_report(next, &fit->extractor.recipe, fit->run);
        status = dp_fit_learn(fit, next, err);
        if (!status && fit->run->progress && fit->run->progress(fit->run->user, "fit", done, fit->pictures.n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures; no bank was written", done,
                             fit->pictures.n);
    }
    dp_prefetch_close(&prefetch);
    return status;
}

static dp_status settle_region(dp_fit_work *fit, dp_error *err)
{
    dp_roi *settled = NULL;
    dp_status status = dp_region_make(fit->roi, &fit->builder->bank->recipe, dp_fit_pictures(fit), &settled, err);
    dp_bank_builder_set_roi(fit->builder, settled);
    return status;
}

/* Settles what was asked, if anything was, into fit->asked, and opens what makes features by it. */
static dp_status begin(dp_fit_work *fit, const dp_recipe *asked, const dp_network_facts *network, dp_error *err)
{
    dp_status status = dp_network_digest(dp_session_network(fit->session), err);
    if (!status && asked)
        status = dp_settle(asked, fit->roi ? fit->roi->frame : DP_ROI_NONE, fit->session, &fit->pictures, &fit->settled,
                           err);
    if (status)
        return status;
    fit->asked = fit->known ? fit->known->recipe : fit->settled.recipe;
    fit->pictures.poses = fit->settled.survey.poses;
    fit->pictures.reference = fit->known ? fit->known->reference : fit->settled.reference;
    if (fit->pictures.reference) {
        status = dp_finder_open(fit->session, &fit->finder, err);
        if (status)
            return status;
        fit->pictures.finder = &fit->finder;
    }
    status = dp_extractor_open(&fit->asked, network, DP_WHOLE_GRID, &fit->extractor, err);
    if (!status && fit->known)
        status = dp_gate_open(fit->known, &fit->gate, err);
    if (status)
        return status;
    if (fit->known)
        fit->extractor.layer_norm = fit->known->layer_norm;
    else if (dp_measures_layers(&fit->asked))
        status = dp_cell_statistics_open(fit->extractor.dim, &fit->statistics, err);
    /* a picture may come from the trial and skip the network, so plan its layers now */
    if (!status && !fit->known && fit->asked.layer_norm && !dp_own_canvas(&fit->asked))
        status = dp_extractor_plan(&fit->extractor, fit->session, err);
    return status;
}

/* Returns the recipe by which features are collected. If the bank is made smaller when all are there, they are whole. */
static dp_recipe collecting(const dp_fit_work *fit)
{
    dp_recipe recipe = fit->asked;
    if (dp_measures_layers(&recipe)) /* features are rounded once, after normalisation */
        recipe.storage = DP_STORAGE_F32;
    if (!dp_shrinks_bank(&fit->asked))
        return recipe;
    recipe.pca = 0;
    recipe.kmeans = 0;
    recipe.coreset = 0;
    recipe.thin = 0;
    if (fit->known) /* they are few, and one rounding is better than two */
        recipe.storage = DP_STORAGE_F32;
    if (recipe.background == DP_BACKGROUND_REFERENCE)
        recipe.background = DP_BACKGROUND_NONE;
    return recipe;
}

/* Copies what a bank keeps beside its rows. */
static dp_status fill_bank(const dp_fit_work *fit, dp_bank *bank, const dp_network_facts *network, dp_error *err)
{
    const size_t dim = fit->extractor.dim;
    if (fit->asked.channels) {
        int32_t *channels = dp_malloc(dim, sizeof *channels);
        if (channels)
            dp_recipe_channels(&fit->asked, network, channels);
        bool good = channels && dp_bank_set_channels(bank, channels);
        dp_memory_free(channels);
        if (!good)
            return dp_fail_memory(err, "the choice of features", dim * sizeof *channels);
    }
    if (fit->pictures.reference && !(bank->reference = dp_reference_copy(fit->pictures.reference)))
        return dp_fail_memory(err, "the part that was learned", sizeof(dp_reference));
    if (fit->extractor.layer_norm && !dp_bank_set_layer_norm(bank, fit->extractor.layer_norm))
        return dp_fail_memory(err, "the statistics of features", 2 * dim * sizeof(float));
    return DP_OK;
}

static dp_status open_bank(dp_fit_work *fit, const dp_network_facts *network, dp_error *err)
{
    const dp_recipe recipe = collecting(fit);
    const dp_canvas_shape *shape = &fit->extractor.shape;
    const bool own = dp_own_canvas(&recipe); /* the bank is flat, and its grid a first guess */
    dp_network_info model;
    dp_network_get_info(dp_session_network(fit->session), &model);
    const dp_bank_spec spec = {
        .recipe = &recipe,
        .grid_rows = own ? recipe.edge_px / shape->patch_px : shape->rows,
        .grid_cols = own ? recipe.edge_px / shape->patch_px : shape->cols,
        .dim = fit->extractor.dim,
        .n_vector = fit->extractor.n_vector,
        .patch_px = shape->patch_px,
        .capacity = fit->pictures.n,
        .rows_per_picture = dp_versions(&recipe),
        .model_path = model.path,
        .model_sha256 = model.sha256,
        .model_licence = model.licence,
        .model_stand_in = model.stand_in,
    };
    dp_bank_spec final = spec;
    final.recipe = &fit->asked;
    if (fit->known) {
        final.dim = fit->known->rows.dim;
        final.capacity += fit->known->pictures.n;
    }
    dp_status status = dp_memory_plan(&final, &spec, fit->known != NULL, fit->run, err);
    if (!status)
        status = dp_bank_builder_open(&spec, &fit->builder, err);
    return status ? status : fill_bank(fit, fit->builder->bank, network, err);
}

/* What a fit keeps of each picture beside its rows. */
static dp_status open_notes(dp_fit_work *fit, dp_error *err)
{
    const size_t n = fit->pictures.n, dim = fit->extractor.dim, cells = fit->extractor.shape.cells;
    fit->digests = dp_malloc(n, DP_DIGEST_BYTES);
    if (!fit->digests || !dp_twin_table_open(&fit->given, n)
        || (fit->known && !dp_twin_table_of_bank(&fit->known_ones, fit->known, 0)))
        return dp_fail_memory(err, "the pictures' digests", n * DP_DIGEST_BYTES);
    fit->unseen = fit->known && !dp_bank_knows_digests(fit->known);
    if (fit->unseen)
        dp_report_unseen_twins(fit->run, fit->known);
    fit->orientations = dp_calloc_2d(n, dim, 2 * sizeof(float));
    fit->running = dp_calloc(dim, sizeof(float));
    fit->own = dp_calloc(dim, sizeof(float));
    fit->pair = dp_calloc(dim, 2 * sizeof(float));
    fit->as_found = dp_malloc_2d(fit->asked.polarity == DP_POLARITY_NONE ? 1 : cells, dim, sizeof(float));
    fit->cells_as_found = dp_malloc(cells, 1);
    fit->vector_as_found = dp_calloc(fit->extractor.n_vector + 1, sizeof(float));
    fit->signs = dp_calloc(n, sizeof(int));
    fit->sources = dp_calloc(n, sizeof(size_t));
    return fit->vector_as_found && fit->orientations && fit->running && fit->own && fit->pair && fit->as_found
                   && fit->cells_as_found && fit->signs && fit->sources
               ? DP_OK
               : dp_fail_memory(err, "the orientation vectors", 2 * n * dim * sizeof(float));
}

static dp_status prepare(dp_fit_work *fit, const dp_recipe *asked, dp_error *err)
{
    const dp_network_facts network = dp_session_facts(fit->session);
    dp_status status = begin(fit, asked, &network, err);
    if (!status)
        status = open_bank(fit, &network, err);
    return status ? status : open_notes(fit, err);
}

void dp_fit_work_close(dp_fit_work *fit)
{
    dp_settled_close(&fit->settled);
    dp_cell_statistics_close(&fit->statistics);
    dp_bank_builder_close(&fit->builder);
    dp_extractor_close(&fit->extractor);
    dp_finder_close(&fit->finder);
    dp_memory_free(fit->orientations);
    dp_memory_free(fit->running);
    dp_memory_free(fit->own);
    dp_memory_free(fit->norm);
    dp_memory_free(fit->pair);
    dp_memory_free(fit->as_found);
    dp_memory_free(fit->cells_as_found);
    dp_memory_free(fit->vector_as_found);
    dp_memory_free(fit->signs);
    dp_memory_free(fit->sources);
    dp_memory_free(fit->digests);
    dp_twin_table_close(&fit->given);
    dp_twin_table_close(&fit->known_ones);
}

/* Chooses as many pictures as the recipe asks for, none of them twice. *chosen, owned by the caller, is their order. */
static dp_status choose_shots(dp_fit_work *fit, const dp_recipe *recipe, size_t **chosen, dp_error *err)
{
    const dp_source *source = fit->pictures.source;
    size_t all = source->n, n = 0, *earlier = dp_malloc(all, sizeof *earlier);
    *chosen = dp_malloc(all, sizeof **chosen);
    dp_status status = earlier && *chosen ? dp_find_twins_from(NULL, source, fit->run, NULL, earlier, err)
                                          : dp_fail_memory(err, "the pictures", all * sizeof *earlier);
    for (size_t i = 0; !status && i < all; i++) {
        const dp_prepared twin = {.index = i, .path = dp_pictures_name(&fit->pictures, i)};
        if (earlier[i] == SIZE_MAX)
            (*chosen)[n++] = i;
        else
            dp_fit_leave_twin(fit, &twin, dp_pictures_name(&fit->pictures, earlier[i]), false);
    }
    size_t wanted = recipe->shots < n ? recipe->shots : n;
    if (!status && wanted < n)
        status = dp_fit_shots(wanted, recipe->seed, source, *chosen, n, err);
    if (!status)
        fit->pictures = (dp_pictures){.source = source, .order = *chosen, .n = wanted};
    dp_memory_free(earlier);
    return status;
}

/* Returns the network's fault, if there was one: a broken checkpoint or setting. */
static dp_status none_left(const dp_fit_work *fit, const char *what, dp_error *err)
{
    if (fit->fault.status)
        return dp_fail(err, fit->fault.status, "%s", fit->fault.message);
    if (fit->pictures.n == 1)
        return dp_fail(err, DP_E_PICTURE, "the picture cannot be %s", what);
    return dp_fail(err, DP_E_PICTURE, "none of the %zu pictures can be %s", fit->pictures.n, what);
}

/* Logs how many pictures there are, and how many such parts need. */
static dp_status say_pictures(dp_choices *choices, const dp_bank *bank, dp_error *err)
{
    char value[32];
    size_t n = bank->pictures.n;
    snprintf(value, sizeof value, "%zu", n);
    const dp_choice line = {
        "pictures", value,
        n < 8      ? "few: parts in a fixed pose want 8 to 32, those that lie anyhow over 100"
        : n <= 100 ? "enough for parts in a fixed pose (8 to 32); for those that lie anyhow over 100 are worth it"
                   : "enough for most parts"};
    return dp_choices_add(choices, &line, 1, err);
}

dp_status dp_fit_all(dp_fit_work *fit, const dp_recipe *recipe, dp_bank **bank, dp_fit_counts *report, dp_error *err)
{
    dp_session *session = fit->session;
    dp_bank *made = NULL;
    dp_status status = prepare(fit, recipe, err);
    if (!status)
        status = learn_all(fit, err);
    if (!status && !dp_fit_pictures(fit)->n)
        status = none_left(fit, "used", err);
    if (!status && fit->statistics.dim)
        status = dp_fit_find_norm(fit, &fit->statistics, err);
    if (!status)
        status = dp_fit_settle_polarity(fit, err);
    if (!status)
        status = settle_region(fit, err);
    if (!status)
        status = dp_bank_builder_finish(&fit->builder, &made, err);
    if (!status && fit->statistics.dim)
        status = normalise(fit, made, err);
    if (!status)
        status = dp_fit_calibrate(&fit->asked, dp_session_isa(session), dp_session_pool(session), fit->run, &made, err);
    if (!status)
        status = dp_bank_report_near(made, fit->run, err);
    if (!status) /* the bank names the checkpoint by its digest */
        status = dp_network_check_unchanged(dp_session_network(session), err);
    if (!status && fit->settled.choices.n)
        status = say_pictures(&fit->settled.choices, made, err);
    if (!status) {
        made->choices = fit->settled.choices;
        fit->settled.choices = (dp_choices){0};
        dp_gate_warn(made, fit->run);
        *bank = made;
        made = NULL;
        if (report)
            *report = fit->report;
    }
    dp_bank_close(&made);
    return status;
}

dp_status dp_bank_fit_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input, dp_bank **bank,
                           dp_fit_counts *report, dp_error *err)
{
    dp_error own = {0};
    err = err ? err : &own; /* on_picture gets the faults of single pictures */
    size_t n = input->source->n;
    if (!n)
        return dp_fail(err, DP_E_ARGUMENT, "no pictures to learn from");
    if (recipe->precision != dp_session_precision(session))
        return dp_fail(err, DP_E_MISMATCH, "the session computes in another precision than the recipe asks for");
    bool shots = recipe->shots && recipe->shots < n;
    dp_status status = dp_recipe_check(recipe, err);
    if (!status)
        status = dp_check_pictures(recipe, shots ? recipe->shots : n, err);
    if (status)
        return status;
    size_t *chosen = NULL;
    dp_fit_work fit = {.session = session,
                       .run = dp_session_run(session),
                       .pictures = dp_pictures_all(input->source),
                       .roi = input->roi,
                       .on_picture = input->on_picture,
                       .user = input->user};
    if (shots)
        status = choose_shots(&fit, recipe, &chosen, err);
    if (!status)
        status = dp_fit_all(&fit, recipe, bank, report, err);
    dp_fit_work_close(&fit);
    dp_memory_free(chosen);
    return status;
}

dp_status dp_fit_more(dp_session *session, const dp_bank *known, const dp_fit_input *input, dp_bank **bank,
                      dp_fit_counts *report, dp_error *err)
{
    dp_fit_work fit = {.session = session,
                       .run = dp_session_run(session),
                       .pictures = dp_pictures_all(input->source),
                       .on_picture = input->on_picture,
                       .user = input->user,
                       .known = known};
    dp_error own = {0};
    err = err ? err : &own;
    dp_status status = prepare(&fit, NULL, err);
    if (!status)
        status = learn_all(&fit, err);
    size_t n = status ? 0 : dp_fit_pictures(&fit)->n;
    if (!status && !n && fit.report.n_failed)
        status = none_left(&fit, "added", err);
    if (!status && n)
        status = dp_bank_builder_finish(&fit.builder, bank, err);
    *report = fit.report;
    dp_fit_work_close(&fit);
    return status;
}
