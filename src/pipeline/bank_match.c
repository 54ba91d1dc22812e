/* SPDX-License-Identifier: Apache-2.0 */
/* bank_match.c - checks that a bank fits a session. */
#include "pipeline/bank_match.h"
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/tiles.h"
#include "network/network.h"
#include "network/session.h"
#include "options/check.h"

#include <string.h>

dp_status dp_session_fits_bank(const dp_session *session, const dp_bank *bank, dp_error *err)
{
    dp_network_info model;
    dp_status status = dp_network_digest(dp_session_network(session), err);
    if (status)
        return status;
    dp_network_get_info(dp_session_network(session), &model);
    if (strcmp(model.sha256, bank->model.sha256) != 0)
        return dp_fail(err, DP_E_MISMATCH,
                       "the bank was made with another checkpoint: %s (SHA-256 %s), but %s has SHA-256 %s",
                       bank->model.path, bank->model.sha256, model.path, model.sha256);
    const dp_recipe *recipe = &bank->recipe;
    const dp_network_facts network = dp_session_facts(session);
    const dp_canvas_shape canvas = dp_canvas_shape_of(recipe, dp_recipe_patch(recipe, &network));
    if (recipe->layout != DP_LAYOUT_FLAT
        && (canvas.height_px != bank->rows.grid_rows * canvas.patch_px
            || canvas.width_px != bank->rows.grid_cols * canvas.patch_px))
        return dp_fail(
            err, DP_E_MISMATCH,
            "the bank has %zux%zu cells, but its canvas of %zux%zu pixels does not have so many patches of %zu",
            bank->rows.grid_rows, bank->rows.grid_cols, canvas.height_px, canvas.width_px, canvas.patch_px);
    if (bank->patch_recorded && bank->patch_px != canvas.patch_px)
        return dp_fail(err, DP_E_MISMATCH, "the bank's cells have %zu pixels a side, but those of the checkpoint %zu",
                       bank->patch_px, canvas.patch_px);
    status = dp_check_features(recipe, &network, err);
    if (!status && !dp_own_canvas(recipe)) /* if each picture has its own canvas, the picture is checked later */
        status = dp_check_canvas(recipe, &network, err);
    if (status)
        return status;
    const size_t dim = dp_recipe_dim(recipe, &network);
    if (bank->projection.dim_in != dim)
        return dp_fail(err, DP_E_MISMATCH,
                       "the bank holds features of %zu numbers, but its recipe makes %zu with this checkpoint",
                       bank->projection.dim_in, dim);
    if (dp_session_precision(session) != bank->recipe.precision)
        return dp_fail(err, DP_E_MISMATCH, "the bank holds %s features, but the session computes %s",
                       bank->recipe.precision == DP_INT8 ? "int8" : "fp32",
                       dp_session_precision(session) == DP_INT8 ? "int8" : "fp32");
    if (bank->channels) {
        int32_t *channels = dp_malloc(dim, sizeof *channels);
        if (!channels)
            return dp_fail_memory(err, "the choice of features", dim * sizeof *channels);
        dp_recipe_channels(recipe, &network, channels);
        const bool same = !memcmp(channels, bank->channels, dim * sizeof *channels);
        dp_memory_free(channels);
        if (!same)
            return dp_fail(err, DP_E_MISMATCH,
                           "the bank keeps other numbers of each cell than this version draws with its seed; fit it "
                           "again");
    }
    return DP_OK;
}
