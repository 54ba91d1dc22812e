/* SPDX-License-Identifier: Apache-2.0 */
/* one_result.h - inspects one picture with its own inspector; the caller owns the result. */
#ifndef DP_TESTS_ONE_RESULT_H
#define DP_TESTS_ONE_RESULT_H

#include "dinopatch/experimental.h"

#include <stdlib.h>
#include <string.h>

static inline void *copy_of(const void *from, size_t bytes)
{
    void *to = from ? malloc(bytes ? bytes : 1) : NULL;
    if (to)
        memcpy(to, from, bytes);
    return to;
}

static inline void free_result(dp_result **result)
{
    if (!*result)
        return;
    free((*result)->grid);
    free((*result)->grid_valid);
    free((*result)->weights);
    free((*result)->map);
    free((*result)->inspected);
    free((*result)->defects);
    free(*result);
    *result = NULL;
}

static inline dp_status inspect_once(dp_session *session, const dp_bank *bank, const dp_view *view,
                                     const dp_picture *picture, dp_result **result, dp_error *err)
{
    dp_inspector *inspector = NULL;
    const dp_result *found = NULL;
    dp_status status = dp_inspector_open_views(session, bank, view, 1, &inspector, err);
    if (!status)
        status = dp_inspector_run_picture(inspector, picture, &found, err);
    if (!status) {
        dp_result *r = copy_of(found, sizeof *found);
        size_t cells = r->grid_rows * r->grid_cols, pixels = r->height_px * r->width_px;
        r->grid = copy_of(r->grid, cells * sizeof *r->grid);
        r->grid_valid = copy_of(r->grid_valid, cells);
        r->weights = copy_of(r->weights, cells * sizeof *r->weights);
        r->map = copy_of(r->map, pixels * sizeof *r->map);
        r->inspected = copy_of(r->inspected, pixels);
        r->defects = copy_of(r->defects, r->n_defects * sizeof *r->defects);
        *result = r;
    }
    dp_inspector_close(&inspector);
    return status;
}

#endif
