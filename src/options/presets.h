/* SPDX-License-Identifier: Apache-2.0 */
/* presets.h - the settings of published methods. */
#ifndef DP_OPTIONS_PRESETS_H
#define DP_OPTIONS_PRESETS_H

#include "dinopatch/experimental.h"

/* An option and its text, for dp_recipe_set. */
typedef struct dp_setting {
    const char *key, *text;
} dp_setting;

typedef struct dp_preset {
    const dp_setting *settings[2]; /* set over the defaults in this order, each ends with a NULL key; NULL: no more */
    unsigned open;                 /* DP_PRESET_ bits of settings that depend on the network or the canvas */
} dp_preset;

/* Returns NULL for an unknown method. */
const dp_preset *dp_preset_of(dp_method method);

#endif
