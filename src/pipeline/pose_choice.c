/* SPDX-License-Identifier: Apache-2.0 */
/* pose_choice.c - finds out whether one pose makes the pictures more alike.
 *
 * If a place of the canvas shows the same in all good pictures, two pictures are nearer to each other at the same place
 * than at unrelated places. With f_i(c) the features of picture i at cell c, W(c) the cells at most 1 away, and s a shift
 * of the grid, which is taken as a torus,
 *
 *     d_s(i, j) = mean over cells c of  min over c' in W(c + s) of  | f_i(c) - f_j(c') |        P = mean d_0 / mean d_s
 *
 * over all pairs i < j, for s drawn SHIFTS times. P is near 1 if places mean nothing, and small if they mean much. It is a
 * ratio, so canvases can be compared. Pictures are aligned if
 *
 *     P of the aligned pictures < HELPS * P of the pictures as they are
 *
 * Pairs at distance 0 show the same picture and are left out. Leave-one-out scores cannot decide this: they also fall if
 * the canvas shows less. */
#include "pipeline/pose_choice.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/random.h"
#include "search/distance.h"

#include <math.h>

#define SHIFTS 3
#define WINDOW 1
#define HELPS 0.9
#define MAY_HELP 0.95 /* of rough poses: exact ones make pictures a little more alike still */
#define CLEARLY 0.8   /* outside CLEARLY .. 1 a few pictures are enough to decide */

struct work {
    const dp_grids *grids;
    dp_distance_kernels kernels;
    size_t shift_rows[1 + SHIFTS], shift_cols[1 + SHIFTS]; /* the first is 0 */
    struct sum {
        double distance;
        size_t cells;
    } * sums; /* [pairs, 1 + SHIFTS] */
};

/* Returns the smallest squared distance of x [dim] to a valid cell around (row, col), or infinity without one. */
static float nearest(const struct work *work, const float *x, size_t other, size_t row, size_t col)
{
    const dp_grids *g = work->grids;
    const float *features = g->features[other];
    const uint8_t *valid = g->valid[other];
    size_t left = col > WINDOW ? col - WINDOW : 0, right = col + WINDOW < g->cols ? col + WINDOW : g->cols - 1;
    float best = INFINITY, found[2 * WINDOW + 1];
    for (size_t r = row > WINDOW ? row - WINDOW : 0; r <= row + WINDOW && r < g->rows; r++) {
        work->kernels.l2(&x, 1, features + (r * g->cols + left) * g->dim, right - left + 1, g->dim, found,
                         2 * WINDOW + 1);
        for (size_t c = left; c <= right; c++)
            if (valid[r * g->cols + c] && found[c - left] < best)
                best = found[c - left];
    }
    return best;
}

static void compare(void *context, size_t task, size_t worker)
{
    (void)worker;
    const struct work *work = context;
    const dp_grids *g = work->grids;
    size_t pair = task / (1 + SHIFTS), shift = task % (1 + SHIFTS), first = 0;
    while (pair >= g->n - 1 - first) /* finds i and j of the pair */
        pair -= g->n - 1 - first++;
    size_t second = first + 1 + pair;
    struct sum sum = {0};
    for (size_t r = 0; r < g->rows; r++)
        for (size_t c = 0; c < g->cols; c++) {
            size_t cell = r * g->cols + c;
            if (!g->valid[first][cell])
                continue;
            float square = nearest(work, g->features[first] + cell * g->dim, second,
                                   (r + work->shift_rows[shift]) % g->rows, (c + work->shift_cols[shift]) % g->cols);
            if (isfinite(square)) {
                sum.distance += sqrt((double)square);
                sum.cells++;
            }
        }
    work->sums[task] = sum;
}

/* Draws a shift of at least a quarter of the grid in one direction. */
static void draw_shift(dp_random *random, const dp_grids *g, size_t *rows, size_t *cols)
{
    for (int i = 0; i < 1000; i++) {
        *rows = (size_t)dp_random_below(random, g->rows);
        *cols = (size_t)dp_random_below(random, g->cols);
        size_t up = *rows < g->rows - *rows ? *rows : g->rows - *rows,
               aside = *cols < g->cols - *cols ? *cols : g->cols - *cols;
        if (4 * up >= g->rows || 4 * aside >= g->cols)
            return;
    }
}

dp_status dp_place_ratio(const dp_grids *grids, uint64_t seed, dp_isa isa, dp_pool *pool, double *ratio, dp_error *err)
{
    const size_t n_pairs = grids->n * (grids->n ? grids->n - 1 : 0) / 2;
    struct work work = {.grids = grids, .kernels = dp_distance_kernels_get(isa)};
    *ratio = NAN;
    if (!n_pairs)
        return DP_OK;
    if (!(work.sums = dp_calloc_2d(n_pairs, 1 + SHIFTS, sizeof *work.sums)))
        return dp_fail_memory(err, "the distances of pictures", n_pairs * sizeof *work.sums);
    dp_random random = dp_random_at(seed, 0);
    for (size_t s = 1; s <= SHIFTS; s++)
        draw_shift(&random, grids, &work.shift_rows[s], &work.shift_cols[s]);
    dp_pool_run(pool, n_pairs * (1 + SHIFTS), compare, &work);
    struct sum same = {0}, shifted = {0};
    for (size_t pair = 0; pair < n_pairs; pair++) {
        const struct sum *of = work.sums + pair * (1 + SHIFTS);
        if (!(of[0].distance > 0))
            continue;
        same.distance += of[0].distance;
        same.cells += of[0].cells;
        for (size_t s = 1; s <= SHIFTS; s++) {
            shifted.distance += of[s].distance;
            shifted.cells += of[s].cells;
        }
    }
    dp_memory_free(work.sums);
    if (same.cells && shifted.cells && shifted.distance > 0)
        *ratio = same.distance / (double)same.cells / (shifted.distance / (double)shifted.cells);
    return DP_OK;
}

bool dp_pose_helps(double aligned, double raw)
{
    return aligned < HELPS * raw;
}

bool dp_pose_may_help(double roughly, double raw)
{
    return !(roughly >= MAY_HELP * raw); /* where P says nothing, too */
}

bool dp_pose_is_clear(double aligned, double raw)
{
    return aligned < CLEARLY * raw || aligned > raw;
}
