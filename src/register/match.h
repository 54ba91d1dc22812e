/* SPDX-License-Identifier: Apache-2.0 */
/* match.h - the steps of a match, which learning takes one by one. */
#ifndef DP_REGISTER_MATCH_H
#define DP_REGISTER_MATCH_H

#include "register/correlate.h"
#include "register/finder.h"

/* Fills guesses [templates->n], one for each angle, in pixels of the small picture.  one_zoom: the scale is 1. */
dp_status dp_coarse_guess(dp_finder *finder, const dp_basis *basis, const dp_templates *templates,
                          const dp_small *small, bool one_zoom, dp_match *guesses, dp_error *err);

/* From match->at in so many steps to a better one, with its score; margin becomes 0.  The best place seen counts. */
dp_status dp_refine(dp_finder *finder, const dp_reference *reference, const dp_small *small, size_t steps,
                    dp_match *match, dp_error *err);

#endif
