/* SPDX-License-Identifier: Apache-2.0 */
/* gray.c - luma of 8-bit RGB, bit for bit as OpenCV's RGB2GRAY:
 *
 *     gray = (9798 R + 19235 G + 3735 B + 2^14) >> 15
 *
 * which is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in 15-bit fixed point, rounded. */
#include "align/edges.h"

void dp_gray_u8(const uint8_t *rgb, size_t n, uint8_t *gray)
{
    for (size_t i = 0; i < n; i++)
        gray[i] = (uint8_t)((9798u * rgb[3 * i] + 19235u * rgb[3 * i + 1] + 3735u * rgb[3 * i + 2] + 16384u) >> 15);
}
