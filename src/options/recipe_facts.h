/* SPDX-License-Identifier: Apache-2.0 */
/* recipe_facts.h - what a recipe says, where a field alone does not. */
#ifndef DP_OPTIONS_RECIPE_FACTS_H
#define DP_OPTIONS_RECIPE_FACTS_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* Returns whether the background of the pictures that are inspected is masked. */
static inline bool dp_masks_inspected(const dp_recipe *recipe)
{
    return recipe->background == DP_BACKGROUND_TEST || recipe->background == DP_BACKGROUND_BOTH;
}

/* Returns whether the layers are normalised by what the good cells show. */
static inline bool dp_measures_layers(const dp_recipe *recipe)
{
    return recipe->layer_norm == DP_LAYER_NORM_RMS || recipe->layer_norm == DP_LAYER_NORM_STANDARD;
}

/* Returns whether each picture has a canvas of its own size. */
static inline bool dp_own_canvas(const dp_recipe *recipe)
{
    return recipe->edge_px > 0 && !recipe->crop_px;
}

/* Returns whether the bank of a fit holds less than all features of its pictures. */
static inline bool dp_shrinks_bank(const dp_recipe *recipe)
{
    return (dp_measures_layers(recipe) && recipe->storage != DP_STORAGE_F32) || recipe->pca > 0 || recipe->kmeans
           || recipe->coreset > 0 || recipe->background == DP_BACKGROUND_REFERENCE;
}

#endif
