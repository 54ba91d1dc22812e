/* SPDX-License-Identifier: Apache-2.0 */
/* connected.h - finds connected groups in a mask and numbers them in a fixed order. */
#ifndef DP_SCORE_CONNECTED_H
#define DP_SCORE_CONNECTED_H

#include "dinopatch/experimental.h"

typedef enum dp_connectivity {
    DP_CONNECT_4 = 4, /* sides */
    DP_CONNECT_8 = 8  /* sides and corners */
} dp_connectivity;

/* Returns the number of entries that dp_components_label needs in scratch. At most one new group begins at every
 * other element of every other row (8), or at every other element (4). Entry 0 is the background. */
static inline size_t dp_components_scratch(size_t rows, size_t cols)
{
    return rows * ((cols + 1) / 2) + 1;
}

/* Labels the groups of non-zero elements of mask [rows, cols]: labels [rows, cols] gets 0 for the background and 1,
 * 2, ... for the groups in the order in which a row-by-row scan meets them. Returns the number of groups. scratch
 * [dp_components_scratch(rows, cols)]. rows * cols must be below 2^32. */
size_t dp_components_label(const uint8_t *mask, size_t rows, size_t cols, dp_connectivity connectivity,
                           uint32_t *labels, uint32_t *scratch);

#endif
