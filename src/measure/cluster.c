/* cluster.c - groups of like features, for looking at what the transformer sees (the paper's Figure 5).
 *
 * k-means as in reduce/kmeans.c.  Clusters are numbered by falling size, of equal ones the one seen first, so that the same colours mean
 * the same from one picture to the next as far as they can. */
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "dinopatch.h"
#include "reduce/kmeans.h"

#include <math.h>
#include <stdlib.h>

struct cluster {
    size_t size, first; /* vectors in it; the first of them */
    uint32_t label;
};

static int larger_first(const void *a, const void *b)
{
    const struct cluster *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* labels [n] in 0..k-1 renumbered; clusters [k] and number [k] are workspace. */
static void renumber(uint32_t *labels, size_t n, size_t k, struct cluster *clusters, uint32_t *number)
{
    for (size_t c = 0; c < k; c++)
        clusters[c] = (struct cluster){.first = n, .label = (uint32_t)c};
    for (size_t i = n; i-- > 0;) {
        clusters[labels[i]].size++;
        clusters[labels[i]].first = i;
    }
    qsort(clusters, k, sizeof *clusters, larger_first);
    for (size_t c = 0; c < k; c++)
        number[clusters[c].label] = (uint32_t)c;
    for (size_t i = 0; i < n; i++)
        labels[i] = number[labels[i]];
}

dp_status dp_tokens_cluster(const float *tokens, size_t n, size_t dim, size_t k, uint64_t seed, uint32_t *labels, dp_error *err)
{
    size_t count;
    if (!n || !dim || !k || n >= UINT32_MAX || !dp_mul_size(n, dim, &count))
        return dp_fail(err, DP_E_ARGUMENT, "clusters: %zu of %zu tokens of %zu numbers", k, n, dim);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(tokens[i]))
            return dp_fail(err, DP_E_NUMERIC, "clusters: token %zu is not finite", i / dim);
    k = k < n ? k : n;
    dp_isa isa;
    dp_status status = dp_isa_resolve(DP_ISA_AUTO, &isa, err);
    if (status)
        return status;
    float *scratch = dp_malloc(dp_kmeans_scratch(n, k, dim), sizeof *scratch), *centres = NULL;
    if (dp_mul_size(k, dim, &count))
        centres = dp_malloc(count, sizeof *centres);
    struct cluster *clusters = dp_malloc(k, sizeof *clusters);
    uint32_t *number = dp_malloc(k, sizeof *number);
    if (scratch && centres && clusters && number) {
        dp_kmeans(tokens, n, dim, k, seed, dp_distance_kernels_get(isa).l2, scratch, centres, labels);
        renumber(labels, n, k, clusters, number);
    } else {
        status = dp_fail(err, DP_E_MEMORY, "clusters: not enough memory for %zu tokens", n);
    }
    dp_memory_free(scratch);
    dp_memory_free(centres);
    dp_memory_free(clusters);
    dp_memory_free(number);
    return status;
}
