/* SPDX-License-Identifier: Apache-2.0 */
/* twins.h - pictures with the same pixels, found by their digests (image/picture_digest.c). */
#ifndef DP_BANK_TWINS_H
#define DP_BANK_TWINS_H

#include "bank/bank.h"

/* A table from digests to indices: open addressing, at most half full. */
typedef struct dp_twin_table {
    const unsigned char **digests; /* [room] borrowed; NULL: empty */
    size_t *indices;               /* [room] */
    size_t room;
} dp_twin_table;

/* Opens a table with room for n digests; false: no memory. */
bool dp_twin_table_open(dp_twin_table *table, size_t n);
void dp_twin_table_close(dp_twin_table *table);
/* Returns the index under which this digest was put before. If it was not there, puts it under `index` and returns
 * SIZE_MAX. digest [32] is borrowed. */
size_t dp_twin_table_put(dp_twin_table *table, const unsigned char *digest, size_t index);
/* Looks a digest up without putting it. */
size_t dp_twin_table_find(const dp_twin_table *table, const unsigned char *digest);
/* Puts all pictures of a bank with known digests under their indices, with room for `more`; false: no memory. */
bool dp_twin_table_of_bank(dp_twin_table *table, const dp_bank *bank, size_t more);
/* Returns whether a bank knows the digests of all its pictures. */
bool dp_bank_knows_digests(const dp_bank *bank);
/* Logs that only names can show twins of this bank's pictures. */
void dp_report_unseen_twins(const dp_run *run, const dp_bank *bank);

#endif
