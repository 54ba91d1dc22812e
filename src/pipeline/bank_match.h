/* SPDX-License-Identifier: Apache-2.0 */
/* bank_match.h - checks that a bank fits a session. */
#ifndef DP_PIPELINE_BANK_MATCH_H
#define DP_PIPELINE_BANK_MATCH_H

#include "dinopatch/experimental.h"

/* Checks the bank. Errors: DP_E_MISMATCH (the bank was made with another checkpoint or precision than the session's),
 * DP_E_ARGUMENT (its recipe does not suit the network, or its canvas has more cells than the run allows), DP_E_MEMORY. */
dp_status dp_session_fits_bank(const dp_session *session, const dp_bank *bank, dp_error *err);

#endif
