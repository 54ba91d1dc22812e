/* SPDX-License-Identifier: Apache-2.0 */
/* shots.c - chooses the pictures that a bank is made from. */
#include "pipeline/shots.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

struct named {
    const char *name;
    size_t number;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

dp_status dp_fit_shots(size_t shots, size_t seed, const dp_source *source, size_t *numbers, size_t n, dp_error *err)
{
    struct named *sorted = dp_malloc(n, sizeof *sorted);
    if (!sorted)
        return dp_fail_memory(err, "the pictures", n * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct named){source->name(source->user, numbers[i]), numbers[i]};
    qsort(sorted, n, sizeof *sorted, by_name);
    if (seed) {
        dp_random random = dp_random_at(seed, 0);
        for (size_t i = 0; i < shots; i++) {
            size_t j = i + (size_t)dp_random_below(&random, n - i);
            struct named keep = sorted[i];
            sorted[i] = sorted[j];
            sorted[j] = keep;
        }
        qsort(sorted, shots, sizeof *sorted, by_name);
    }
    for (size_t i = 0; i < n; i++)
        numbers[i] = sorted[i].number;
    dp_memory_free(sorted);
    return DP_OK;
}
