/* SPDX-License-Identifier: Apache-2.0 */
/* flip.h - reverses the order of rows or columns. */
#ifndef DP_GEOMETRY_FLIP_H
#define DP_GEOMETRY_FLIP_H

#include <stdbool.h>
#include <stddef.h>

/* Reverses the order of the rows (or of the columns) of elements [height, width] of so many bytes each, in place. */
void dp_flip(void *elements, size_t bytes, size_t height, size_t width, bool rows);

#endif
