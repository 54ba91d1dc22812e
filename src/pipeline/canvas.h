/* canvas.h - settles what a recipe leaves to the pictures: the canvas height. */
#ifndef DP_PIPELINE_CANVAS_H
#define DP_PIPELINE_CANVAS_H

#include "base/pool.h"
#include "extract/pictures.h"

/* Checks the recipe's canvas against the patch; a height of 0 is replaced by dp_canvas_height over the pictures, which are
 * read for it, one per worker at a time.  Pictures that cannot be read are passed over here.
 * Errors: DP_E_ARGUMENT (not a multiple of the patch, more cells than run allows), DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_canvas_settle(dp_recipe *recipe, size_t patch_px, const dp_pictures *pictures, dp_pool *pool,
                           const dp_run *run, dp_error *err);

#endif
