/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h - features of further pictures for a known bank. */
#ifndef DP_PIPELINE_FIT_H
#define DP_PIPELINE_FIT_H

#include "dinopatch/experimental.h"

/* Makes a finished bank of the new pictures alone, neither scored nor calibrated. It has features by the known bank's
 * recipe, turned by its polarity reference, as floats and not projected if the known bank is. Pictures that are in the known
 * bank are left out; if all are, *bank is untouched. */
dp_status dp_fit_more(dp_session *session, const dp_bank *known, const dp_fit_input *input, dp_bank **bank,
                      dp_fit_counts *report, dp_error *err);

#endif
