/* SPDX-License-Identifier: Apache-2.0 */
/* resize.h - the kernel of the resize: where each pixel of a large picture is read. */
#ifndef DP_IMAGE_RESIZE_H
#define DP_IMAGE_RESIZE_H

#include "simd/dispatch.h"

#include <stddef.h>
#include <stdint.h>

/* Computes sums [n] = the sum over `count` rows of weights [count] times the row [n], row after row, each product and sum rounded once: the
 * same bits at every instruction set. rows lie `stride` bytes apart. */
typedef void (*dp_mix_rows_fn)(const uint8_t *rows, size_t stride, const float *weights, size_t count, size_t n,
                               float *sums);
void dp_mix_rows_c(const uint8_t *rows, size_t stride, const float *weights, size_t count, size_t n, float *sums);

DP_KERNELS_DECLARE(dp_resize_kernels, dp_mix_rows_fn);

#endif
