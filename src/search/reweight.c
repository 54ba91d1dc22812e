/* SPDX-License-Identifier: Apache-2.0 */
/* reweight.c - a large distance counts more if its nearest row is rare in the bank.
 *
 *     s = (1 - exp |x - m*| / sum over m in N(m*) of exp |x - m|) |x - m*|
 *
 * x is the picture's cell with the largest distance, m* its nearest row in the bank, N(m*) the 9 rows nearest to m*, m*
 * included, as in the public implementations (equation 7 of Roth et al. 2022). The fraction is a softmax: the largest
 * exponent is subtracted first. */
#include "search/reweight.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "search/elsewhere.h"
#include "search/global.h"

#include <math.h>

double dp_reweight_factor(const double *distances, size_t n)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = distances[i] > largest ? distances[i] : largest;
    for (size_t i = 0; i < n; i++)
        sum += exp(distances[i] - largest);
    return n ? 1 - exp(distances[0] - largest) / sum : 1;
}

/* Distances to rows of a bank. */
struct measure {
    const dp_rows *bank;
    dp_metric metric;
    dp_distance_kernels kernels;
    size_t n;          /* neighbours of a row, itself included */
    uint32_t *places;  /* [n] scratch: which rows, */
    float *rows;       /* [n, dim] and they as floats */
    double *distances; /* [n] scratch */
};

static double distance(const struct measure *by, const float *x, size_t i)
{
    const dp_rows *bank = by->bank;
    const bool cosine = by->metric == DP_METRIC_COSINE;
    const float *row = by->rows + i * bank->dim;
    float value = 0, norm_x = dp_norm_f32(x, bank->dim), norm_y = bank->norms[by->places[i]];
    (cosine ? by->kernels.dot : by->kernels.l2)(&x, 1, row, 1, bank->dim, &value, 1);
    value = dp_distance_of(by->metric, value, norm_x > 0 ? 1 / norm_x : 0, norm_y > 0 ? 1 / norm_y : 0);
    return cosine ? (double)value : sqrt((double)value);
}

/* Computes the factor of a cell x whose nearest row is `star`; found: the n rows nearest to that row. */
static dp_status factor_of(const struct measure *by, const float *x, uint32_t star, const dp_neighbour *found,
                           double *factor, dp_error *err)
{
    size_t m = 0;
    bool met = false; /* the row itself; an equal row may stand before it */
    by->places[m++] = star;
    for (size_t i = 0; i < by->n && found[i].row != DP_NO_ROW && m < by->n; i++) {
        if (found[i].row == star && !met)
            met = true;
        else
            by->places[m++] = found[i].row;
    }
    dp_status status = dp_rows_fetch(by->bank, by->places, m, by->rows, err);
    for (size_t i = 0; i < m && !status; i++)
        by->distances[i] = distance(by, x, i);
    *factor = dp_reweight_factor(by->distances, status ? 0 : m);
    return status;
}

/* Some cells and their nearest rows. */
struct stars {
    const float *features; /* [all cells, dim] */
    const size_t *cells;   /* [n] */
    const uint32_t *rows;  /* [n] */
    size_t n;
};

/* factors [stars->n] */
static dp_status find_factors(const dp_rows *bank, const struct stars *stars, const dp_search *search, size_t n,
                              dp_pool *pool, double *factors, dp_error *err)
{
    const size_t n_cells = stars->n;
    dp_search around = *search;
    around.window = DP_WINDOW_GLOBAL;
    around.knn = n;
    around.rows = n_cells;
    around.cols = 1;
    dp_isa isa;
    size_t count;
    struct measure by = {.bank = bank, .metric = search->metric, .n = n};
    dp_neighbour *found = dp_mul_size(n_cells, n, &count) ? dp_malloc(count, sizeof *found) : NULL;
    float *rows = dp_malloc_2d(n_cells, bank->dim, sizeof *rows), *mean = dp_malloc(n_cells, sizeof *mean);
    uint8_t *counts = dp_malloc(n_cells, 1);
    by.distances = dp_malloc(n, sizeof *by.distances);
    by.places = dp_malloc(n, sizeof *by.places);
    by.rows = dp_malloc_2d(n, bank->dim, sizeof *by.rows);
    dp_status status = found && rows && mean && counts && by.distances && by.places && by.rows
                           ? dp_isa_resolve(search->isa, &isa, err)
                           : dp_fail_memory(err, "the weight of a score", n_cells * n * sizeof *found);
    if (!status)
        status = dp_rows_fetch(bank, stars->rows, n_cells, rows, err);
    if (!status)
        status = dp_distance_map(bank, rows, NULL, &around, pool, &(dp_distances){found, mean, counts}, err);
    if (!status) {
        by.kernels = dp_distance_kernels_get(isa);
        for (size_t i = 0; i < n_cells && !status; i++)
            status = factor_of(&by, stars->features + stars->cells[i] * bank->dim, stars->rows[i], found + i * n,
                               &factors[i], err);
        for (size_t i = 0; i < n_cells && !status; i++)
            if (!isfinite(factors[i]))
                status = dp_fail(err, DP_E_NUMERIC,
                                 "the weight of a score is not finite: a distance in the bank is too large");
    }
    dp_memory_free(found);
    dp_memory_free(by.distances);
    dp_memory_free(by.places);
    dp_memory_free(by.rows);
    dp_memory_free(rows);
    dp_memory_free(mean);
    dp_memory_free(counts);
    return status;
}

dp_status dp_reweight(const dp_rows *bank, const dp_search *search, const dp_found *found, size_t n, dp_pool *pool,
                      double *factor, dp_error *err)
{
    size_t cells = found->cells, top = cells;
    for (size_t i = 0; i < cells; i++)
        if (found->valid[i] && (top == cells || found->grid[i] > found->grid[top]))
            top = i;
    *factor = 1;
    if (top == cells || found->nearest[top * search->knn].row == DP_NO_ROW || !n)
        return DP_OK;
    const struct stars stars = {
        .features = found->features, .cells = &top, .rows = &found->nearest[top * search->knn].row, .n = 1};
    return find_factors(bank, &stars, search, n, pool, factor, err);
}

dp_status dp_reweight_cells(const dp_rows *bank, const dp_search *search, const dp_found *found, size_t n,
                            dp_pool *pool, float **weights, dp_error *err)
{
    size_t cells = found->cells, m = 0, *which = dp_malloc(cells, sizeof *which);
    uint32_t *rows = dp_malloc(cells, sizeof *rows);
    double *factors = dp_malloc(cells, sizeof *factors);
    float *out = dp_malloc(cells, sizeof *out);
    dp_status status =
        which && rows && factors && out ? DP_OK : dp_fail_memory(err, "the weights of cells", cells * sizeof *factors);
    for (size_t i = 0; i < cells && !status; i++) {
        out[i] = 1;
        if (!found->valid[i] || found->nearest[i * search->knn].row == DP_NO_ROW)
            continue;
        which[m] = i;
        rows[m++] = found->nearest[i * search->knn].row;
    }
    const struct stars stars = {.features = found->features, .cells = which, .rows = rows, .n = m};
    if (!status && m && n)
        status = find_factors(bank, &stars, search, n, pool, factors, err);
    for (size_t i = 0; i < m && n && !status; i++)
        out[which[i]] = (float)factors[i];
    dp_memory_free(which);
    dp_memory_free(rows);
    dp_memory_free(factors);
    if (status)
        dp_memory_free(out);
    else
        *weights = out;
    return status;
}
