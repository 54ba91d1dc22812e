/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h - 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", 2016): 36 multiplications for 16 outputs where the definition takes 144.
 *
 *     Y = A' [ (G g G') . (B' d B) ] A       d [6, 6]: a tile of the input, g [3, 3]: the filter, Y [4, 4]: outputs
 *
 * Tile (i, j) has the outputs at rows 4 i .. 4 i + 3 and columns 4 j .. 4 j + 3; its input starts one row and column
 * before. The polynomials are evaluated at 0, +-A, +-B and infinity. With the usual points 1 and 2 rounding
 * errs more than twice as far; these have the least in a search over eighths, and all their products are exact. At each of the 36 places the sum over the input channels is a product of matrices: tiles x channels.
 * docs/numerics.md gives the rounding error.
 *
 * Small pictures have few tiles, and reading the weights then takes longer than multiplying by them; several pictures at once share them.
 *
 * A task is DP_WINOGRAD_TILES tiles and DP_WINOGRAD_OUT output channels. The tasks depend on the shape alone, and each
 * computes its outputs from the input, so that the bits are the same for any number of threads. */
#ifndef DP_NETWORK_WINOGRAD_H
#define DP_NETWORK_WINOGRAD_H

#include "simd/dispatch.h"

#include <stdbool.h>
#include <stddef.h>

#define DP_WINOGRAD_A 0.625F
#define DP_WINOGRAD_B 1.5F
#define DP_WINOGRAD_PLACES 36
#define DP_WINOGRAD_TILES 16 /* most tiles of a task */
#define DP_WINOGRAD_OUT 64   /* output channels of a task */
#define DP_WINOGRAD_PANEL 32 /* output channels side by side in the weights */

/* One task. */
typedef struct dp_winograd_task {
    const float *x;       /* [pictures, rows, cols, in] */
    float *y;             /* [pictures, rows, cols, out] */
    const float *weights; /* [out / PANEL, PLACES, in, PANEL] */
    const float *bias;    /* [out] */
    const float *zeros;   /* [in] */
    size_t rows, cols, in, out;
    size_t first_tile, n_tiles; /* counted along the rows of tiles, picture after picture */
    size_t first_out;           /* of DP_WINOGRAD_OUT channels */
    bool add, relu;             /* add the values in y; then what is below 0 becomes 0 */
    float *scratch;             /* [dp_winograd_scratch(in)] */
} dp_winograd_task;

typedef void (*dp_winograd_fn)(const dp_winograd_task *task);

/* Returns the kernel of an instruction set; NULL for plain C, whose reference is the definition (conv.c). */
dp_winograd_fn dp_winograd_kernel(dp_isa isa);
/* Returns whether a convolution is computed so: the side 3, stride 1, pad 1 alone are not asked here. */
bool dp_winograd_suits(size_t in, size_t out);
size_t dp_winograd_scratch(size_t in);             /* floats for one worker */
size_t dp_winograd_weights(size_t in, size_t out); /* floats */
/* Computes G g G' of all filters. weights [out, 3, 3, in] -> to [out / PANEL, PLACES, in, PANEL]. */
void dp_winograd_pack(size_t in, size_t out, const float *weights, float *to);

DP_KERNELS_DECLARE(dp_winograd_init, dp_winograd_fn);

#endif
