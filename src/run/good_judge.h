/* good_judge.h - from the distances of a bank's own pictures to their scores, peaks and heat scale, as of any other
 * picture. */
#ifndef DP_RUN_GOOD_JUDGE_H
#define DP_RUN_GOOD_JUDGE_H

#include "run/judge.h"
#include "run/show.h"

typedef struct dp_good_judge {
    const dp_bank *pictures; /* the bank whose pictures they are */
    dp_judge judge;
    dp_regions regions;
    uint8_t *inside; /* cells of a picture that are in the regions */
    dp_good_maps maps;
    bool keeps_maps;
} dp_good_judge;

/* narrower (may be NULL): a region that narrows the bank's.  peaks [n_pictures] (may be NULL: no maps are made), the
 * caller's, all of them NaN at first.  Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
dp_status dp_good_judge_open(const dp_bank *pictures, const dp_scoring *scoring, const dp_roi *narrower, double *peaks,
                             dp_pool *pool, dp_good_judge *judge, dp_error *err);
void dp_good_judge_close(dp_good_judge *judge);

/* grid, valid [rows, cols] of picture p, which are masked and post-processed here; *score NaN where nothing of it is
 * inspected.
 * Errors: DP_E_MEMORY. */
dp_status dp_good_judge_picture(dp_good_judge *judge, size_t p, float *grid, uint8_t *valid, double *score,
                                dp_error *err);
/* Scale for heat maps, after the last picture: see dp_bank_calibrate. */
dp_interval dp_good_judge_heat(dp_good_judge *judge);

#endif
