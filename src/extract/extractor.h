/* extractor.h - the buffers one picture needs on its way from features to a result; allocated once per session and bank. */
#ifndef DP_EXTRACT_EXTRACTOR_H
#define DP_EXTRACT_EXTRACTOR_H

#include "dinopatch/experimental.h"
#include "extract/extract_plan.h"
#include "extract/prefetch.h"

#include <stdbool.h>

typedef struct dp_extractor {
    dp_recipe recipe; /* canvas and layers settled */
    size_t patch_px;
    size_t rows, cols, dim;
    uint8_t *valid;          /* [canvas_height, canvas_width] */
    float *tokens;           /* [rows, cols, dim] */
    float *raw;              /* [rows, cols, dim] before the mean over neighbourhoods; NULL where there is none */
    dp_extract_plan plan;    /* of a recipe with layer_norm, made for the first picture */
    const float *layer_norm; /* [2, dim] of a bank: what normalises the features; NULL: they stay as they are */
    float *orientation;      /* [dim] */
    uint8_t
        *background;  /* [rows, cols] 1: background, see dp_extractor_background; NULL: the recipe asks for no mask */
    float *component; /* [rows, cols] scratch of it */
} dp_extractor;

dp_status dp_extractor_open(const dp_recipe *recipe, size_t patch_px, size_t dim, dp_extractor *extractor,
                            dp_error *err);
/* Makes the extractor as large as the prepared picture's canvas, where each picture has its own (edge_px); nothing to do otherwise.
 * extractor->recipe then has the picture's canvas.  Errors: DP_E_MEMORY. */
dp_status dp_extractor_fit(dp_extractor *extractor, const dp_prepared *prepared, dp_error *err);
void dp_extractor_close(dp_extractor *extractor);

/* Features of a prepared picture in extractor->tokens, turned or mirrored into the polarity of orientation [2, dim] (a bank's:
 * reference and bias).  *polarity: +1, -1, or 0 where it is not settled.  On return prepared->cells are those of the tokens. */
dp_status dp_extractor_features(dp_extractor *extractor, dp_session *session, dp_prepared *prepared,
                                const float *orientation, int *polarity, dp_error *err);

/* What the network makes of a canvas, with the mean over neighbourhoods where the recipe asks for it: into extractor->tokens. */
dp_status dp_extractor_embed_canvas(dp_extractor *extractor, dp_session *session, const float *rgb, dp_error *err);

/* The steps of it, for fit, which has to look at each picture both ways round. */
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
