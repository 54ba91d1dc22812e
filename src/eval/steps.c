/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/steps.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

struct item {
    double score;
    unsigned bad;
};

static int larger_first(const void *a, const void *b)
{
    double x = ((const struct item *)a)->score, y = ((const struct item *)b)->score;
    return x > y ? -1 : x < y;
}

dp_status dp_steps_build(const double *scores, const uint8_t *labels, size_t n, dp_step **out, size_t *n_steps,
                         dp_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(scores[i]))
            return dp_fail(err, DP_E_NUMERIC, "score %zu of %zu is %f", i + 1, n, scores[i]);
    struct item *items = dp_malloc(n, sizeof *items);
    dp_step *steps = dp_malloc(n, sizeof *steps);
    if (!items || !steps) {
        dp_memory_free(items);
        dp_memory_free(steps);
        return dp_fail_memory(err, "the sorted scores", n * (sizeof *items + sizeof *steps));
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (struct item){scores[i], labels[i] != 0};
    qsort(items, n, sizeof *items, larger_first);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || items[i].score != items[i - 1].score)
            steps[m++] = (dp_step){.score = items[i].score};
        steps[m - 1].good += !items[i].bad;
        steps[m - 1].bad += items[i].bad;
    }
    dp_memory_free(items);
    *out = steps;
    *n_steps = m;
    return DP_OK;
}
