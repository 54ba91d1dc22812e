/* SPDX-License-Identifier: Apache-2.0 */
/* extract_plan.h - which layers of a network make the features of a cell, and how they are joined. */
#ifndef DP_EXTRACT_EXTRACT_PLAN_H
#define DP_EXTRACT_EXTRACT_PLAN_H

#include "network/session.h"
#include "extract/normalise.h"

#include <stdbool.h>

/* Normalised layers. For a residual network: layers 2 and 3, each averaged over 3x3 cells, on the grid of layer 2. For a
 * transformer: the raw residual stream after the blocks at 1/4, 1/2 and 3/4 of its depth.
 *
 * Raw layers: those of the recipe on the grid of the first of them, averaged, side by side, or each in a block as wide as
 * the widest; then a choice of their numbers. */
typedef struct dp_extract_plan {
    size_t layers[DP_MAX_LAYERS], n_layers; /* for dp_session_layers */
    dp_layer_shape shapes[DP_MAX_LAYERS];
    size_t rows, cols, dim; /* of the features */
    size_t whole;           /* numbers of a cell before the choice of channels */
    dp_layer_mix mix;
    bool averages;
    float *raw[DP_MAX_LAYERS]; /* [shape] */
    float *mean;               /* [rows, cols, widest] if the plan averages */
    float *joined;             /* [rows, cols, whole] if it chooses channels */
    int32_t *channels;         /* [dim] which; NULL: all */
    size_t
        pooled; /* of the layers, the one that the vector of the picture is the mean of: of a residual network the last, with
                    * which raw may hold one layer more; SIZE_MAX: none */
    size_t n_run; /* layers that the network runs: n_layers, and the pooled one */
} dp_extract_plan;

/* Opens a plan for pictures of height x width pixels, multiples of the network's patch; the layers of the recipe are
 * settled. Errors: DP_E_ARGUMENT (too large), DP_E_MEMORY. */
dp_status dp_extract_plan_open(const dp_session *session, const dp_recipe *recipe, size_t height, size_t width,
                               dp_extract_plan *plan, dp_error *err);
void dp_extract_plan_close(dp_extract_plan *plan);
/* Computes features [rows, cols, dim], not normalised, from rgb [height, width, 3] in 0..255. Errors: as
 * dp_session_layers. */
dp_status dp_extract(dp_extract_plan *plan, dp_session *session, const float *rgb, size_t height, size_t width,
                     float *features, dp_error *err);
/* Fills vector with the mean over the cells of the pooled layer of the last picture, summed in double. */
void dp_extract_pool(const dp_extract_plan *plan, float *vector);
/* Fills dims with the number of features of each layer of a plan with normalised layers. */
void dp_extract_dims(const dp_extract_plan *plan, size_t dims[DP_EXTRACT_LAYERS]);

#endif
