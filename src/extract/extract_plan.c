/* SPDX-License-Identifier: Apache-2.0 */
/* extract_plan.c - makes the features of cells from the layers of a network.
 *
 *     normalised, residual network   layer l -> mean over 3x3 cells -> grid of layer 2 -> side by side  [H/8, W/8, C2 + C3]
 *     normalised, transformer        blocks -> side by side                                             [rows, cols, 3 dim]
 *     raw                            layer l -> grid of the first layer (of a residual network: of layer 1 if that is among them
 *                                    and the bank is not flat, else of layer 2) -> mean, side by side, or blocks of one width */
#include "extract/extract_plan.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/layer_grid.h"
#include "options/recipe_facts.h"

#include <string.h>

static bool choose_channels(const dp_recipe *recipe, dp_extract_plan *plan)
{
    plan->dim = plan->whole;
    if (!recipe->channels || recipe->channels >= plan->whole)
        return true;
    plan->dim = recipe->channels;
    plan->channels = dp_malloc(plan->dim, sizeof *plan->channels);
    if (plan->channels)
        dp_channels_draw(recipe->seed, plan->whole, plan->dim, plan->channels);
    return plan->channels != NULL;
}

dp_status dp_extract_plan_open(const dp_session *session, const dp_recipe *recipe, size_t height, size_t width,
                               dp_extract_plan *plan, dp_error *err)
{
    const dp_network_facts network = dp_session_facts(session);
    const bool raw = recipe->layer_norm == DP_LAYER_NORM_RAW;
    dp_extract_plan p = {.averages = network.residual && !raw, .mix = raw ? recipe->layer_mix : DP_LAYERS_CONCAT};
    if (raw) {
        p.n_layers = recipe->n_layers;
        memcpy(p.layers, recipe->layers, p.n_layers * sizeof *p.layers);
    } else {
        p.n_layers = dp_extract_layers(&network, p.layers);
    }
    size_t widest = 0, sum = 0, cells, values;
    p.n_run = p.n_layers;
    p.pooled = network.residual && recipe->retrieval ? p.n_layers - 1 : SIZE_MAX;
    if (p.pooled != SIZE_MAX && p.layers[p.pooled] != network.depth && p.n_layers < DP_MAX_LAYERS) {
        p.layers[p.n_run] = network.depth;
        p.shapes[p.n_run] = dp_session_layer_shape(session, network.depth, height, width);
        p.pooled = p.n_run++;
    }
    for (size_t l = 0; l < p.n_layers; l++) {
        p.shapes[l] = dp_session_layer_shape(session, p.layers[l], height, width);
        sum += p.shapes[l].dim;
        widest = p.shapes[l].dim > widest ? p.shapes[l].dim : widest;
    }
    p.whole = p.mix == DP_LAYERS_MEAN ? widest : p.mix == DP_LAYERS_SEPARATE ? widest * p.n_layers : sum;
    const dp_layer_shape grid = network.residual && !dp_recipe_finer_grid(recipe, &network)
                                    ? dp_session_layer_shape(session, DP_RESNET_GRID_LAYER, height, width)
                                    : p.shapes[0];
    p.rows = grid.rows;
    p.cols = grid.cols;
    if (!dp_mul_size(p.rows, p.cols, &cells) || !dp_mul_size(cells, p.whole, &values))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu is too large", height, width);
    bool good = choose_channels(recipe, &p);
    good = good && (!p.averages || (p.mean = dp_malloc_2d(cells, widest, sizeof(float))));
    good = good && (!p.channels || (p.joined = dp_malloc(values, sizeof(float))));
    for (size_t l = 0; l < p.n_run; l++) {
        size_t own;
        good = good && dp_mul_size(p.shapes[l].rows, p.shapes[l].cols, &own)
               && (p.raw[l] = dp_malloc_2d(own, p.shapes[l].dim, sizeof(float)));
    }
    if (!good) {
        dp_extract_plan_close(&p);
        return dp_fail_memory(err, "the layers of one picture", values * sizeof(float));
    }
    *plan = p;
    return DP_OK;
}

void dp_extract_plan_close(dp_extract_plan *plan)
{
    for (size_t l = 0; l < DP_MAX_LAYERS; l++)
        dp_memory_free(plan->raw[l]);
    dp_memory_free(plan->mean);
    dp_memory_free(plan->joined);
    dp_memory_free(plan->channels);
    *plan = (dp_extract_plan){0};
}

/* The mean of layers that have one shape: summed in the order of the layers, then divided. */
static void average(const dp_extract_plan *plan, float *features)
{
    const size_t n = plan->rows * plan->cols * plan->whole;
    for (size_t i = 0; i < n; i++) {
        float sum = plan->raw[0][i];
        for (size_t l = 1; l < plan->n_layers; l++)
            sum += plan->raw[l][i];
        features[i] = sum / (float)plan->n_layers;
    }
}

static void join(const dp_extract_plan *plan, float *features)
{
    dp_grid_slot slot = {features, plan->rows, plan->cols, plan->whole};
    const size_t block = plan->whole / plan->n_layers;
    if (plan->mix == DP_LAYERS_SEPARATE)
        memset(features, 0, plan->rows * plan->cols * plan->whole * sizeof *features);
    for (size_t l = 0; l < plan->n_layers; l++) {
        const dp_layer_shape s = plan->shapes[l];
        const float *from = plan->raw[l];
        if (plan->averages) {
            dp_mean_3x3(from, s.rows, s.cols, s.dim, plan->mean);
            from = plan->mean;
        }
        dp_grid_resample(from, s.rows, s.cols, s.dim, &slot);
        slot.features += plan->mix == DP_LAYERS_SEPARATE ? block : s.dim;
    }
}

dp_status dp_extract(dp_extract_plan *plan, dp_session *session, const float *rgb, size_t height, size_t width,
                     float *features, dp_error *err)
{
    dp_status status =
        dp_session_layers(session, &(dp_inputs){rgb, 1, height, width}, plan->layers, plan->n_run, plan->raw, err);
    float *whole = plan->channels ? plan->joined : features;
    if (status)
        return status;
    (plan->mix == DP_LAYERS_MEAN ? average : join)(plan, whole);
    for (size_t cell = 0; plan->channels && cell < plan->rows * plan->cols; cell++)
        for (size_t d = 0; d < plan->dim; d++)
            features[cell * plan->dim + d] = whole[cell * plan->whole + (size_t)plan->channels[d]];
    return DP_OK;
}

void dp_extract_pool(const dp_extract_plan *plan, float *vector)
{
    const dp_layer_shape *s = &plan->shapes[plan->pooled];
    const size_t cells = s->rows * s->cols;
    for (size_t d = 0; d < s->dim; d++) {
        double sum = 0;
        for (size_t cell = 0; cell < cells; cell++)
            sum += plan->raw[plan->pooled][cell * s->dim + d];
        vector[d] = (float)(sum / (double)cells);
    }
}

void dp_extract_dims(const dp_extract_plan *plan, size_t dims[DP_EXTRACT_LAYERS])
{
    for (size_t l = 0; l < plan->n_layers && l < DP_EXTRACT_LAYERS; l++)
        dims[l] = plan->shapes[l].dim;
}
