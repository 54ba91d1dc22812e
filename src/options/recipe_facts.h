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

/* The versions in which a good picture enters: 0 as it is, 1 mirrored if the recipe says so, then turned by the steps of the
 * recipe's rotations, and last with another brightness. */
static inline size_t dp_version_brightness(const dp_recipe *recipe)
{
    return recipe->rotations + (recipe->mirror ? 1 : 0);
}

static inline size_t dp_versions(const dp_recipe *recipe)
{
    return dp_version_brightness(recipe) + (recipe->brightness > 0);
}

static inline bool dp_version_is_mirrored(const dp_recipe *recipe, size_t version)
{
    return recipe->mirror && version == 1;
}

/* Returns the whole turns, 0 to below 1, that a version is turned by. */
static inline double dp_version_turn(const dp_recipe *recipe, size_t version)
{
    size_t first = recipe->mirror ? 1 : 0;
    return version <= first || version >= dp_version_brightness(recipe)
               ? 0
               : (double)(version - first) / (double)recipe->rotations;
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
           || recipe->coreset > 0 || recipe->thin > 0 || recipe->background == DP_BACKGROUND_REFERENCE;
}

#endif
