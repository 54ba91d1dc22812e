/* reweight.c - a large distance counts for more where the nearest row is a rare one.
 *
 *     s = (1 - exp |x - m*| / sum over m in N(m*) of exp |x - m|) |x - m*|
 *
 * x is the picture's cell with the largest distance, m* its nearest row in the bank, N(m*) the 9 rows nearest to m*, m* among them, as in the
 * public implementations (equation 7 of Roth et al. 2022).  The fraction is a softmax: the largest exponent is taken off first. */
#include "run/reweight.h"
#include "bank/global.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"

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

/* Of x to a row of the bank, widened into y. */
static double distance(const dp_bank *bank, const float *x, uint32_t row, dp_metric metric, const dp_distance_kernels *kernels, float *y)
{
    float value = 0, norm_x = dp_norm_f32(x, bank->dim), norm_y = bank->norms[row];
    dp_bank_widen(bank, 0, row, 1, y);
    (metric == DP_METRIC_COSINE ? kernels->dot : kernels->l2)(&x, 1, y, 1, bank->dim, &value, 1);
    value = dp_distance_of(metric, value, norm_x > 0 ? 1 / norm_x : 0, norm_y > 0 ? 1 / norm_y : 0);
    return metric == DP_METRIC_COSINE ? (double)value : sqrt((double)value);
}

dp_status dp_reweight(const dp_bank *bank, const float *features, const dp_neighbour *nearest, const float *grid, const uint8_t *valid,
                      size_t cells, const dp_search *search, size_t n, dp_pool *pool, double *factor, dp_error *err)
{
    size_t top = cells;
    for (size_t i = 0; i < cells; i++)
        if (valid[i] && (top == cells || grid[i] > grid[top]))
            top = i;
    *factor = 1;
    if (top == cells || nearest[top * search->knn].row == DP_NO_ROW || !n)
        return DP_OK;
    dp_search around = *search;
    around.window = DP_WINDOW_GLOBAL;
    around.knn = n;
    around.rows = around.cols = 1;
    dp_isa isa;
    dp_neighbour *found = dp_malloc(n, sizeof *found);
    double *distances = dp_malloc(n, sizeof *distances);
    float *rows = dp_malloc(bank->dim, 2 * sizeof *rows), mean;
    uint8_t counts;
    uint32_t star = nearest[top * search->knn].row;
    dp_status status = found && distances && rows ? dp_isa_resolve(search->isa, &isa, err) : dp_fail_memory(err, "the weight of a score", 0);
    if (!status) {
        dp_bank_widen(bank, 0, star, 1, rows);
        status = dp_distance_map(bank, rows, NULL, &around, pool, found, &mean, &counts, err);
    }
    if (!status) {
        const dp_distance_kernels kernels = dp_distance_kernels_get(isa);
        const float *x = features + top * bank->dim;
        size_t m = 0;
        distances[m++] = distance(bank, x, star, search->metric, &kernels, rows + bank->dim);
        bool met = false; /* the row itself, which a copy may have pushed from the first place */
        for (size_t i = 0; i < n && found[i].row != DP_NO_ROW && m < n; i++) {
            if (found[i].row == star && !met)
                met = true;
            else
                distances[m++] = distance(bank, x, found[i].row, search->metric, &kernels, rows + bank->dim);
        }
        *factor = dp_reweight_factor(distances, m);
        if (!isfinite(*factor))
            status = dp_fail(err, DP_E_NUMERIC, "the weight of a score is not finite: a distance in the bank is too large");
    }
    dp_memory_free(found);
    dp_memory_free(distances);
    dp_memory_free(rows);
    return status;
}
