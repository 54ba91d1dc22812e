/* SPDX-License-Identifier: Apache-2.0 */
/* asked.h - what a caller asked for. */
#ifndef DP_OPTIONS_ASKED_H
#define DP_OPTIONS_ASKED_H

#include "dinopatch/experimental.h"

struct dp_options {
    dp_recipe asked; /* nothing settled */
};

/* Sets *asked to what options ask for; NULL: nothing. */
void dp_options_recipe(const dp_options *options, dp_recipe *asked);

#endif
