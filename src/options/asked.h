/* SPDX-License-Identifier: Apache-2.0 */
/* asked.h - the options that a caller set. */
#ifndef DP_OPTIONS_ASKED_H
#define DP_OPTIONS_ASKED_H

#include "dinopatch/experimental.h"

struct dp_options {
    dp_recipe asked; /* nothing settled */
};

/* Sets *asked to the recipe that options ask for; NULL: the defaults. */
void dp_options_recipe(const dp_options *options, dp_recipe *asked);

#endif
