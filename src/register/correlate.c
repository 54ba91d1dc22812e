/* SPDX-License-Identifier: Apache-2.0 */
/* correlate.c - normalised correlation of templates with a grid of features, over all shifts.
 *
 * With R a template of weights w (0 or 1), f the grid, 0 outside, and s a shift that leaves the middle of the template inside the grid:
 *
 *     score(s) = sum_c w(c) R(c) . f(c + s) / sqrt( sum_c w(c) |R(c)|^2   sum_c w(c) |f(c + s)|^2 )
 *
 * All of R counts below the line, and only what the grid has of f: a part that runs out of the picture matches as well as what is seen
 * of it allows.  Inner products of all cells with all cells come from one matrix product for each template; sums are in the order of the
 * template's cells.  Between cells the maximum is that of a parabola through the best shift and its neighbours. */
#include "register/correlate.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

struct work {
    const dp_templates *templates;
    const float *grid;
    size_t rows, cols;
    const float *energy; /* [rows, cols] */
    float *products;     /* [workers, side * side, rows * cols] */
    float *sums;         /* [workers, 2, rows, cols] by the place of the template's middle */
    dp_fit_place *best;
    _Atomic int failed;
};

/* sums [rows, cols] += values [rows, cols] moved so that template cell (r, c) comes to the template's middle. */
static void add_moved(const struct work *work, const float *restrict values, size_t r, size_t c, float *restrict sums)
{
    const ptrdiff_t rows = (ptrdiff_t)work->rows, cols = (ptrdiff_t)work->cols,
                    middle = (ptrdiff_t)work->templates->side / 2, down = middle - (ptrdiff_t)r,
                    right = middle - (ptrdiff_t)c;
    const ptrdiff_t first = right < 0 ? -right : 0, end = right > 0 ? cols - right : cols;
    for (ptrdiff_t y = down < 0 ? -down : 0; y < rows && y + down < rows; y++) {
        const float *from = values + y * cols;
        float *to = sums + (y + down) * cols + right;
        for (ptrdiff_t x = first; x < end; x++)
            to[x] += from[x];
    }
}

/* Where the parabola through three values has its maximum, about the middle one. */
static double peak(double before, double at, double after)
{
    double bend = before - 2 * at + after;
    return bend < 0 ? fmax(-0.5, fmin(0.5, (before - after) / (2 * bend))) : 0;
}

static void correlate_one(void *context, size_t index, size_t worker)
{
    struct work *work = context;
    const dp_templates *t = work->templates;
    const size_t cells = work->rows * work->cols, side = t->side, n = side * side;
    const float *features = t->features + index * n * t->dim, *weight = t->weight + index * n;
    float *products = work->products + worker * n * cells, *dots = work->sums + worker * 2 * cells,
          *energies = dots + cells;
    const dnnl_dim_t dim = (dnnl_dim_t)t->dim;
    if (dnnl_sgemm('N', 'T', (dnnl_dim_t)n, (dnnl_dim_t)cells, dim, 1, features, dim, work->grid, dim, 0, products,
                   (dnnl_dim_t)cells)
        != dnnl_success) {
        work->failed = 1;
        return;
    }
    double norm = 0;
    memset(dots, 0, 2 * cells * sizeof *dots);
    for (size_t at = 0; at < n; at++) {
        if (weight[at] == 0)
            continue;
        for (size_t d = 0; d < t->dim; d++)
            norm += (double)features[at * t->dim + d] * (double)features[at * t->dim + d];
        add_moved(work, products + at * cells, at / side, at % side, dots);
        add_moved(work, work->energy, at / side, at % side, energies);
    }
    size_t best = 0;
    for (size_t i = 0; i < cells; i++) {
        double below = sqrt(norm * (double)energies[i]);
        dots[i] = below > 0 ? (float)((double)dots[i] / below) : 0;
        best = dots[i] > dots[best] ? i : best;
    }
    const size_t row = best / work->cols, col = best % work->cols;
    const double shift = side % 2 ? 0 : 0.5; /* the middle of an even template lies between cells */
    dp_fit_place place = {(double)row - shift, (double)col - shift, (double)dots[best]};
    if (row && row + 1 < work->rows)
        place.row += peak((double)dots[best - work->cols], place.score, (double)dots[best + work->cols]);
    if (col && col + 1 < work->cols)
        place.col += peak((double)dots[best - 1], place.score, (double)dots[best + 1]);
    work->best[index] = place;
}

dp_status dp_correlate(const dp_templates *templates, const float *grid, size_t rows, size_t cols, dp_pool *pool,
                       dp_fit_place *best, dp_error *err)
{
    const size_t n = templates->side * templates->side, workers = dp_pool_threads(pool);
    float *energy = dp_calloc_2d(rows, cols, sizeof *energy);
    struct work work = {.templates = templates,
                        .grid = grid,
                        .rows = rows,
                        .cols = cols,
                        .energy = energy,
                        .products = dp_malloc_2d(workers * n /* checked: a few threads */, rows * cols, sizeof(float)),
                        .sums = dp_malloc_2d(workers * 2 /* checked: a few threads */, rows * cols, sizeof(float)),
                        .best = best};
    bool good = energy && work.products && work.sums;
    for (size_t i = 0; good && i < rows * cols; i++)
        for (size_t d = 0; d < templates->dim; d++)
            energy[i] += grid[i * templates->dim + d] * grid[i * templates->dim + d];
    if (good)
        dp_pool_run(pool, templates->n, correlate_one, &work);
    dp_memory_free(energy);
    dp_memory_free(work.products);
    dp_memory_free(work.sums);
    return good && !work.failed ? DP_OK : dp_fail_memory(err, "the correlation of pictures", n * rows * cols);
}
