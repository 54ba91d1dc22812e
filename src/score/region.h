/* SPDX-License-Identifier: Apache-2.0 */
/* region.h - finds the cells and pixels of a picture inside the region to inspect. */
#ifndef DP_SCORE_REGION_H
#define DP_SCORE_REGION_H

#include "bank/bank.h"
#include "bank/roi_mask.h"

/* The bank's region, and that of a view, which narrows it. Either may be NULL. */
typedef struct dp_regions {
    const dp_roi *own; /* the region of the bank */
    dp_roi *narrower;
} dp_regions;

/* Settles `given` for the pictures of a bank with this recipe: a region that follows the part is carried into the
 * bank's canvas by the pose of the picture it was drawn on. given NULL: *settled is NULL. The caller closes *settled,
 * on failure too. Errors: DP_E_ARGUMENT (no such picture, a picture that is not aligned, a mask of another size, no
 * marked pixel on the canvas), DP_E_MEMORY. */
dp_status dp_region_make(const dp_roi *given, const dp_recipe *recipe, const dp_bank_pictures *pictures,
                         dp_roi **settled, dp_error *err);

/* narrower (may be NULL): the region of the view. The bank must outlive the regions. Call dp_regions_close on failure
 * too. */
dp_status dp_regions_open(const dp_bank *bank, const dp_roi *narrower, dp_regions *regions, dp_error *err);
void dp_regions_close(dp_regions *regions);
static inline bool dp_regions_any(const dp_regions *regions)
{
    return regions->own || regions->narrower;
}

/* Sets cells [frame->rows, frame->cols] to 0 where less than half of the cell is marked. path: the picture, for messages.
 * Errors: DP_E_PICTURE (the picture does not have the size of a fixed mask, or the part was not found). */
dp_status dp_regions_cells(const dp_regions *regions, const dp_frame *frame, const char *path, uint8_t *cells,
                           dp_error *err);
/* Sets pixels [picture height, picture width] of the pose to 0 where the mask is not marked. Call it after
 * dp_regions_cells for the same picture. */
void dp_regions_pixels(const dp_regions *regions, const dp_recipe *recipe, const dp_pose *pose, int polarity,
                       uint8_t *pixels);

/* Returns DP_E_PICTURE if a fixed mask does not have the size of the picture; roi may be NULL. */
dp_status dp_region_fits(const dp_roi *roi, size_t height_px, size_t width_px, const char *path, dp_error *err);

#endif
