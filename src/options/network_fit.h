/* SPDX-License-Identifier: Apache-2.0 */
/* network_fit.h - adapts a recipe to a network. */
#ifndef DP_OPTIONS_NETWORK_FIT_H
#define DP_OPTIONS_NETWORK_FIT_H

#include "options/layers.h"

/* Adapts preset values to the network, checks the options of features, and turns the layers into plain numbers. Errors:
 * as dp_check_features; the recipe is then untouched. */
dp_status dp_recipe_fit_network(dp_recipe *recipe, const dp_network_facts *network, dp_error *err);

#endif
