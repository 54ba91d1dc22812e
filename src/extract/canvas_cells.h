/* SPDX-License-Identifier: Apache-2.0 */
/* canvas_cells.h - whether a canvas can go through the network: in one, or in tiles. */
#ifndef DP_EXTRACT_CANVAS_CELLS_H
#define DP_EXTRACT_CANVAS_CELLS_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

/* Settles recipe->tile_px of a canvas that is settled: what was asked for, rounded to what the network takes; with
 * `chooses` and nothing asked for, a side where the canvas has more cells than run->max_tokens; 0 where one tile holds all. Then checks as dp_canvas_check. */
dp_status dp_tile_settle(dp_recipe *recipe, size_t patch_px, bool chooses, const dp_run *run, dp_error *err);

/* Checks that the canvas, or a tile of it where it is cut, has no more cells than run->max_tokens, and all of it no more
 * than 2^22. Errors: DP_E_ARGUMENT. */
dp_status dp_canvas_check(const dp_recipe *recipe, size_t patch_px, const dp_run *run, dp_error *err);

#endif
