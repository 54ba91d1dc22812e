/* SPDX-License-Identifier: Apache-2.0 */
/* extractor.h - the buffers one picture needs on its way from features to a result; allocated once per session and bank. */
#ifndef DP_EXTRACT_EXTRACTOR_H
#define DP_EXTRACT_EXTRACTOR_H

#include "dinopatch/experimental.h"
#include "extract/extract_plan.h"
#include "extract/orientation.h"
#include "extract/prefetch.h"
#include "geometry/tiles.h"

#include <stdbool.h>

typedef struct dp_extractor {
    dp_recipe recipe; /* canvas and layers settled */
    dp_canvas_shape shape;
    size_t dim;
    size_t most_bytes;
    bool by_bands;      /* tokens hold the rows of one row of tiles at a time */
    size_t top, band;   /* of the grid rows top .. top + band - 1 are in tokens */
    float *tokens;      /* [band, cols, dim] */
    float *tile_rgb;    /* [tile height, tile width, 3], where there are several tiles; else NULL */
    float *tile_tokens; /* [tile rows, tile cols, dim], likewise */
    float *raw; /* [cells, dim] of a tile before the mean over neighbourhoods, or scratch; NULL where there is none */
    bool mirrored;           /* by_bands: the polarity mirrors the columns of the picture's grid */
    dp_halves halves;        /* by_bands, where the recipe settles the polarity */
    dp_extract_plan plan;    /* of a recipe with layer_norm, made for the first picture */
    const float *layer_norm; /* [2, dim] of a bank: what normalises the features; NULL: they stay as they are */
    float *orientation;      /* [dim] */
    uint8_t
        *background;  /* [rows, cols] 1: background, see dp_extractor_background; NULL: the recipe asks for no mask */
    float *component; /* [rows, cols] scratch of it */
} dp_extractor;

#define DP_WHOLE_GRID SIZE_MAX            /* dp_extractor_open: always all features of a picture together */
#define DP_GRID_BYTES ((size_t)128 << 20) /* for those who need no more than a band at a time */

/* Opens an extractor for pictures of that canvas; dim: dp_recipe_dim. Features of a canvas in several tiles come band by band (below) where
 * those of a whole picture take more than most_bytes; all other features are held together in tokens.
 * Errors: DP_E_MEMORY. */
dp_status dp_extractor_open(const dp_recipe *recipe, const dp_canvas_shape *shape, size_t dim, size_t most_bytes,
                            dp_extractor *extractor, dp_error *err);
/* Makes the extractor as large as the prepared picture's canvas, where each picture has its own (edge_px); nothing to do otherwise.
 * extractor->recipe then has the picture's canvas.  Errors: DP_E_MEMORY. */
dp_status dp_extractor_fit(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err);
void dp_extractor_close(dp_extractor *extractor);

/* Features of a prepared picture, turned or mirrored into the polarity of orientation [2, dim] (a bank's: reference and
 * bias). *polarity: +1, -1, or 0 where it is not settled. On return prepared->cells are those of the features, and the
 * features are in the bands: */
dp_status dp_extractor_features(dp_extractor *extractor, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err);

/* The features of a picture come in so many bands of rows, from top to bottom: one, but for large canvases in tiles. */
static inline size_t dp_extractor_bands(const dp_extractor *extractor)
{
    return extractor->by_bands ? extractor->shape.tiling.down.n : 1;
}

/* Brings one band of the picture of dp_extractor_features into tokens: rows top .. top + band - 1. In any order, any
 * number of times. */
dp_status dp_extractor_band(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, size_t band,
                            dp_error *err);

/* Makes the plan of a recipe with layer_norm, where it is not there yet. Errors: as dp_extract_plan_open, DP_E_MISMATCH. */
dp_status dp_extractor_plan(dp_extractor *extractor, dp_session *session, dp_error *err);

/* What the network makes of a canvas that is not cut, rgb [canvas_height, canvas_width, 3], into tokens. */
dp_status dp_extractor_embed_canvas(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err);

/* What the network makes of the canvas of a prepared picture, with the mean over neighbourhoods where the recipe asks for
 * it: all of it into tokens. Not for an extractor by bands. */
dp_status dp_extractor_embed(dp_extractor *extractor, dp_session *session, const dp_prepared *prepared, dp_error *err);
/* Orientation vector of extractor->tokens in extractor->orientation. */
dp_status dp_extractor_orientation(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err);
/* Whether the recipe settles polarity, and the picture was aligned so that it can be. */
bool dp_extractor_has_polarity(const dp_extractor *extractor, const dp_prepared *prepared);

/* The mask of the background of extractor->tokens into extractor->background, of the cells [rows, cols] that come from inside the picture;
 * *left: those that are not background.  path is named in errors.  Errors: DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_extractor_background(dp_extractor *extractor, dp_session *session, const uint8_t *cells, const char *path,
                                  size_t *left, dp_error *err);
/* DP_E_PICTURE, for a picture of which the mask leaves nothing. */
dp_status dp_fail_all_background(const dp_recipe *recipe, const char *path, dp_error *err);

#endif
