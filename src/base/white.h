/* SPDX-License-Identifier: Apache-2.0 */
/* white.h - how many bits of 16-bit samples are used, and which sample means white. */
#ifndef DP_BASE_WHITE_H
#define DP_BASE_WHITE_H

#include <stddef.h>
#include <stdint.h>

/* What the samples of 16-bit pictures have shown, alpha left out. */
typedef struct dp_depth {
    uint16_t largest, any; /* the largest sample; all samples, bit by bit or'ed */
    size_t n;              /* pictures */
} dp_depth;

/* Adds n pixels of `bands` samples. */
void dp_depth_add(dp_depth *depth, const uint16_t *samples, size_t n, size_t bands);
/* The sample that means white in such pictures: 65535 where nothing is known. */
size_t dp_depth_white(const dp_depth *depth);
/* Bits between the lowest and the highest that `white` has. */
size_t dp_depth_bits(size_t white);
/* Returns a sample on the scale that ends at `most`: white and what is above it become `most`. */
static inline size_t dp_white_spread(size_t sample, size_t white, size_t most)
{
    double scale = (double)most / (double)white; /* of a shift by whole bits exactly that power of two apart */
    return sample > white ? most : (size_t)((double)sample * scale + 0.5);
}
/* Returns a spread 16-bit sample in 8 bits. */
static inline uint8_t dp_white_to_8(size_t sample)
{
    return (uint8_t)((sample + 128) / 257);
}

#endif
