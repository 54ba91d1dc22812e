/* SPDX-License-Identifier: Apache-2.0 */
#include "network/winograd.h"

/* Above this the 36 places of the weights no longer stay in the caches, and fewer multiplications gain nothing. */
#define MOST_WEIGHTS ((size_t)256 * 256)

dp_winograd_fn dp_winograd_kernel(dp_isa isa)
{
    dp_winograd_fn kernel = NULL;
    DP_KERNELS_FILL(dp_winograd_init, &kernel, isa);
    return kernel;
}

bool dp_winograd_suits(size_t in, size_t out)
{
    return in % 16 == 0 && out % DP_WINOGRAD_OUT == 0 && in * out <= MOST_WEIGHTS;
}

/* A place's rows in the scratch are 16 floats apart from the next place's power of two, so that the 36 places of one
 * channel do not fall into one set of the cache. */
size_t dp_winograd_scratch(size_t in)
{
    return DP_WINOGRAD_PLACES * ((size_t)DP_WINOGRAD_TILES * (in + DP_WINOGRAD_OUT) + 32);
}

size_t dp_winograd_weights(size_t in, size_t out)
{
    return DP_WINOGRAD_PLACES * in * out;
}

/* G g for a column g of three: the values at each point of the polynomial g, divided by the product of the point's
 * distances from the others. */
static inline void transform(const double g[3], double to[6])
{
    const double a = DP_WINOGRAD_A, b = DP_WINOGRAD_B, a2 = a * a, b2 = b * b;
    const double by_a = 1 / (2 * a2 * (a2 - b2)), by_b = 1 / (2 * b2 * (b2 - a2));
    to[0] = g[0] / (a2 * b2);
    to[1] = by_a * (g[0] + a2 * g[2] + a * g[1]);
    to[2] = by_a * (g[0] + a2 * g[2] - a * g[1]);
    to[3] = by_b * (g[0] + b2 * g[2] + b * g[1]);
    to[4] = by_b * (g[0] + b2 * g[2] - b * g[1]);
    to[5] = g[2];
}

void dp_winograd_pack(size_t in, size_t out, const float *weights, float *to)
{
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++) {
            const float *w = weights + o * 9 * in + i;
            double down[3][6], all[6];
            for (size_t v = 0; v < 3; v++)
                transform((const double[3]){w[v * in], w[(3 + v) * in], w[(6 + v) * in]}, down[v]);
            for (size_t u = 0; u < 6; u++) {
                transform((const double[3]){down[0][u], down[1][u], down[2][u]}, all);
                for (size_t v = 0; v < 6; v++)
                    to[((o / DP_WINOGRAD_PANEL * DP_WINOGRAD_PLACES + 6 * u + v) * in + i) * DP_WINOGRAD_PANEL
                       + o % DP_WINOGRAD_PANEL] = (float)all[v];
            }
        }
}
