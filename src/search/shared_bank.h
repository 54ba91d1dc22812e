/* SPDX-License-Identifier: Apache-2.0 */
/* shared_bank.h - how ranks join the neighbours that they found; all else is dp_shared_bank of experimental.h. */
#ifndef DP_SEARCH_SHARED_BANK_H
#define DP_SEARCH_SHARED_BANK_H

#include "search/elsewhere.h"

/* A dp_join_fn: keeps of two lists of neighbours, each in the order of (distance, cell, row), the nearest. bytes: of a
 * list. */
void dp_join_nearest(void *into, const void *other, size_t n, size_t bytes);

#endif
