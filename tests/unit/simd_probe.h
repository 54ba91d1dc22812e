/* SPDX-License-Identifier: Apache-2.0 */
/* simd_probe.h - runs every operation of the vector vocabulary in one instruction set over the same numbers. */
#ifndef DP_TESTS_SIMD_PROBE_H
#define DP_TESTS_SIMD_PROBE_H

#include "simd/dispatch.h"

#include <stdint.h>

#define PROBE_VALUES 64 /* a multiple of every VL */

enum {
    PROBE_LOAD,
    PROBE_LOAD_F16,
    PROBE_LOAD_I8,
    PROBE_LOAD_U8,
    PROBE_SET,
    PROBE_ADD,
    PROBE_SUB,
    PROBE_MUL,
    PROBE_DIV,
    PROBE_FMA,
    PROBE_MAX,
    PROBE_ROUND,
    PROBE_SCALE,
    PROBE_NOT_BELOW,
    PROBE_OPERATIONS
};

typedef struct simd_probe {
    float a[PROBE_VALUES], b[PROBE_VALUES], c[PROBE_VALUES]; /* b holds no NaN */
    float powers[PROBE_VALUES];                              /* whole numbers in -126..127 */
    uint16_t halves[PROBE_VALUES];
    int8_t bytes[PROBE_VALUES];

    dp_isa isa;
    size_t lanes, registers;
    float result[PROBE_OPERATIONS][PROBE_VALUES];
    float sums[PROBE_VALUES]; /* sums of the lanes of each vector of a; PROBE_VALUES / lanes of them */
    /* vload_part and similar operations: load n values from the end of p, h, i and zeros behind them into
     * part[3][lanes]; vstore_part stores those of p back to the end of q. */
    void (*load_parts)(const float *p, const uint16_t *h, const int8_t *i, size_t n, float *part, float *q);
} simd_probe;

void simd_probe_c(simd_probe *probe);
DP_KERNELS_DECLARE(simd_probe, simd_probe);

#endif
