/* SPDX-License-Identifier: Apache-2.0 */
/* good_scorer.h - turns the distances of a bank's own pictures into scores, peaks and the heat scale, as for any other
 * picture. */
#ifndef DP_SCORE_GOOD_SCORER_H
#define DP_SCORE_GOOD_SCORER_H

#include "score/map_scorer.h"
#include "score/picture_map.h"

typedef struct dp_good_scorer {
    const dp_bank *pictures; /* the bank that the pictures belong to */
    dp_map_scorer scorer;
    dp_regions regions;
    uint8_t *inside; /* cells of a picture inside the regions */
    dp_good_maps maps;
    bool keeps_maps;
} dp_good_scorer;

/* Opens a scorer. narrower (may be NULL): a region that narrows the bank's. peaks [n_pictures] (may be NULL: no maps
 * are made) belongs to the caller and is filled with NaN first. Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
dp_status dp_good_scorer_open(const dp_bank *pictures, const dp_scoring *scoring, const dp_roi *narrower, double *peaks,
                              dp_pool *pool, dp_good_scorer *scorer, dp_error *err);
void dp_good_scorer_close(dp_good_scorer *scorer);

/* Scores picture p from grid, valid [rows, cols], which it masks and post-processes in place. *score is NaN if no part
 * of the picture is inspected. Errors: DP_E_MEMORY. */
dp_status dp_good_scorer_picture(dp_good_scorer *scorer, size_t p, float *grid, uint8_t *valid, double *score,
                                 dp_error *err);
/* Returns the scale of heat maps, after the last picture: see dp_bank_calibrate. */
dp_interval dp_good_scorer_heat(dp_good_scorer *scorer);

#endif
