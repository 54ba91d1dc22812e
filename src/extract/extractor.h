/* SPDX-License-Identifier: Apache-2.0 */
/* extractor.h - buffers that make the features of one picture; allocated once for a session and a bank. */
#ifndef DP_EXTRACT_EXTRACTOR_H
#define DP_EXTRACT_EXTRACTOR_H

#include "dinopatch/experimental.h"
#include "extract/extract_plan.h"
#include "extract/orientation.h"
#include "extract/prefetch.h"
#include "geometry/tiles.h"

#include <stdbool.h>

typedef struct dp_extractor {
    dp_recipe recipe; /* with canvas and layers settled */
    dp_network_facts network;
    dp_canvas_shape shape;
    size_t dim;
    size_t most_bytes;
    bool by_bands;        /* tokens hold one row of tiles at a time */
    size_t top, band;     /* tokens hold the grid rows top .. top + band - 1 */
    float *tokens;        /* [band, cols, dim] */
    float *tile_rgb;      /* [tile height, tile width, 3] with several tiles; else NULL */
    float *tile_tokens;   /* [tile rows, tile cols, dim] with several tiles; else NULL */
    float *raw;           /* [cells, dim] of a tile before the mean over neighbourhoods, or scratch; NULL: not needed */
    bool mirrored;        /* by_bands: the polarity mirrors the columns of this picture's grid */
    dp_halves halves;     /* by_bands, if the recipe decides the polarity */
    dp_extract_plan plan; /* for a recipe with layer_norm; made for the first picture */
    const float *layer_norm; /* [2, dim] of a bank: normalises the features; NULL: they stay raw */
    float *orientation;      /* [dim] */
    size_t n_vector;         /* 0: the recipe needs no vector of the picture */
    float *vector;           /* [n_vector] of the picture in tokens, the mean over its tiles (dp_recipe_vector_dim) */
    float *tile_vector;      /* [n_vector] scratch */
    uint8_t *background;     /* [rows, cols] 1: background, see dp_extractor_background; NULL: the recipe masks no
                       * background */
    float *component;        /* [rows, cols] scratch for it */
} dp_extractor;

#define DP_WHOLE_GRID SIZE_MAX            /* for dp_extractor_open: always hold all features of a picture together */
#define DP_GRID_BYTES ((size_t)128 << 20) /* for callers that need only one band at a time */

/* Opens an extractor for a recipe whose canvas and layers are settled. If the canvas is cut into several tiles and the
 * features of a picture take more than most_bytes, they come band by band (below). Otherwise tokens hold them all.
 * With a recipe that retrieves they always do, because the vector of a picture comes before its search.
 * Errors: DP_E_MEMORY. */
dp_status dp_extractor_open(const dp_recipe *recipe, const dp_network_facts *network, size_t most_bytes,
                            dp_extractor *extractor, dp_error *err);
/* Resizes the extractor to the canvas of the prepared picture, if each picture has its own (edge_px). extractor->recipe
 * then has the picture's canvas. Errors: DP_E_MEMORY. */
dp_status dp_extractor_fit(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err);
void dp_extractor_close(dp_extractor *extractor);

/* Computes the features of a prepared picture, turned or mirrored to the polarity of orientation [2, dim] (reference
 * and bias of a bank). *polarity: +1, -1, or 0 if it is not decided. On return prepared->cells belong to the features,
 * and the bands hold the features: */
dp_status dp_extractor_features(dp_extractor *extractor, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err);

/* The number of bands of rows that the features come in, from top to bottom: 1, except for large canvases in tiles. */
static inline size_t dp_extractor_bands(const dp_extractor *extractor)
{
    return extractor->by_bands ? extractor->shape.tiling.down.n : 1;
}

/* Puts one band of the picture of dp_extractor_features into tokens: rows top .. top + band - 1. Bands may come in any
 * order, any number of times. */
dp_status dp_extractor_band(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, size_t band,
                            dp_error *err);

/* Makes the plan of a recipe with layer_norm, if there is none yet. Errors: as dp_extract_plan_open, DP_E_MISMATCH. */
dp_status dp_extractor_plan(dp_extractor *extractor, dp_session *session, dp_error *err);

/* Runs the network on an uncut canvas rgb [canvas_height, canvas_width, 3]; fills tokens. */
dp_status dp_extractor_embed_canvas(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err);

/* Runs the network on the canvas of a prepared picture, with the mean over neighbourhoods if the recipe has it; fills
 * tokens with the whole grid. Not for an extractor by bands. */
dp_status dp_extractor_embed(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, dp_error *err);
/* Computes the orientation vector of extractor->tokens into extractor->orientation. */
dp_status dp_extractor_orientation(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err);
/* Returns whether the recipe decides the polarity and the picture's alignment allows it. */
bool dp_extractor_has_polarity(const dp_extractor *extractor, const dp_prepared *prepared);

/* Computes the background mask of extractor->tokens into extractor->background, for cells [rows, cols] inside the
 * picture. *left: number of cells that are not background. Errors name path. Errors: DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_extractor_background(dp_extractor *extractor, dp_session *session, const uint8_t *cells, const char *path,
                                  size_t *left, dp_error *err);
/* Returns DP_E_PICTURE for a picture that is all background. */
dp_status dp_fail_all_background(const dp_recipe *recipe, const char *path, dp_error *err);

#endif
