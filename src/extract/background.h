/* SPDX-License-Identifier: Apache-2.0 */
/* background.h - finds the cells of a picture that show the background, from its own features. */
#ifndef DP_EXTRACT_BACKGROUND_H
#define DP_EXTRACT_BACKGROUND_H

#include "base/pool.h"
#include "dinopatch/experimental.h"

/* Computes component [rows, cols] of features [rows, cols, dim]: (feature - mean) . v, where v is the first principal
 * component (unit length, the largest |component| positive). mean and v are over the cells where inside (NULL: all);
 * component is 0 elsewhere. pool may be NULL. Errors: DP_E_MEMORY, DP_E_NUMERIC (features that are not finite). */
dp_status dp_first_component(const float *features, const uint8_t *inside, size_t rows, size_t cols, size_t dim,
                             dp_pool *pool, float *component, dp_error *err);

/* Computes background [rows, cols] (0 or 1) of component [rows, cols]; 1 only where inside (NULL: everywhere).
 * Errors: DP_E_MEMORY. */
dp_status dp_background_cells(const float *component, const uint8_t *inside, size_t rows, size_t cols, double threshold,
                              dp_background_rule rule, uint8_t *background, dp_error *err);

#endif
