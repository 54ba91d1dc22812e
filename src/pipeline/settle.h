/* SPDX-License-Identifier: Apache-2.0 */
/* settle.h - from what was asked to the recipe of a bank: what the network and the good pictures decide. */
#ifndef DP_PIPELINE_SETTLE_H
#define DP_PIPELINE_SETTLE_H

#include "options/choices.h"
#include "pipeline/canvas.h"
#include "pipeline/trial.h"

typedef struct dp_settled {
    dp_recipe recipe;
    dp_choices choices;      /* of a recipe that leaves something open; else empty */
    dp_survey survey;        /* n 0: there was no need of one; with poses if the recipe aligns */
    dp_reference *reference; /* with align=features: the part */
    dp_trial trial;          /* features of some pictures by this recipe; n 0: none */
} dp_settled;

/* frame: of the region to inspect.  settled is closed by the caller.
 * Errors: DP_E_ARGUMENT (the recipe does not go with the network, the canvas is none), DP_E_MEMORY, DP_E_CANCELLED, those of the source. */
dp_status dp_settle(const dp_recipe *asked, dp_roi_frame frame, dp_session *session, const dp_pictures *pictures,
                    dp_settled *settled, dp_error *err);
void dp_settled_close(dp_settled *settled);

#endif
