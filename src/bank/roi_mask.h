/* SPDX-License-Identifier: Apache-2.0 */
/* roi_mask.h - the region to inspect: a mask drawn by a person. */
#ifndef DP_BANK_ROI_MASK_H
#define DP_BANK_ROI_MASK_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

struct dp_roi {
    dp_roi_frame frame; /* never DP_ROI_NONE */
    bool settled;       /* frame object: the mask is in the pixels of the bank's canvas, no longer in those of a
                         * picture */
    size_t height, width;
    uint8_t *mask;        /* [height, width] 0 or 1 */
    char *path, *picture; /* the file of the mask; frame object: the picture it was drawn on. NULL once they no longer
                           * matter */
};

/* Makes a region from a copy of mask [height, width]; NULL: one that is to be filled. Errors: DP_E_MEMORY. */
dp_status dp_roi_new(dp_roi_frame frame, bool settled, size_t height, size_t width, const uint8_t *mask, dp_roi **roi,
                     dp_error *err);
bool dp_roi_equal(const dp_roi *a, const dp_roi *b);

#endif
