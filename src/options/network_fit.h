/* SPDX-License-Identifier: Apache-2.0 */
/* network_fit.h - a recipe for one network. */
#ifndef DP_OPTIONS_NETWORK_FIT_H
#define DP_OPTIONS_NETWORK_FIT_H

#include "options/layers.h"

/* Fits what is left of a preset to the network, checks what the recipe says of features, and turns its layers into plain
 * numbers. Errors: as dp_check_features; the recipe is untouched. */
dp_status dp_recipe_fit_network(dp_recipe *recipe, const dp_network_facts *network, dp_error *err);

#endif
