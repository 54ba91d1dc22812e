/* SPDX-License-Identifier: Apache-2.0 */
/* global.c - searches the whole bank: a matrix product finds the few pairs that may matter, and only their exact
 * distance is computed.
 *
 * The distance of distance.h, D = fl(sum (x_d - y_d)^2), costs one subtraction per term more than the product x.y and
 * cannot use its fast loops. |x - y|^2 = |x|^2 + |y|^2 - 2 x.y is fast, but cancels when x and y are close, which is
 * the important case. So the product is only a filter. Let D be the k-th smallest distance that a query has found so
 * far. A row can enter only if its distance is below D, so only if
 *
 *     x.y - |y|^2 / 2  >  (|x|^2 - D (1 + g)) / 2,              g = gamma(dim) of the exact kernel's sum of positive
 *              terms.
 *
 * The filter computes the left side with an error of at most E = gamma(dim) (|x| Y + Y^2 / 2), where Y is the largest
 * norm searched, and passes every row whose value is not below the right side minus E. The kernels of distance.h
 * compute the distance of each passed row at once, so that D shrinks for the next rows. For the cosine in the same way:
 *
 *     x.y / |y|  >  |x| (1 - D),   both sides divided by |x|: error 2 gamma(dim) and some roundings.
 *
 * gamma(m) = m u / (1 - m u), u = 2^-24, bounds the relative error of a sum of m products in any order (Higham,
 * Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). The result equals that of an exact comparison of
 * every pair, whatever the order of the work. If the filter passes everything (all rows equal), only time is lost.
 *
 * Order of the work. A task is a group of panels of queries (sweep_kernel.h) and a range of rows; both depend only on
 * the sizes of the problem. BLOCK_BYTES of rows stay in the second-level cache while all panels of the group use them.
 * The rows are split into ranges so that many processors have work; the results of the ranges are merged in the bank's
 * order. */
#include "search/global.h"
#include "base/error.h"
#include "base/memory.h"
#include "search/sweep_kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define GROUP_QUERIES 192               /* queries of a task */
#define BLOCK_BYTES ((size_t)192 << 10) /* bytes of rows as floats */
#define MIN_RANGE_ROWS ((size_t)8192)   /* each range begins without a limit; in a range this long that costs little */
#define ENOUGH_TASKS 64                 /* no more ranges than give so many tasks */

struct search {
    const dp_rows *bank;
    const dp_query *queries;
    size_t n, knn;
    dp_metric metric;
    dp_sweep_kernel sweep;
    dp_distance_kernels kernels;
    dp_tile_f32_fn exact;
    size_t panels, group_panels, ranges, range_rows, block_rows, first, rows; /* rows first .. first + rows - 1 */
    float *packed;                                                            /* [panels, dim, width] */
    double *squares;                                                          /* [n] |x|^2 */
    dp_neighbour *found;  /* [ranges, n, knn]; NULL with one range, which writes to the queries */
    const uint8_t *among; /* [n_pictures] of all queries, or NULL: they differ */
    float *wide;          /* [threads, block_rows, dim] if the bank's rows are not floats */
    atomic_bool *not_finite;
};

/* -------------------------------------------------------------------------------------------------------- queries */

static void pack_task(void *context, size_t panel, size_t worker)
{
    const struct search *s = context;
    size_t width = s->sweep.width, dim = s->bank->dim;
    float *out = s->packed + panel * dim * width;
    (void)worker;
    for (size_t q = 0; q < width; q++) {
        size_t query = panel * width + q;
        if (query >= s->n) {
            for (size_t d = 0; d < dim; d++)
                out[d * width + q] = 0;
            continue;
        }
        const float *x = s->queries[query].x;
        double sum = 0;
        for (size_t d = 0; d < dim; d++) {
            out[d * width + q] = x[d];
            sum += (double)x[d] * x[d];
        }
        s->squares[query] = sum;
    }
}

/* ----------------------------------------------------------------------------------------------------- the filter */

/* Largest and smallest norm of a range's rows. Zero vectors do not count for the smallest. */
struct norms {
    double largest, smallest;
};

static float down(double x)
{
    float f = (float)x;
    return f > x ? nextafterf(f, -INFINITY) : f;
}

/* Returns the value below which no row can enter the neighbours of a query, whose last one has the distance `worst`. */
static float limit(const struct search *s, size_t query, double worst, struct norms norms)
{
    double m = (double)s->bank->dim + 16, gamma = m * 0x1p-24 / (1 - m * 0x1p-24);
    double xx = s->squares[query], x = sqrt(xx), tiny = m * FLT_MIN; /* allows for products below the smallest float */
    if (worst == 0)
        return INFINITY; /* no row can be nearer */
    if (!(worst < INFINITY) || !(m < 0x1p20) || !(x * norms.largest < 0x1p125)
        || !(norms.largest * norms.largest < 0x1p125))
        return -INFINITY;
    if (s->metric != DP_METRIC_COSINE)
        return down((xx - worst * (1 + gamma)) / 2 - gamma * (x * norms.largest + norms.largest * norms.largest / 2)
                    - tiny);
    if (!(s->queries[query].inverse_norm > 0))
        return -INFINITY;
    return down(x * (1 - worst - 2 * gamma) - 2 * tiny * (1 + 1 / norms.smallest));
}

/* What a task keeps from block to block. */
struct lanes {
    float limits[GROUP_QUERIES + DP_SWEEP_MAX_WIDTH];
    struct norms norms;
    dp_neighbour *found; /* [n, knn] of the task's range, or NULL */
};

static dp_neighbour *nearest_of(const struct search *s, const struct lanes *lanes, size_t query)
{
    return lanes->found ? lanes->found + query * s->knn : s->queries[query].nearest;
}

/* Handles a pair that passed the filter. stored: the row as floats. */
static void look(const struct search *s, struct lanes *lanes, size_t query, float *limit_of, size_t place,
                 const float *stored)
{
    const dp_rows *bank = s->bank;
    const dp_query *q = &s->queries[query];
    size_t cell = place / bank->n_rows, row = place % bank->n_rows;
    if (!bank->valid[place] || (q->among && !q->among[dp_rows_picture(bank, cell, row)])
        || (q->leave_out != DP_NO_PICTURE && dp_rows_picture(bank, cell, row) == q->leave_out))
        return;
    float value;
    s->exact(&q->x, 1, stored, 1, bank->dim, &value, 1);
    float distance =
        dp_distance_of(s->metric, value, q->inverse_norm, bank->norms[place] > 0 ? 1 / bank->norms[place] : 0);
    dp_neighbour *nearest = nearest_of(s, lanes, query);
    if (!(distance < INFINITY)) {
        atomic_store_explicit(s->not_finite, true, memory_order_relaxed);
        return;
    }
    if (distance >= nearest[s->knn - 1].distance)
        return;
    dp_neighbour_insert(nearest, s->knn, (dp_neighbour){distance, (uint32_t)cell, (uint32_t)row});
    *limit_of = limit(s, query, nearest[s->knn - 1].distance, lanes->norms);
}

/* Compares one panel with a block of rows, begin .. begin+n-1 counted over all cells. */
static void panel_block(const struct search *s, struct lanes *lanes, size_t first_panel, size_t panel,
                        const float *stored, size_t begin, size_t n, const float *scale, const float *bias)
{
    size_t width = s->sweep.width, dim = s->bank->dim, group = s->sweep.rows;
    float *limits = lanes->limits + (panel - first_panel) * width;
    for (size_t r = 0; r < n; r += group) {
        const float *rows[DP_SWEEP_MAX_ROWS];
        uint64_t hits[DP_SWEEP_MAX_ROWS];
        for (size_t i = 0; i < group; i++) /* pads with the last row and a bias that lets nothing pass */
            rows[i] = stored + (r + i < n ? r + i : n - 1) * dim;
        if (!s->sweep.f32(s->packed + panel * dim * width, rows, dim, scale + r, bias + r, limits, hits))
            continue;
        for (size_t i = 0; i < group && r + i < n; i++)
            for (; hits[i]; hits[i] &= hits[i] - 1) {
                size_t lane = (size_t)__builtin_ctzll(hits[i]);
                if (panel * width + lane < s->n)
                    look(s, lanes, panel * width + lane, &limits[lane], begin + r + i, rows[i]);
            }
    }
}

static struct norms norms_of(const dp_rows *bank, size_t begin, size_t end)
{
    struct norms norms = {0, INFINITY};
    for (size_t i = begin; i < end; i++) {
        double norm = bank->norms[i];
        if (!bank->valid[i] || norm == 0)
            continue;
        norms.largest = norm <= norms.largest ? norms.largest : norm; /* NaN stays NaN */
        norms.smallest = norm < norms.smallest ? norm : norms.smallest;
    }
    return norms;
}

static void sweep_task(void *context, size_t index, size_t worker)
{
    const struct search *s = context;
    const dp_rows *bank = s->bank;
    size_t range = index % s->ranges, first = index / s->ranges * s->group_panels, width = s->sweep.width;
    size_t last = first + s->group_panels < s->panels ? first + s->group_panels : s->panels;
    size_t begin = range * s->range_rows, end = begin + s->range_rows < s->rows ? begin + s->range_rows : s->rows;
    begin += s->first;
    end += s->first;
    struct lanes lanes = {.norms = norms_of(bank, begin, end),
                          .found = s->found ? s->found + range * s->n * s->knn : NULL};
    for (size_t i = 0; i < (last - first) * width; i++) {
        size_t query = first * width + i;
        lanes.limits[i] = INFINITY;
        if (query < s->n)
            lanes.limits[i] = limit(s, query, nearest_of(s, &lanes, query)[s->knn - 1].distance, lanes.norms);
    }
    float scale[512 + DP_SWEEP_MAX_ROWS], bias[512 + DP_SWEEP_MAX_ROWS];
    for (; begin < end; begin += s->block_rows) {
        size_t n = end - begin < s->block_rows ? end - begin : s->block_rows, valid = 0;
        for (size_t r = 0; r < n + DP_SWEEP_MAX_ROWS; r++) {
            bool used = r < n && bank->valid[begin + r];
            if (used && s->among)
                used = s->among[dp_rows_picture(bank, (begin + r) / bank->n_rows, (begin + r) % bank->n_rows)];
            double norm = used ? bank->norms[begin + r] : 0;
            scale[r] = !used ? 0 : s->metric != DP_METRIC_COSINE ? 1 : norm > 0 ? 1 / bank->norms[begin + r] : 0;
            bias[r] = !used ? -INFINITY : s->metric != DP_METRIC_COSINE ? (float)(-norm * norm / 2) : 0;
            valid += used;
        }
        if (!valid)
            continue;
        const float *stored = dp_rows_stored(bank, 0, begin);
        if (s->wide) {
            float *wide = s->wide + worker * s->block_rows * bank->dim;
            dp_kernels_widen(&s->kernels, bank, begin, n, wide);
            stored = wide;
        }
        for (size_t panel = first; panel < last; panel++)
            panel_block(s, &lanes, first, panel, stored, begin, n, scale, bias);
    }
}

/* ------------------------------------------------------------------------------------------------------ all of it */

static void merge(const struct search *s)
{
    for (size_t query = 0; query < s->n; query++) {
        dp_neighbour *nearest = s->queries[query].nearest;
        for (size_t range = 0; range < s->ranges; range++) {
            const dp_neighbour *found = s->found + (range * s->n + query) * s->knn;
            for (size_t k = 0; k < s->knn && found[k].distance < nearest[s->knn - 1].distance; k++)
                dp_neighbour_insert(nearest, s->knn, found[k]);
        }
    }
}

dp_status dp_search_global(const dp_rows *bank, const dp_search *search, const dp_query *queries, size_t n,
                           dp_pool *pool, atomic_bool *not_finite, dp_error *err)
{
    const size_t knn = search->knn;
    struct search s = {
        .bank = bank, .queries = queries, .n = n, .knn = knn, .metric = search->metric, .not_finite = not_finite};
    s.among = n ? queries[0].among : NULL;
    for (size_t q = 1; q < n && s.among; q++)
        s.among = queries[q].among == s.among ? s.among : NULL;
    s.kernels = dp_distance_kernels_get(search->isa);
    size_t floats = 0, wide = 0, count = 0, threads = dp_pool_threads(pool);
    s.sweep = dp_sweep_kernel_get(search->isa);
    s.exact = s.metric == DP_METRIC_COSINE ? s.kernels.dot : s.kernels.l2;
    s.first = dp_rows_begin(bank);
    s.rows = dp_rows_end(bank) - s.first;
    if (n == 0 || s.rows == 0)
        return DP_OK;
    s.panels = (n + s.sweep.width - 1) / s.sweep.width;
    s.group_panels = GROUP_QUERIES / s.sweep.width;
    size_t groups = (s.panels + s.group_panels - 1) / s.group_panels,
           longest = (s.rows + MIN_RANGE_ROWS - 1) / MIN_RANGE_ROWS;
    s.block_rows = BLOCK_BYTES / (bank->dim * sizeof(float)) / s.sweep.rows * s.sweep.rows;
    s.block_rows = s.block_rows < s.sweep.rows ? s.sweep.rows
                   : s.block_rows > 512        ? 512 / s.sweep.rows * s.sweep.rows
                                               : s.block_rows;
    s.ranges = (ENOUGH_TASKS + groups - 1) / groups;
    s.ranges = s.ranges < longest ? s.ranges : longest;
    s.range_rows = (s.rows + s.ranges - 1) / s.ranges;
    s.ranges = (s.rows + s.range_rows - 1) / s.range_rows;

    bool fits = dp_mul_size(s.panels * s.sweep.width, bank->dim, &floats) && dp_mul_size(s.ranges * n, knn, &count)
                && dp_mul_size(threads * s.block_rows, bank->dim, &wide);
    s.packed = fits ? dp_malloc(floats, sizeof *s.packed) : NULL;
    s.squares = dp_malloc(n, sizeof *s.squares);
    s.found = fits && s.ranges > 1 ? dp_malloc(count, sizeof *s.found) : NULL;
    s.wide = fits && !dp_rows_are_plain(bank) ? dp_malloc(wide, sizeof *s.wide) : NULL;
    dp_status status = DP_OK;
    if (!s.packed || !s.squares || (!s.found && s.ranges > 1) || (!s.wide && !dp_rows_are_plain(bank))) {
        status = dp_fail_memory(err, "the search of the whole bank", n * bank->dim * sizeof(float));
    } else {
        for (size_t i = 0; s.found && i < count; i++)
            s.found[i] = (dp_neighbour){INFINITY, DP_NO_ROW, DP_NO_ROW};
        dp_pool_run(pool, s.panels, pack_task, &s);
        dp_pool_run(pool, groups * s.ranges, sweep_task, &s);
        if (s.found)
            merge(&s);
    }
    dp_memory_free(s.packed);
    dp_memory_free(s.squares);
    dp_memory_free(s.found);
    dp_memory_free(s.wide);
    return status;
}
