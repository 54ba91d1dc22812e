/* SPDX-License-Identifier: Apache-2.0 */
/* fit.c - from pictures of good parts to a bank.
 *
 * One pass over the pictures.  Where polarity is settled each picture is embedded both ways round, which tells its own
 * orientation from what the features say of mere position (extract/orientation.h).  The reference can only come from the whole
 * set, so each picture is settled against the running sum of those before it, and after the last one the consensus is formed
 * over all; the few pictures whose sign then differs are mended (mirrored in the bank, or read and embedded once more). */
#include "geometry/spaces.h"
#include "bank/builder.h"
#include "bank/twins.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/network.h"
#include "network/session.h"
#include "image/picture.h"
#include "options/check.h"
#include "extract/orientation.h"
#include "pipeline/canvas.h"
#include "pipeline/settle.h"
#include "pipeline/fit.h"
#include "pipeline/fit_calibrate.h"
#include "score/gate.h"
#include "pipeline/memory_plan.h"
#include "score/near.h"
#include "score/region.h"
#include "pipeline/shots.h"
#include "extract/extractor.h"
#include "dinopatch/edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct fit {
    dp_session *session;
    const dp_run *run;
    dp_pictures pictures;
    dp_picture_fn on_picture;
    void *user;

    dp_extractor extractor;
    dp_recipe asked;    /* layers and canvas settled */
    dp_settled settled; /* all 0 where a bank is added to */
    const dp_roi *roi;  /* region to inspect; NULL: none */
    const dp_bank *
        known; /* a bank that is added to: its reference settles the polarity; NULL: the pictures' own consensus does */
    dp_bank_builder *builder;
    float *orientations; /* [pictures.n, 2, dim] each picture's as it was found, and turned; not normalised by layer */
    float *running;      /* [dim] sum of the pictures' own orientations, each with its sign */
    float *own, *pair;   /* [dim], [2, dim] scratch */
    float *norm;     /* [2, dim] what normalises the layers, from all pictures once they are there; NULL: nothing does.
                                 Until then from the first picture, good enough for a first guess of the signs */
    float *as_found; /* [rows, cols, dim] features of the picture as it was found */
    uint8_t *cells_as_found;  /* [rows, cols] */
    int *signs;               /* [pictures.n] sign each picture was stored with */
    size_t *sources;          /* [pictures.n] which picture of the work each in the bank came from */
    unsigned char *digests;   /* [pictures.n, 32] of the pictures that were loaded */
    dp_twin_table given;      /* their digests, under the paths' indices */
    dp_twin_table known_ones; /* those of the known bank, under its pictures' */
    bool unseen;              /* of some of its pictures the digest is not known */
    dp_cell_statistics
        statistics; /* of the good cells, in a recipe with layer_norm; dim 0: not asked for, or the known bank's hold */
    dp_fit_counts report;
    dp_gate gate;   /* of the known bank */
    dp_error fault; /* the first that came from the network, not from a file */
};

static dp_bank_pictures *in_bank(const struct fit *fit)
{
    return &fit->builder->bank->pictures;
}

static void tell(const struct fit *fit, size_t index, const dp_pose *pose, const char *message)
{
    if (fit->on_picture)
        fit->on_picture(fit->user, dp_pictures_number(&fit->pictures, index), dp_pictures_name(&fit->pictures, index),
                        pose, message);
}

/* What the picture in the extractor showed of light and of the canvas, kept in the bank for the gate. */
static void keep_light(struct fit *fit, const dp_prepared *prepared, size_t picture)
{
    size_t cells = fit->extractor.shape.rows * fit->extractor.shape.cols, inside = 0;
    for (size_t i = 0; i < cells; i++)
        inside += prepared->cells[i] != 0;
    dp_light *light = &in_bank(fit)->lights[picture];
    *light = prepared->light;
    light->valid = (double)inside / (double)cells;
}

static dp_status leave_out(struct fit *fit, const dp_prepared *prepared, const dp_error *why)
{
    fit->report.n_failed++;
    tell(fit, prepared->index, NULL, why->message);
    return DP_OK;
}

/* A picture that is there already counts once. */
static dp_status leave_twin(struct fit *fit, const dp_prepared *prepared, const char *twin, bool known)
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
    tell(fit, prepared->index, NULL, why.message);
    return DP_OK;
}

/* Whether a picture that was loaded is in the bank that is added to; its twin's index there, or SIZE_MAX. */
static size_t in_known(const struct fit *fit, const dp_prepared *prepared)
{
    size_t twin = fit->known ? dp_twin_table_find(&fit->known_ones, prepared->digest) : SIZE_MAX;
    /* Of pictures whose pixels an old bank does not know there is the name. */
    for (size_t p = 0; fit->known && fit->unseen && twin == SIZE_MAX && p < fit->known->pictures.n; p++)
        if (!dp_bank_picture_digest(fit->known, p) && !strcmp(fit->known->pictures.names[p], prepared->path))
            twin = p;
    return twin;
}

/* The features in the extractor into their rows.  The mask of their background, where there is one, stays with the bank; where the good
 * pictures are masked too its cells do not count.  Those of `reference` alone do for now: the pictures are still to be scored with
 * them, as new ones will be, before they are cut out. */
static dp_status put_rows(struct fit *fit, const dp_prepared *prepared, size_t picture, size_t augmentation,
                          dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const uint8_t *valid = prepared->cells;
    size_t left, cells = extractor->shape.rows * extractor->shape.cols;
    dp_status status = DP_OK;
    if (extractor->background) {
        status = dp_extractor_background(extractor, fit->session, prepared->cells, prepared->path, &left, err);
        if (status)
            return status;
    }
    uint8_t *counts = NULL;
    if (extractor->recipe.background == DP_BACKGROUND_BOTH) {
        if (!(counts = dp_malloc(cells, 1)))
            return dp_fail_memory(err, "the mask of the background", cells);
        for (size_t i = 0; i < cells; i++)
            counts[i] = prepared->cells[i] && !(extractor->background && extractor->background[i]);
        valid = counts;
    }
    status = dp_bank_builder_put_grid(fit->builder, picture, augmentation, extractor->tokens, valid,
                                      extractor->shape.rows, extractor->shape.cols, err);
    if (!status && extractor->background)
        status = dp_bank_builder_set_background(fit->builder, picture, augmentation, extractor->background, err);
    dp_memory_free(counts);
    return status;
}

/* DP_E_PICTURE where the mask would leave nothing of a picture in the extractor. */
static dp_status check_background(struct fit *fit, const dp_prepared *prepared, dp_error *err)
{
    size_t left;
    if (!fit->extractor.background)
        return DP_OK;
    dp_status status =
        dp_extractor_background(&fit->extractor, fit->session, prepared->cells, prepared->path, &left, err);
    return !status && !left ? dp_fail_all_background(&fit->asked, prepared->path, err) : status;
}

/* The mirror picture: across the principal axis (rows reversed) where the object was aligned, left to right otherwise.  It is
 * embedded anew: a transformer's features of a mirrored picture are not the mirrored features. */
static dp_status put_mirror(struct fit *fit, dp_prepared *prepared, size_t picture, bool grid_mirrored, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_prepared_flip(prepared, extractor->recipe.align == DP_ALIGN_PCA);
    dp_status status = dp_extractor_embed(extractor, fit->session, prepared, err);
    if (status)
        return status;
    if (grid_mirrored) /* the cells are mirrored already */
        dp_grid_mirror(extractor->tokens, NULL, extractor->shape.rows, extractor->shape.cols, extractor->dim);
    return put_rows(fit, prepared, picture, 1, err);
}

/* The picture turned by 45, 90, ... degrees, each embedded anew. */
static dp_status put_rotations(struct fit *fit, dp_prepared *prepared, size_t picture, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_picture *original = prepared->picture;
    dp_status status = DP_OK;
    for (size_t k = 1; !status && k < extractor->recipe.rotations; k++) {
        dp_picture *turned = NULL;
        status = dp_picture_rotate(original, 360.0 * (double)k / (double)extractor->recipe.rotations, &turned, err);
        if (status)
            break;
        prepared->picture = turned;
        status = dp_prepared_warp(prepared, 0, err);
        if (!status)
            status = dp_extractor_embed(extractor, fit->session, prepared, err);
        if (!status)
            status = put_rows(fit, prepared, picture, k + (extractor->recipe.mirror ? 1 : 0), err);
        prepared->picture = original;
        dp_picture_free(&turned);
    }
    return status;
}

/* Whether a fault is one picture's own: it is left out, and the others are learned from.  Where there is no other at all the fault is
 * that of the fit. */
static bool is_its_own(struct fit *fit, dp_status status, const dp_error *err)
{
    if (status == DP_OK || status == DP_E_CANCELLED || status == DP_E_IO)
        return false;
    if (status != DP_E_PICTURE && fit->fault.status == DP_OK)
        fit->fault = *err;
    return true;
}

/* Puts a prepared picture, features settled in the extractor, into its rows of the bank. */
static dp_status put(struct fit *fit, dp_prepared *prepared, size_t picture, int polarity, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    dp_status status = put_rows(fit, prepared, picture, 0, err);
    if (!status && extractor->recipe.mirror)
        status =
            put_mirror(fit, prepared, picture, polarity < 0 && extractor->recipe.polarity == DP_POLARITY_MIRROR, err);
    if (!status && extractor->recipe.rotations > 1)
        status = put_rotations(fit, prepared, picture, err);
    return status;
}

/* A picture whose features are in the extractor enters the bank; *picture: DP_NO_PICTURE where it has to be left out after all. */
static dp_status enter(struct fit *fit, dp_prepared *prepared, int polarity, size_t *picture, dp_error *err)
{
    dp_status status = dp_bank_builder_add(fit->builder, prepared->path, &prepared->pose, picture, err);
    if (status)
        return status;
    keep_light(fit, prepared, *picture);
    status = put(fit, prepared, *picture, polarity, err);
    if (status == DP_E_MEMORY || !is_its_own(fit, status, err)) /* memory: of the bank, which all share */
        return status;
    dp_bank_builder_take_back(fit->builder);
    *picture = DP_NO_PICTURE;
    return leave_out(fit, prepared, err);
}

/* Brings the extractor and the prepared picture, which hold the turned object, back to the object as it was found. */
static dp_status turn_back(struct fit *fit, dp_prepared *prepared, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    memcpy(extractor->tokens, fit->as_found, cells * extractor->dim * sizeof(float));
    if (extractor->recipe.mirror) /* the mirror picture is made from the canvas */
        return dp_prepared_warp(prepared, 0, err);
    memcpy(prepared->cells, fit->cells_as_found, cells);
    return DP_OK;
}

/* The part of picture p's orientation that is the object's own, and its bias (may be NULL), [dim] each, on features whose layers are
 * normalised as far as it is known by what. */
static void own_orientation(const struct fit *fit, size_t p, float *own, float *bias)
{
    size_t dim = fit->extractor.dim;
    const float *pair = fit->orientations + p * 2 * dim;
    for (size_t i = 0; i < 2 && fit->norm; i++)
        dp_orientation_scale(pair + i * dim, fit->norm + dim, dim, fit->pair + i * dim);
    if (fit->norm)
        pair = fit->pair;
    dp_orientation_own(pair, pair + dim, dim, own, bias);
}

/* Embeds the picture as it was found or turned, or takes from the trial what came out there. */
static dp_status embed(struct fit *fit, dp_prepared *prepared, int turn, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const bool made_again = extractor->recipe.mirror && turn; /* the mirror picture is made from the canvas */
    if (!made_again && dp_trial_take(&fit->settled.trial, prepared->index, turn, extractor->tokens, prepared->cells))
        return DP_OK;
    dp_status status = DP_OK;
    if (turn)
        status = dp_prepared_warp(prepared, 1, err);
    return status ? status : dp_extractor_embed(extractor, fit->session, prepared, err);
}

/* Embeds a picture both ways round.  The extractor and the prepared picture then hold it the way its sign against the pictures before it
 * says, *sign; fit->own is its orientation. */
static dp_status settle(struct fit *fit, dp_prepared *prepared, int *sign, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    size_t dim = extractor->dim, cells = extractor->shape.rows * extractor->shape.cols;
    float *pair = fit->orientations + in_bank(fit)->n * 2 * dim;
    dp_status status = dp_extractor_orientation(extractor, prepared, err);
    memcpy(pair, extractor->orientation, dim * sizeof(float));
    memcpy(fit->as_found, extractor->tokens, cells * dim * sizeof(float));
    memcpy(fit->cells_as_found, prepared->cells, cells);
    if (!status)
        status = embed(fit, prepared, 1, err);
    if (!status)
        status = dp_extractor_orientation(extractor, prepared, err);
    if (status)
        return status;
    memcpy(pair + dim, extractor->orientation, dim * sizeof(float));
    own_orientation(fit, in_bank(fit)->n, fit->own, NULL);
    *sign = dp_orientation_sign(fit->own, fit->running, dim, NULL) < 0 ? -1 : 1;
    if (*sign < 0 && extractor->recipe.polarity == DP_POLARITY_ROTATE)
        return DP_OK;
    status = turn_back(fit, prepared, err);
    if (!status && *sign < 0)
        dp_grid_mirror(extractor->tokens, prepared->cells, extractor->shape.rows, extractor->shape.cols, dim);
    return status;
}

/* Whether the gate of the known bank would stop a further picture for its light or its size. */
static bool is_unlike(const struct fit *fit, const dp_prepared *prepared, dp_error *why)
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

/* A further picture of a bank that is there. */
static dp_status learn_more(struct fit *fit, dp_prepared *prepared, dp_error *err)
{
    int polarity;
    size_t picture;
    dp_error unlike;
    if (is_unlike(fit, prepared, &unlike))
        return leave_out(fit, prepared, &unlike);
    dp_status status =
        dp_extractor_features(&fit->extractor, fit->session, prepared, fit->known->orientation, &polarity, err);
    if (!status)
        status = check_background(fit, prepared, err);
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
        in_bank(fit)->polarities[picture] = (int8_t)polarity;
    tell(fit, prepared->index, &prepared->pose, NULL);
    return DP_OK;
}

/* Whether a cell lies wholly inside the picture. */
static bool any_cell(const struct fit *fit, const dp_prepared *prepared, dp_error *why)
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

/* What normalises the layers of cells with these statistics. */
static dp_status settle_norm(struct fit *fit, const dp_cell_statistics *statistics, dp_error *err)
{
    size_t dims[DP_EXTRACT_LAYERS], dim = fit->extractor.dim;
    if (!fit->norm && !(fit->norm = dp_malloc(dim, 2 * sizeof *fit->norm)))
        return dp_fail_memory(err, "the statistics of features", 2 * dim * sizeof *fit->norm);
    dp_extract_dims(&fit->extractor.plan, dims);
    return dp_layer_norm_find(statistics, fit->asked.layer_norm, dims, fit->extractor.plan.n_layers, fit->norm,
                              fit->norm + dim, err);
}

static dp_status learn(struct fit *fit, dp_prepared *prepared, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    if (prepared->status == DP_E_CANCELLED)
        return dp_fail(err, DP_E_CANCELLED, "%s", prepared->error.message);
    if (prepared->status)
        return leave_out(fit, prepared, &prepared->error);
    size_t known = in_known(fit, prepared);
    if (known != SIZE_MAX)
        return leave_twin(fit, prepared, fit->known->pictures.names[known], true);
    unsigned char *digest = fit->digests + prepared->index * DP_DIGEST_BYTES;
    memcpy(digest, prepared->digest, DP_DIGEST_BYTES);
    size_t twin = dp_twin_table_put(&fit->given, digest, prepared->index);
    if (twin != SIZE_MAX)
        return leave_twin(fit, prepared, dp_pictures_name(&fit->pictures, twin), false);
    if (extractor->recipe.align == DP_ALIGN_PCA && prepared->pose.status != DP_ALIGN_OK) {
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
    dp_status status = embed(fit, prepared, 0, err);
    if (!status && fit->statistics.dim) {
        status = dp_cell_statistics_open(extractor->dim, &statistics, err);
        if (!status)
            status = dp_cell_statistics_add(&statistics, extractor->tokens, prepared->cells,
                                            extractor->shape.rows * extractor->shape.cols, err);
        if (!status && polar && !fit->norm)
            status = settle_norm(fit, &statistics, err);
    }
    if (!status && polar)
        status = settle(fit, prepared, &sign, err);
    if (!status)
        status = check_background(fit, prepared, err);
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
    tell(fit, prepared->index, &prepared->pose, NULL);
    return DP_OK;
}

/* The features of all pictures, which lie in the finished bank as the network gave them, are normalised by what they all showed. */
static dp_status normalise(const struct fit *fit, dp_bank *bank, dp_error *err)
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

static dp_status learn_all(struct fit *fit, dp_error *err)
{
    dp_prefetch *prefetch = NULL;
    dp_status status =
        dp_prefetch_open(&fit->pictures, &fit->extractor.recipe, &fit->extractor.shape, fit->run, true, &prefetch, err);
    for (dp_prepared *next; !status && (next = dp_prefetch_next(prefetch));) {
        size_t done = next->index + 1;
        dp_prepared_report(next, &fit->extractor.recipe, fit->run);
        status = learn(fit, next, err);
        if (!status && fit->run->progress && fit->run->progress(fit->run->user, "fit", done, fit->pictures.n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures; no bank was written", done,
                             fit->pictures.n);
    }
    dp_prefetch_close(&prefetch);
    return status;
}

/* A picture that was stored the wrong way round, by the judgement of all. */
static dp_status mend(struct fit *fit, size_t picture, int sign, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const dp_recipe *recipe = &extractor->recipe;
    if (recipe->polarity == DP_POLARITY_MIRROR) {
        dp_bank_builder_mirror(fit->builder, picture);
        return DP_OK;
    }
    dp_prepared again = {.run = fit->run, .index = fit->sources[picture]};
    dp_status status = dp_prepared_open(&again, recipe, &extractor->shape, err);
    if (!status)
        status = dp_prepared_load(&again, &fit->pictures, err);
    if (!status && sign < 0)
        status = dp_prepared_warp(&again, 1, err);
    if (!status)
        status = dp_extractor_embed(extractor, fit->session, &again, err);
    if (!status)
        status = put(fit, &again, picture, sign, err);
    dp_prepared_close(&again);
    return status;
}

static dp_status settle_polarity(struct fit *fit, dp_error *err)
{
    dp_bank_pictures *pictures = in_bank(fit);
    size_t n = pictures->n, dim = fit->extractor.dim;
    if (fit->extractor.recipe.polarity == DP_POLARITY_NONE)
        return DP_OK;
    float *reference = dp_malloc(dim, sizeof *reference), *bias = dp_malloc(dim, sizeof *bias),
          *owns = dp_malloc_2d(n, dim, sizeof *owns);
    double *sum = dp_calloc(dim, sizeof *sum);
    int *signs = dp_malloc(n, sizeof *signs);
    dp_status status = reference && bias && owns && sum && signs
                           ? DP_OK
                           : dp_fail_memory(err, "the polarity", dim * sizeof *reference);
    for (size_t p = 0; p < n && !status; p++) {
        own_orientation(fit, p, owns + p * dim, bias);
        for (size_t d = 0; d < dim; d++)
            sum[d] += (double)bias[d];
    }
    if (!status)
        status = dp_orientation_consensus(owns, n, dim, reference, signs, err);
    if (!status) {
        /* The consensus and the running sums may have chosen opposite ends: the one that mends fewer pictures stays. */
        size_t differ = 0, settled = 0;
        for (size_t p = 0; p < n; p++) {
            settled += signs[p] != 0;
            differ += signs[p] != 0 && signs[p] != fit->signs[p];
        }
        bool opposite = 2 * differ > settled;
        for (size_t i = 0; i < dim && opposite; i++)
            reference[i] = -reference[i];
        for (size_t p = 0; p < n && !status; p++) {
            int sign = opposite ? -signs[p] : signs[p];
            if (sign != 0 && sign != fit->signs[p])
                status = mend(fit, p, sign, err);
            pictures->polarities[p] = (int8_t)sign;
        }
        for (size_t i = 0; i < dim; i++)
            bias[i] = (float)(sum[i] / (double)n);
        dp_bank_builder_set_orientation(fit->builder, reference, bias);
    }
    dp_memory_free(reference);
    dp_memory_free(bias);
    dp_memory_free(owns);
    dp_memory_free(sum);
    dp_memory_free(signs);
    return status;
}

static dp_status settle_region(struct fit *fit, dp_error *err)
{
    dp_roi *settled = NULL;
    dp_status status = dp_region_make(fit->roi, &fit->builder->bank->recipe, in_bank(fit), &settled, err);
    dp_bank_builder_set_roi(fit->builder, settled);
    return status;
}

static dp_status prepare(struct fit *fit, const dp_recipe *asked, dp_error *err)
{
    dp_network_info model;
    dp_status status = dp_network_digest(dp_session_network(fit->session), err);
    if (status)
        return status;
    dp_network_get_info(dp_session_network(fit->session), &model);
    dp_recipe recipe = *asked;
    if (!fit->known) { /* a bank's recipe is settled */
        status = dp_settle(asked, fit->roi ? fit->roi->frame : DP_ROI_NONE, fit->session, &fit->pictures, &fit->settled,
                           err);
        if (status)
            return status;
        recipe = fit->settled.recipe;
        if (recipe.align == DP_ALIGN_PCA && fit->settled.survey.n)
            fit->pictures.poses = fit->settled.survey.poses;
    }
    const dp_network_facts network = dp_session_facts(fit->session);
    const dp_canvas_shape shape = dp_canvas_shape_of(&recipe, network.patch_px);
    status = dp_extractor_open(&recipe, &shape, dp_recipe_dim(&recipe, &network), DP_WHOLE_GRID, &fit->extractor, err);
    if (status)
        return status;
    const dp_bank_spec spec = {
        .recipe = &recipe,
        .grid_rows = dp_own_canvas(&recipe) ? recipe.edge_px / model.patch_px
                                            : fit->extractor.shape.rows, /* of a flat bank: a first guess */
        .grid_cols = dp_own_canvas(&recipe) ? recipe.edge_px / model.patch_px : fit->extractor.shape.cols,
        .dim = fit->extractor.dim,
        .patch_px = model.patch_px,
        .capacity = fit->pictures.n,
        .rows_per_picture = recipe.rotations + (recipe.mirror ? 1 : 0),
        .model_path = model.path,
        .model_sha256 = model.sha256,
        .model_licence = model.licence,
        .model_stand_in = model.stand_in,
    };
    fit->asked = recipe;
    status = fit->known ? dp_gate_open(fit->known, &fit->gate, err) : DP_OK;
    if (status)
        return status;
    dp_bank_spec final = spec;
    final.recipe = &fit->asked;
    if (recipe.layer_norm) /* rounded once, when all are there and normalised */
        recipe.storage = DP_STORAGE_F32;
    if (dp_fit_shrinks(
            &recipe)) { /* collected in all their dimensions, in the type asked for; made smaller once they are all there */
        recipe.pca = 0;
        recipe.kmeans = 0;
        recipe.coreset = 0;
        if (fit->known) /* they are few, and rounded once is better than twice */
            recipe.storage = DP_STORAGE_F32;
        if (recipe.background == DP_BACKGROUND_REFERENCE)
            recipe.background = DP_BACKGROUND_NONE;
    }
    if (fit->known) {
        final.dim = fit->known->rows.dim;
        final.capacity += fit->known->pictures.n;
    }
    if (recipe.layer_norm && !fit->known) {
        status = dp_cell_statistics_open(fit->extractor.dim, &fit->statistics, err);
        if (!status
            && !dp_own_canvas(
                &recipe)) /* a picture may come from the trial, and none goes through the network before its layers are asked for */
            status = dp_extractor_plan(&fit->extractor, fit->session, err);
    }
    if (fit->known)
        fit->extractor.layer_norm = fit->known->layer_norm;
    if (status)
        return status;
    status = dp_memory_plan(&final, &spec, fit->known != NULL, fit->run, err);
    if (!status)
        status = dp_bank_builder_open(&spec, &fit->builder, err);
    if (!status && fit->known && fit->known->layer_norm
        && !dp_bank_set_layer_norm(fit->builder->bank, fit->known->layer_norm))
        status = dp_fail_memory(err, "the statistics of features", 2 * fit->extractor.dim * sizeof(float));
    if (status)
        return status;
    size_t orientations;
    if (!dp_mul_size(fit->pictures.n, 2 * fit->extractor.dim, &orientations))
        return dp_fail_memory(err, "the orientation vectors", fit->pictures.n);
    fit->orientations = dp_calloc(orientations, sizeof(float));
    fit->running = dp_calloc(fit->extractor.dim, sizeof(float));
    fit->own = dp_calloc(fit->extractor.dim, sizeof(float));
    fit->pair = dp_calloc(fit->extractor.dim, 2 * sizeof(float));
    fit->as_found =
        dp_malloc_2d(recipe.polarity == DP_POLARITY_NONE
                         ? 1
                         : fit->extractor.shape.rows * fit->extractor.shape.cols /* checked by the extractor */,
                     fit->extractor.dim, sizeof(float));
    fit->cells_as_found = dp_malloc(fit->extractor.shape.rows, fit->extractor.shape.cols);
    fit->signs = dp_calloc(fit->pictures.n, sizeof(int));
    fit->sources = dp_calloc(fit->pictures.n, sizeof(size_t));
    fit->digests = dp_malloc(fit->pictures.n, DP_DIGEST_BYTES);
    if (!fit->digests || !dp_twin_table_open(&fit->given, fit->pictures.n)
        || (fit->known && !dp_twin_table_of_bank(&fit->known_ones, fit->known, 0)))
        return dp_fail_memory(err, "the pictures' digests", fit->pictures.n * DP_DIGEST_BYTES);
    fit->unseen = fit->known && !dp_bank_knows_digests(fit->known);
    if (fit->unseen)
        dp_report_unseen_twins(fit->run, fit->known);
    if (!fit->orientations || !fit->running || !fit->own || !fit->pair || !fit->as_found || !fit->cells_as_found
        || !fit->signs || !fit->sources)
        return dp_fail_memory(err, "the orientation vectors", orientations * sizeof(float));
    return DP_OK;
}

static void fit_close(struct fit *fit)
{
    dp_settled_close(&fit->settled);
    dp_cell_statistics_close(&fit->statistics);
    dp_bank_builder_close(&fit->builder);
    dp_extractor_close(&fit->extractor);
    dp_memory_free(fit->orientations);
    dp_memory_free(fit->running);
    dp_memory_free(fit->own);
    dp_memory_free(fit->norm);
    dp_memory_free(fit->pair);
    dp_memory_free(fit->as_found);
    dp_memory_free(fit->cells_as_found);
    dp_memory_free(fit->signs);
    dp_memory_free(fit->sources);
    dp_memory_free(fit->digests);
    dp_twin_table_close(&fit->given);
    dp_twin_table_close(&fit->known_ones);
}

/* Of the pictures given as many as the recipe asks for, none of them twice: *chosen, owned by the caller, becomes their order. */
static dp_status choose_shots(struct fit *fit, const dp_recipe *recipe, size_t **chosen, dp_error *err)
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
            leave_twin(fit, &twin, dp_pictures_name(&fit->pictures, earlier[i]), false);
    }
    size_t wanted = recipe->shots < n ? recipe->shots : n;
    if (!status && wanted < n)
        status = dp_fit_shots(recipe, source, *chosen, n, err);
    if (!status)
        fit->pictures = (dp_pictures){.source = source, .order = *chosen, .n = wanted};
    dp_memory_free(earlier);
    return status;
}

/* The network's fault, if it had one: checkpoint or settings are broken. */
static dp_status none_left(const struct fit *fit, const char *what, dp_error *err)
{
    if (fit->fault.status)
        return dp_fail(err, fit->fault.status, "%s", fit->fault.message);
    if (fit->pictures.n == 1)
        return dp_fail(err, DP_E_PICTURE, "the picture cannot be %s", what);
    return dp_fail(err, DP_E_PICTURE, "none of the %zu pictures can be %s", fit->pictures.n, what);
}

/* How many pictures there are, and how many such parts want. */
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

dp_status dp_bank_fit_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input, dp_bank **bank,
                           dp_fit_counts *report, dp_error *err)
{
    dp_error own = {0};
    err = err ? err : &own; /* what is wrong with a picture is told to on_picture */
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
    dp_bank *made = NULL;
    struct fit fit = {.session = session,
                      .run = dp_session_run(session),
                      .pictures = dp_pictures_all(input->source),
                      .roi = input->roi,
                      .on_picture = input->on_picture,
                      .user = input->user};
    if (shots && (status = choose_shots(&fit, recipe, &chosen, err))) {
        dp_memory_free(chosen);
        return status;
    }
    status = prepare(&fit, recipe, err);
    if (!status)
        status = learn_all(&fit, err);
    if (!status && !in_bank(&fit)->n)
        status = none_left(&fit, "used", err);
    if (!status && fit.statistics.dim)
        status = settle_norm(&fit, &fit.statistics, err);
    if (!status)
        status = settle_polarity(&fit, err);
    if (!status)
        status = settle_region(&fit, err);
    if (!status)
        status = dp_bank_builder_finish(&fit.builder, &made, err);
    if (!status && fit.statistics.dim)
        status = normalise(&fit, made, err);
    if (!status)
        status = dp_fit_calibrate(&fit.asked, dp_session_isa(session), dp_session_pool(session), fit.run, &made, err);
    if (!status)
        status = dp_bank_report_near(made, fit.run, err);
    if (!status) /* the bank names the checkpoint by its digest */
        status = dp_network_check_unchanged(dp_session_network(session), err);
    if (!status && fit.settled.choices.n)
        status = say_pictures(&fit.settled.choices, made, err);
    if (!status) {
        made->choices = fit.settled.choices;
        fit.settled.choices = (dp_choices){0};
        dp_gate_warn(made, fit.run);
        *bank = made;
        made = NULL;
        if (report)
            *report = fit.report;
    }
    dp_bank_close(&made);
    fit_close(&fit);
    dp_memory_free(chosen);
    return status;
}

dp_status dp_fit_more(dp_session *session, const dp_bank *known, const dp_fit_input *input, dp_bank **bank,
                      dp_fit_counts *report, dp_error *err)
{
    struct fit fit = {.session = session,
                      .run = dp_session_run(session),
                      .pictures = dp_pictures_all(input->source),
                      .on_picture = input->on_picture,
                      .user = input->user,
                      .known = known};
    dp_error own = {0};
    err = err ? err : &own;
    dp_status status = prepare(&fit, &known->recipe, err);
    if (!status)
        status = learn_all(&fit, err);
    size_t n = status ? 0 : in_bank(&fit)->n;
    if (!status && !n && fit.report.n_failed)
        status = none_left(&fit, "added", err);
    if (!status && n)
        status = dp_bank_builder_finish(&fit.builder, bank, err);
    *report = fit.report;
    fit_close(&fit);
    return status;
}
