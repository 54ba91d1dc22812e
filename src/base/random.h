/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - random numbers that depend only on a seed and a position in the sequence, on every machine and any
 * thread. */
#ifndef DP_BASE_RANDOM_H
#define DP_BASE_RANDOM_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
typedef struct dp_random {
    uint64_t state;
} dp_random;

static inline uint64_t dp_random_next(dp_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Returns the generator of stream number `stream`. */
static inline dp_random dp_random_at(uint64_t seed, uint64_t stream)
{
    dp_random random = {seed};
    random.state = dp_random_next(&random) ^ stream * 0xd1342543de82ef95u;
    dp_random_next(&random);
    return random;
}

/* Returns a number in [0, 1). */
static inline double dp_random_unit(dp_random *random)
{
    return (double)(dp_random_next(random) >> 11) * 0x1p-53;
}

/* Returns a number in 0 .. n-1. n is at most 2^32, so the bias of the product is below 2^-32. */
static inline uint64_t dp_random_below(dp_random *random, uint64_t n)
{
    return (dp_random_next(random) >> 32) * n >> 32;
}

#endif
