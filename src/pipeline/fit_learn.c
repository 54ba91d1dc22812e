/* SPDX-License-Identifier: Apache-2.0 */
/* fit_learn.c - takes one picture into the bank, or leaves it out and reports why. */
#include "base/error.h"
#include "base/memory.h"
#include "extract/normalise.h"
#include "options/check.h"
#include "pipeline/fit_work.h"
#include "score/region.h"

#include <string.h>

static void report_picture(const dp_fit_work *fit, size_t index, const dp_pose *pose, const char *message)
{
    if (fit->on_picture)
        fit->on_picture(fit->user, dp_pictures_number(&fit->pictures, index), dp_pictures_name(&fit->pictures, index),
                        pose, message);
}

/* Keeps the light of the picture in the extractor, and its share of valid cells, in the bank for the gate. */
static void keep_light(dp_fit_work *fit, const dp_prepared *prepared, size_t picture)
{
    size_t cells = fit->extractor.shape.rows * fit->extractor.shape.cols, inside = 0;
    for (size_t i = 0; i < cells; i++)
        inside += prepared->cells[i] != 0;
    dp_light *light = &dp_fit_pictures(fit)->lights[picture];
    *light = prepared->light;
    light->valid = (double)inside / (double)cells;
}

static dp_status leave_out(dp_fit_work *fit, const dp_prepared *prepared, const dp_error *why)
{
    fit->report.n_failed++;
    report_picture(fit, prepared->index, NULL, why->message);
    return DP_OK;
}

dp_status dp_fit_leave_twin(dp_fit_work *fit, const dp_prepared *prepared, const char *twin, bool known)
{
    dp_error why;
    bool other_name = strcmp(twin, prepared->path) != 0;
    dp_fail(&why, DP_E_PICTURE, "%s: %s%s%s", prepared->path,
            other_name ? "has the same pixels as "
            : known    ? "is"
                       : "is given twice",
            other_name ? twin : "",
            !known       ? " and is taken once"
            : other_name ? ", which is in the bank already"
                         : " in the bank already");
    fit->report.n_twins++;
    report_picture(fit, prepared->index, NULL, why.message);
    return DP_OK;
}

/* Returns the index of a loaded picture's twin in the bank that is added to, or SIZE_MAX. */
static size_t in_known(const dp_fit_work *fit, const dp_prepared *prepared)
{
    size_t twin = fit->known ? dp_twin_table_find(&fit->known_ones, prepared->digest) : SIZE_MAX;
    /* An old bank may know only the name of a picture, not its pixels. */
    for (size_t p = 0; fit->known && fit->unseen && twin == SIZE_MAX && p < fit->known->pictures.n; p++)
        if (!dp_bank_picture_digest(fit->known, p) && !strcmp(fit->known->pictures.names[p], prepared->path))
            twin = p;
    return twin;
}

/* Returns whether a fault belongs to one picture, which is then left out. If there is no other picture, the fault is that
 * of the fit. */
static bool is_its_own(dp_fit_work *fit, dp_status status, const dp_error *err)
{
    if (status == DP_OK || status == DP_E_CANCELLED || status == DP_E_IO)
        return false;
    if (status != DP_E_PICTURE && fit->fault.status == DP_OK)
        fit->fault = *err;
    return true;
}

/* Takes the picture whose features are in the extractor into the bank. *picture: DP_NO_PICTURE if it is left out. */
static dp_status enter(dp_fit_work *fit, dp_prepared *prepared, int polarity, size_t *picture, dp_error *err)
{
    dp_status status = dp_bank_builder_add(fit->builder, prepared->path, &prepared->pose, picture, err);
    if (status)
        return status;
    keep_light(fit, prepared, *picture);
    status = dp_fit_put(fit, prepared, *picture, polarity, err);
    if (status == DP_E_MEMORY || !is_its_own(fit, status, err)) /* all pictures share the bank's memory */
        return status;
    dp_bank_builder_take_back(fit->builder);
    *picture = DP_NO_PICTURE;
    return leave_out(fit, prepared, err);
}

/* Returns whether the gate of the known bank stops a further picture for its light or size. */
static bool is_unlike(const dp_fit_work *fit, const dp_prepared *prepared, dp_error *why)
{
    char reason[DP_REASON_BYTES];
    if (!dp_gate_no_light(&fit->gate, &prepared->light, reason, sizeof reason)
        && (fit->extractor.recipe.align != DP_ALIGN_NONE
            || !dp_gate_other_ratio(&fit->gate, prepared->picture->width_px, prepared->picture->height_px, reason,
                                    sizeof reason)))
        return false;
    dp_fail(why, DP_E_PICTURE, "%s: %s; it is left out; a bank fitted again with it will include it", prepared->path,
            reason);
    return true;
}

/* Takes a further picture into a known bank. */
static dp_status learn_more(dp_fit_work *fit, dp_prepared *prepared, dp_error *err)
{
    int polarity;
    size_t picture;
    dp_error unlike;
    if (is_unlike(fit, prepared, &unlike))
        return leave_out(fit, prepared, &unlike);
    dp_status status =
        dp_extractor_features(&fit->extractor, fit->session, prepared, fit->known->orientation, &polarity, err);
    if (!status)
        status = dp_fit_check_background(fit, prepared, err);
    if (is_its_own(fit, status, err))
        return leave_out(fit, prepared, err);
    if (!status)
        status = enter(fit, prepared, polarity, &picture, err);
    if (status)
        return status;
    if (picture == DP_NO_PICTURE)
        return DP_OK;
    dp_bank_builder_set_digest(fit->builder, picture, prepared->digest);
    if (fit->extractor.recipe.polarity != DP_POLARITY_NONE)
        dp_fit_pictures(fit)->polarities[picture] = (int8_t)polarity;
    report_picture(fit, prepared->index, &prepared->pose, NULL);
    return DP_OK;
}

/* Returns whether a cell lies wholly inside the picture. */
static bool any_cell(const dp_fit_work *fit, const dp_prepared *prepared, dp_error *why)
{
    size_t patch = fit->extractor.shape.patch_px,
           cells = dp_canvas_to_cells(prepared->height_px, patch) * dp_canvas_to_cells(prepared->width_px, patch);
    for (size_t i = 0; i < cells; i++)
        if (prepared->cells[i])
            return true;
    dp_fail(why, DP_E_PICTURE, "%s: no cell lies wholly inside the picture: there is nothing to learn from",
            prepared->path);
    return false;
}

dp_status dp_fit_find_norm(dp_fit_work *fit, const dp_cell_statistics *statistics, dp_error *err)
{
    size_t dims[DP_EXTRACT_LAYERS], dim = fit->extractor.dim;
    if (!fit->norm && !(fit->norm = dp_malloc(dim, 2 * sizeof *fit->norm)))
        return dp_fail_memory(err, "the statistics of features", 2 * dim * sizeof *fit->norm);
    dp_extract_dims(&fit->extractor.plan, dims);
    return dp_layer_norm_find(statistics, fit->asked.layer_norm, dims, fit->extractor.plan.n_layers, fit->norm,
                              fit->norm + dim, err);
}

dp_status dp_fit_learn(dp_fit_work *fit, dp_prepared *prepared, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    if (prepared->status == DP_E_CANCELLED)
        return dp_fail(err, DP_E_CANCELLED, "%s", prepared->error.message);
    if (prepared->status)
        return leave_out(fit, prepared, &prepared->error);
    size_t known = in_known(fit, prepared);
    if (known != SIZE_MAX)
        return dp_fit_leave_twin(fit, prepared, fit->known->pictures.names[known], true);
    unsigned char *digest = fit->digests + prepared->index * DP_DIGEST_BYTES;
    memcpy(digest, prepared->digest, DP_DIGEST_BYTES);
    size_t twin = dp_twin_table_put(&fit->given, digest, prepared->index);
    if (twin != SIZE_MAX)
        return dp_fit_leave_twin(fit, prepared, dp_pictures_name(&fit->pictures, twin), false);
    if (dp_aligns(&extractor->recipe) && prepared->pose.status != DP_ALIGN_OK) {
        dp_error why;
        dp_fail(&why, DP_E_PICTURE, "%s: cannot be aligned (%s) and is left out; align=none takes pictures as they are",
                prepared->path, dp_align_status_name(prepared->pose.status));
        return leave_out(fit, prepared, &why);
    }
    dp_error unfit;
    const dp_roi *roi = fit->known ? fit->known->roi : fit->roi;
    if (!any_cell(fit, prepared, &unfit))
        return leave_out(fit, prepared, &unfit);
    if (dp_region_fits(roi, prepared->picture->height_px, prepared->picture->width_px, prepared->path, &unfit))
        return leave_out(fit, prepared, &unfit);
    if (fit->known)
        return learn_more(fit, prepared, err);
    int sign = 1;
    bool polar = dp_extractor_has_polarity(extractor, prepared);
    dp_cell_statistics statistics = {0};
    dp_status status = dp_fit_embed(fit, prepared, 0, err);
    if (!status && fit->statistics.dim) {
        status = dp_cell_statistics_open(extractor->dim, &statistics, err);
        if (!status)
            status = dp_cell_statistics_add(&statistics, extractor->tokens, prepared->cells,
                                            extractor->shape.rows * extractor->shape.cols, err);
        if (!status && polar && !fit->norm)
            status = dp_fit_find_norm(fit, &statistics, err);
    }
    if (!status && polar)
        status = dp_fit_turn(fit, prepared, &sign, err);
    if (!status)
        status = dp_fit_check_background(fit, prepared, err);
    if (is_its_own(fit, status, err)) {
        dp_cell_statistics_close(&statistics);
        return leave_out(fit, prepared, err);
    }
    size_t picture = 0;
    if (!status)
        status = enter(fit, prepared, sign, &picture, err);
    if (!status && picture != DP_NO_PICTURE && fit->statistics.dim)
        dp_cell_statistics_merge(&fit->statistics, &statistics);
    dp_cell_statistics_close(&statistics);
    if (status)
        return status;
    if (picture == DP_NO_PICTURE)
        return DP_OK;
    dp_bank_builder_set_digest(fit->builder, picture, prepared->digest);
    for (size_t i = 0; i < extractor->dim && polar; i++)
        fit->running[i] += (float)sign * fit->own[i];
    fit->signs[picture] = sign;
    fit->sources[picture] = prepared->index;
    report_picture(fit, prepared->index, &prepared->pose, NULL);
    return DP_OK;
}
