/* SPDX-License-Identifier: Apache-2.0 */
/* elsewhere.h - rows of a bank that are in other processes, or in other files. */
#ifndef DP_SEARCH_ELSEWHERE_H
#define DP_SEARCH_ELSEWHERE_H

#include "search/distance.h"

/* Who has all rows of dp_rows whose own are a part of them. */
typedef struct dp_elsewhere {
    /* Offers all rows, those of dp_rows included: dp_distance_offer. Of search, sizes and isa are settled. */
    dp_status (*search)(void *user, const dp_rows *rows, const float *features, const uint8_t *valid,
                        const dp_search *search, dp_pool *pool, const dp_offers *into, dp_error *err);
    /* Reads rows places [n], counted over all cells, as floats: out [n, dim]. */
    dp_status (*fetch)(void *user, const dp_rows *rows, const uint32_t *places, size_t n, float *out, dp_error *err);
    void *user;
} dp_elsewhere;

/* Reads rows places [n], counted over all cells, as floats, wherever they are: out [n, dim]. Errors: those of fetch. */
static inline dp_status dp_rows_fetch(const dp_rows *rows, const uint32_t *places, size_t n, float *out, dp_error *err)
{
    if (rows->elsewhere)
        return rows->elsewhere->fetch(rows->elsewhere->user, rows, places, n, out, err);
    for (size_t i = 0; i < n; i++)
        dp_rows_widen(rows, places[i] / rows->n_rows, places[i] % rows->n_rows, 1, out + i * rows->dim);
    return DP_OK;
}

#endif
