/* SPDX-License-Identifier: Apache-2.0 */
/* extract_plan.c - makes the features of cells from the layers of a network.
 *
 *     residual network   layer l -> mean over 3x3 cells -> grid of layer 2 -> side by side     [H/8, W/8, C2 + C3]
 *     transformer        blocks -> side by side                                                [rows, cols, 3 dim] */
#include "extract/extract_plan.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/layer_grid.h"

dp_status dp_extract_plan_open(const dp_session *session, size_t height, size_t width, dp_extract_plan *plan,
                               dp_error *err)
{
    const dp_network_facts network = dp_session_facts(session);
    dp_extract_plan p = {.averages = network.residual,
                         .norm = network.residual ? DP_LAYER_NORM_RMS : DP_LAYER_NORM_STANDARD};
    p.n_layers = dp_extract_layers(&network, p.layers);
    size_t widest = 0;
    for (size_t l = 0; l < p.n_layers; l++) {
        p.shapes[l] = dp_session_layer_shape(session, p.layers[l], height, width);
        p.dim += p.shapes[l].dim;
        widest = p.shapes[l].dim > widest ? p.shapes[l].dim : widest;
    }
    p.rows = p.shapes[0].rows;
    p.cols = p.shapes[0].cols;
    size_t cells, values;
    if (!dp_mul_size(p.rows, p.cols, &cells) || !dp_mul_size(cells, p.dim, &values))
        return dp_fail(err, DP_E_ARGUMENT, "a canvas of %zux%zu is too large", height, width);
    bool good = !p.averages || (p.mean = dp_malloc_2d(cells, widest, sizeof(float)));
    for (size_t l = 0; l < p.n_layers; l++) /* no layer has more cells than the first */
        good = (p.raw[l] = dp_malloc_2d(cells, p.shapes[l].dim, sizeof(float))) && good;
    if (!good) {
        dp_extract_plan_close(&p);
        return dp_fail_memory(err, "the layers of one picture", values * sizeof(float));
    }
    *plan = p;
    return DP_OK;
}

void dp_extract_plan_close(dp_extract_plan *plan)
{
    for (size_t l = 0; l < DP_EXTRACT_LAYERS; l++)
        dp_memory_free(plan->raw[l]);
    dp_memory_free(plan->mean);
    *plan = (dp_extract_plan){0};
}

dp_status dp_extract(dp_extract_plan *plan, dp_session *session, const float *rgb, size_t height, size_t width,
                     float *features, dp_error *err)
{
    dp_status status = dp_session_layers(session, rgb, height, width, plan->layers, plan->n_layers, plan->raw, err);
    dp_grid_slot slot = {features, plan->rows, plan->cols, plan->dim};
    for (size_t l = 0; l < plan->n_layers && !status; l++) {
        const dp_layer_shape s = plan->shapes[l];
        const float *from = plan->raw[l];
        if (plan->averages) {
            dp_mean_3x3(from, s.rows, s.cols, s.dim, plan->mean);
            from = plan->mean;
        }
        dp_grid_resample(from, s.rows, s.cols, s.dim, &slot);
        slot.features += s.dim;
    }
    return status;
}

void dp_extract_dims(const dp_extract_plan *plan, size_t dims[DP_EXTRACT_LAYERS])
{
    for (size_t l = 0; l < plan->n_layers; l++)
        dims[l] = plan->shapes[l].dim;
}
