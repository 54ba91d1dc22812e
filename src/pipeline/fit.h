/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h - features of further pictures, for a bank that is there. */
#ifndef DP_PIPELINE_FIT_H
#define DP_PIPELINE_FIT_H

#include "dinopatch/experimental.h"

/* A finished bank of the pictures alone, neither scored nor calibrated: features by the known bank's recipe, turned by its reference of
 * the polarity; projected not yet, and where the known bank is, as floats.  Pictures that are in the known bank are left out; where all of them are *bank is untouched. */
dp_status dp_fit_more(dp_session *session, const dp_bank *known, const dp_fit_input *input, dp_bank **bank,
                      dp_fit_counts *report, dp_error *err);

#endif
