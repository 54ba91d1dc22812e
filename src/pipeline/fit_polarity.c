/* SPDX-License-Identifier: Apache-2.0 */
/* fit_polarity.c - finds which way round each good picture lies.
 *
 * There is one pass over the pictures. If the polarity is to be settled, each picture is embedded both ways round, which
 * separates its own orientation from what features say of mere position (extract/orientation.h). Only the whole set gives
 * the reference. So each picture is first settled against the running sum of the pictures before it; after the last one a
 * consensus is formed over all, and the few pictures whose sign then differs are mended (mirrored in the bank, or read and
 * embedded once more). */
#include "base/error.h"
#include "base/memory.h"
#include "extract/orientation.h"
#include "pipeline/fit_work.h"

#include <string.h>

/* Whether other versions of a picture are made from its canvas, which must then lie the way the picture is stored. */
static bool needs_canvas(const dp_recipe *recipe)
{
    return recipe->mirror || recipe->brightness > 0;
}

/* Turns the object in the extractor and the prepared picture back to how it was found. */
static dp_status turn_back(dp_fit_work *fit, dp_prepared *prepared, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    memcpy(extractor->tokens, fit->as_found, cells * extractor->dim * sizeof(float));
    if (extractor->n_vector)
        memcpy(extractor->vector, fit->vector_as_found, extractor->n_vector * sizeof(float));
    if (needs_canvas(&extractor->recipe))
        return dp_fit_warp(fit, prepared, 0, err);
    memcpy(prepared->cells, fit->cells_as_found, cells);
    return DP_OK;
}

/* Computes the part of picture p's orientation that is the object's own, and its bias (may be NULL), [dim] each, on
 * features with the layers normalised as far as the norm is known. */
static void own_orientation(const dp_fit_work *fit, size_t p, float *own, float *bias)
{
    size_t dim = fit->extractor.dim;
    const float *pair = fit->orientations + p * 2 * dim;
    for (size_t i = 0; i < 2 && fit->norm; i++)
        dp_orientation_scale(pair + i * dim, fit->norm + dim, dim, fit->pair + i * dim);
    if (fit->norm)
        pair = fit->pair;
    dp_orientation_own(pair, pair + dim, dim, own, bias);
}

dp_status dp_fit_embed(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    const bool made_again = needs_canvas(&extractor->recipe) && turn;
    if (!made_again && !extractor->n_vector /* the trial keeps none */
        && dp_trial_take(&fit->settled.trial, prepared->index, turn, extractor->tokens, prepared->cells))
        return DP_OK;
    dp_status status = DP_OK;
    if (turn)
        status = dp_fit_warp(fit, prepared, 1, err);
    return status ? status : dp_fit_run(fit, prepared, 0, err);
}

dp_status dp_fit_turn(dp_fit_work *fit, dp_prepared *prepared, int *sign, dp_error *err)
{
    dp_extractor *extractor = &fit->extractor;
    size_t dim = extractor->dim, cells = extractor->shape.rows * extractor->shape.cols;
    float *pair = fit->orientations + dp_fit_pictures(fit)->n * 2 * dim;
    dp_status status = dp_extractor_orientation(extractor, prepared, err);
    memcpy(pair, extractor->orientation, dim * sizeof(float));
    memcpy(fit->as_found, extractor->tokens, cells * dim * sizeof(float));
    memcpy(fit->cells_as_found, prepared->cells, cells);
    if (extractor->n_vector)
        memcpy(fit->vector_as_found, extractor->vector, extractor->n_vector * sizeof(float));
    if (!status)
        status = dp_fit_embed(fit, prepared, 1, err);
    if (!status)
        status = dp_extractor_orientation(extractor, prepared, err);
    if (status)
        return status;
    memcpy(pair + dim, extractor->orientation, dim * sizeof(float));
    own_orientation(fit, dp_fit_pictures(fit)->n, fit->own, NULL);
    *sign = dp_orientation_sign(fit->own, fit->running, dim, NULL) < 0 ? -1 : 1;
    if (*sign < 0 && extractor->recipe.polarity == DP_POLARITY_ROTATE)
        return DP_OK;
    status = turn_back(fit, prepared, err);
    if (!status && *sign < 0)
        dp_grid_mirror(extractor->tokens, prepared->cells, extractor->shape.rows, extractor->shape.cols, dim);
    return status;
}

/* Mends a picture that the consensus finds stored the wrong way round. */
static dp_status mend(dp_fit_work *fit, size_t picture, int sign, dp_error *err)
{
    if (fit->extractor.recipe.polarity == DP_POLARITY_MIRROR) {
        dp_bank_builder_mirror(fit->builder, picture);
        return DP_OK;
    }
    dp_prepared again;
    dp_status status = dp_fit_again(fit, fit->sources[picture], &again, err);
    if (!status && sign < 0)
        status = dp_fit_warp(fit, &again, 1, err);
    if (!status)
        status = dp_fit_run(fit, &again, 0, err);
    if (!status)
        status = dp_fit_put(fit, &again, picture, sign, err);
    dp_prepared_close(&again);
    return status;
}

dp_status dp_fit_settle_polarity(dp_fit_work *fit, dp_error *err)
{
    dp_bank_pictures *pictures = dp_fit_pictures(fit);
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
        /* Consensus and running sums may have chosen opposite ends; the choice that mends fewer pictures stays. */
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
