/* SPDX-License-Identifier: Apache-2.0 */
/* excuses.c - names the rows of the bank by which a place of an inspected picture has a low distance. */
#include "base/error.h"
#include "pipeline/inspector.h"
#include "score/nearest.h"

#include <math.h>
#include <stdlib.h>

static int higher_first(const void *a, const void *b)
{
    const dp_excuse *x = a, *y = b;
    return (x->distance < y->distance) - (x->distance > y->distance);
}

/* The row's cell and the eight around it, in the pixels of its picture. */
static dp_box place_of(const dp_bank *bank, const dp_neighbour *found)
{
    dp_patch patch;
    dp_affine map;
    double x, y;
    if (!dp_nearest_map(bank, found, &patch, &map))
        return (dp_box){NAN, NAN, NAN, NAN};
    dp_affine_apply(&map, (double)(patch.cell % patch.cols), (double)(patch.cell / patch.cols), &x, &y);
    const double half_x = 1.5 * (fabs(map.xu) + fabs(map.xv)), half_y = 1.5 * (fabs(map.yu) + fabs(map.yv));
    return (dp_box){x - half_x, y - half_y, x + half_x, y + half_y};
}

dp_status dp_inspector_excuses(const dp_inspector *inspector, const dp_box *box, dp_excuse **excuses, size_t *n_excuses,
                               dp_error *err)
{
    const dp_view_state *state = inspector->views;
    const dp_result *result = &state->result;
    const dp_extractor *extractor = &inspector->extractor;
    const size_t cells = result->grid_rows * result->grid_cols;
    if (!cells)
        return dp_fail(err, DP_E_ARGUMENT, "no picture was inspected, so nothing excused it");
    const dp_frame frame = {&extractor->recipe, &result->pose,    result->polarity, false,
                            result->grid_rows,  result->grid_cols};
    const dp_affine map = dp_grid_to_picture(&frame);
    size_t n = 0, top = SIZE_MAX;
    dp_excuse *found = dp_malloc(cells, sizeof *found);
    if (!found)
        return dp_fail_memory(err, "the nearest rows", cells * sizeof *found);
    for (size_t i = 0; i < cells; i++)
        if (result->grid_valid[i] && (top == SIZE_MAX || result->grid[i] > result->grid[top]))
            top = i;
    for (size_t i = 0; i < cells; i++) {
        const dp_neighbour *nearest = &inspector->nearest[i * state->scoring.knn];
        double x, y;
        dp_affine_apply(&map, (double)(i % result->grid_cols), (double)(i / result->grid_cols), &x, &y);
        bool inside = box ? x >= box->x0_px && x <= box->x1_px && y >= box->y0_px && y <= box->y1_px : i == top;
        if (!inside || !result->grid_valid[i] || nearest->row == DP_NO_ROW)
            continue;
        size_t picture = dp_rows_picture(&inspector->bank->rows, nearest->cell, nearest->row);
        found[n++] = (dp_excuse){x, y, (double)result->grid[i], picture, place_of(inspector->bank, nearest)};
    }
    if (n)
        qsort(found, n, sizeof *found, higher_first);
    *excuses = found;
    *n_excuses = n;
    return DP_OK;
}
