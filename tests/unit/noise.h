/* SPDX-License-Identifier: Apache-2.0 */
/* noise.h - pseudo-random floats for tests of kernels, the same on each machine. */
#ifndef DP_TESTS_NOISE_H
#define DP_TESTS_NOISE_H

#include "base/memory.h"

#include <stdint.h>

/* Returns a number from -1 to 1. */
static inline float uniform(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((double)(state >> 11) * 0x1p-52 - 1);
}

/* Returns n of them, each times scale; dp_memory_free. */
static inline float *noise(size_t n, float scale)
{
    float *x = dp_malloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * uniform();
    return x;
}

#endif
