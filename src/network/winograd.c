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

#define PANEL DP_WINOGRAD_PANEL
typedef double lanes[PANEL]; /* of one panel of output channels, which compilers turn into vectors */

/* G g for columns g of three: the values at each point of the polynomial g, divided by the product of the point's
 * distances from the others. */
static void transform(const double *g0, const double *g1, const double *g2, lanes to[6])
{
    const double a = DP_WINOGRAD_A, b = DP_WINOGRAD_B, a2 = a * a, b2 = b * b;
    const double by_0 = 1 / (a2 * b2), by_a = 1 / (2 * a2 * (a2 - b2)), by_b = 1 / (2 * b2 * (b2 - a2));
    for (size_t o = 0; o < PANEL; o++) {
        to[0][o] = by_0 * g0[o];
        to[1][o] = by_a * (g0[o] + a2 * g2[o] + a * g1[o]);
        to[2][o] = by_a * (g0[o] + a2 * g2[o] - a * g1[o]);
        to[3][o] = by_b * (g0[o] + b2 * g2[o] + b * g1[o]);
        to[4][o] = by_b * (g0[o] + b2 * g2[o] - b * g1[o]);
        to[5][o] = g2[o];
    }
}

void dp_winograd_pack(size_t in, size_t out, const float *weights, float *to)
{
    lanes g[9], down[3][6], all[6]; /* down[v][u]: column v transformed, row u */
    for (size_t panel = 0; panel < out; panel += PANEL, to += (size_t)DP_WINOGRAD_PLACES * in * PANEL)
        for (size_t i = 0; i < in; i++) {
            for (size_t o = 0; o < PANEL; o++)
                for (size_t k = 0; k < 9; k++)
                    g[k][o] = weights[((panel + o) * 9 + k) * in + i];
            for (size_t v = 0; v < 3; v++)
                transform(g[v], g[3 + v], g[6 + v], down[v]);
            for (size_t u = 0; u < 6; u++) {
                transform(down[0][u], down[1][u], down[2][u], all);
                for (size_t v = 0; v < 6; v++)
                    for (size_t o = 0; o < PANEL; o++)
                        to[((6 * u + v) * in + i) * PANEL + o] = (float)all[v][o];
            }
        }
}
