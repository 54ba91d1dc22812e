/* SPDX-License-Identifier: Apache-2.0 */
/* match.h - the steps of a match, which learning takes one by one. */
#ifndef DP_REGISTER_MATCH_H
#define DP_REGISTER_MATCH_H

#include "register/correlate.h"
#include "register/finder.h"

#define DP_ZOOMS 3
extern const double dp_zooms[DP_ZOOMS]; /* the first is 1 */

/* A whole picture upright, as the network sees it in one zoom. */
typedef struct dp_coarse {
    dp_look look;
    dp_placement middle; /* of the picture */
    double zoom;
    float *grid; /* [look.rows, look.cols, dim] 0 outside the picture */
} dp_coarse;
/* coarse [n] of smalls [n], each to be freed; empty where it fails. */
dp_status dp_coarse_look(dp_finder *finder, const dp_basis *basis, const dp_small *const *smalls, size_t n, double zoom,
                         dp_coarse *coarse, dp_error *err);
void dp_coarse_free(dp_coarse *coarse);
/* guesses [templates->n], one for each angle, in pixels of the small picture, are replaced where the look fits better. */
dp_status dp_coarse_guess(dp_finder *finder, const dp_templates *templates, const dp_coarse *coarse, dp_match *guesses,
                          dp_error *err);

/* The match with the first of a reference's kinds; match->kind is not set. */
dp_status dp_kind_match(dp_finder *finder, const dp_reference *reference, const dp_small *small, dp_match *match,
                        dp_error *err);

/* From matches [n] in so many steps to better ones, each with its score; margin becomes 0.  The best place seen counts. */
dp_status dp_refine(dp_finder *finder, const dp_reference *reference, const dp_small *const *smalls, size_t n,
                    size_t steps, dp_match *const *matches, dp_error *err);

#endif
