/* SPDX-License-Identifier: Apache-2.0 */
/* suspects.c - finds good pictures that may not be good.
 *
 *     z_p = (s_p - dp_median(s)) / (1.4826 * median |s - dp_median(s)|)
 *
 * over the leave-one-out scores s. The few bad pictures hardly move median and MAD. The factor makes z that of a normal
 * distribution (Iglewicz and Hoaglin 1993, who call a value an outlier from about 3.5 on). */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/edit.h"

#include "bank/bank.h"
#include "base/statistics.h"

#include <math.h>
#include <stdlib.h>

struct suspect {
    double score;
    size_t picture;
};

/* Highest score first, pictures without a score last; equal ones in the bank's order. */
static int before(const void *a, const void *b)
{
    const struct suspect *x = a, *y = b;
    if (isnan(x->score) != isnan(y->score))
        return isnan(x->score) ? 1 : -1;
    if (x->score != y->score && !isnan(x->score))
        return x->score > y->score ? -1 : 1;
    return (x->picture > y->picture) - (x->picture < y->picture);
}

dp_status dp_bank_suspects(const dp_bank *bank, size_t *pictures, double *robust_z, dp_error *err)
{
    size_t n = bank->pictures.n, m = 0;
    double *values = dp_malloc(n, sizeof *values);
    struct suspect *list = dp_malloc(n, sizeof *list);
    if (!values || !list) {
        dp_memory_free(values);
        dp_memory_free(list);
        return dp_fail_memory(err, "the scores", n * sizeof *list);
    }
    for (size_t p = 0; p < n; p++) {
        list[p] = (struct suspect){bank->pictures.loo_scores[p], p};
        if (!isnan(bank->pictures.loo_scores[p]))
            values[m++] = bank->pictures.loo_scores[p];
    }
    double middle = dp_median(values, m);
    m = 0;
    for (size_t p = 0; p < n; p++)
        if (!isnan(bank->pictures.loo_scores[p]))
            values[m++] = fabs(bank->pictures.loo_scores[p] - middle);
    double spread = 1.4826 * dp_median(values, m);
    qsort(list, n, sizeof *list, before);
    for (size_t i = 0; i < n; i++) {
        double off = list[i].score - middle;
        pictures[i] = list[i].picture;
        robust_z[i] = spread > 0 ? off / spread : off > 0 ? INFINITY : off < 0 ? -INFINITY : off == 0 ? 0 : NAN;
    }
    dp_memory_free(values);
    dp_memory_free(list);
    return DP_OK;
}
