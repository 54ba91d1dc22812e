/* SPDX-License-Identifier: Apache-2.0 */
/* prefetch.h - a thread decodes, aligns and warps the next pictures while the current one is in the network. */
#ifndef DP_EXTRACT_PREFETCH_H
#define DP_EXTRACT_PREFETCH_H

#include "dinopatch/experimental.h"
#include "extract/pictures.h"
#include "geometry/tiles.h"
#include "image/light.h"

#include <stdbool.h>

/* A picture ready for the network. */
typedef struct dp_prepared {
    const dp_run *run; /* the limits */
    const dp_recipe *recipe;
    dp_canvas_shape shape; /* its canvas is 0 if each picture has its own */
    size_t index;          /* among the pictures of the work */
    const char *path;      /* its name */
    dp_status status;      /* not DP_OK: error has the reason, and the rest is empty */
    dp_error error;
    dp_picture *picture;
    unsigned char digest[32]; /* dp_picture_digest, if digests were asked for */
    dp_picture_notes notes;   /* notes about the picture file */
    dp_pose pose;
    dp_light light;
    int turn;                   /* the canvas is turned by 180 degrees */
    bool flip_rows, flip_cols;  /* and then flipped */
    size_t height_px, width_px; /* of the canvas */
    size_t room_px; /* the number of pixels that rgb has room for; cells has room for as many cells of one pixel; 0: the
                     * recipe's canvas */
    float *rgb; /* [height_px, width_px, 3]; NULL: the recipe cuts the canvas into tiles, which are made one by one */
    uint8_t *valid; /* [patch_px, canvas_width] scratch */
    uint8_t *cells; /* [canvas_height/patch, canvas_width/patch] 1: all pixels lie inside the picture */
    double valid_fraction;
    double seconds; /* time of all this */
} dp_prepared;

/* Makes room for the canvas of a settled recipe, which must outlive `prepared`. Errors: DP_E_MEMORY. */
dp_status dp_prepared_open(dp_prepared *prepared, const dp_recipe *recipe, const dp_canvas_shape *shape, dp_error *err);
/* Frees this room. */
void dp_prepared_free_canvas(dp_prepared *prepared);
/* Frees this room and the picture. */
void dp_prepared_close(dp_prepared *prepared);
/* Fills rgb, cells and valid_fraction (turn: the part is turned by 180 degrees). With edge_px and without a crop the
 * size of the canvas follows from the picture, and rgb and cells grow with it. Errors: DP_E_PICTURE (the canvas has
 * more cells than prepared->run allows), DP_E_MEMORY. */
dp_status dp_prepared_warp(dp_prepared *prepared, int turn, dp_error *err);
/* Flips the canvas and its cells: the order of their rows, or of their columns. */
void dp_prepared_flip(dp_prepared *prepared, bool rows);
/* Returns how a run with this recipe reads pictures. */
dp_picture_options dp_picture_options_of(const dp_recipe *recipe, const dp_run *run);
/* The pose of a picture that is there, as the recipe says; finder and reference of a recipe with align=features. */
dp_status dp_prepared_find_pose(dp_prepared *prepared, dp_finder *finder, const dp_reference *reference, dp_error *err);
/* Loads the picture at prepared->index, finds the pose, warps. run must be set. */
dp_status dp_prepared_load(dp_prepared *prepared, const dp_pictures *pictures, dp_error *err);

/* Logs what the user should know about the picture, for a bank of this recipe. */
void dp_prepared_report(const dp_prepared *prepared, const dp_recipe *recipe, const dp_run *run);

typedef struct dp_prefetch dp_prefetch;

/* Starts the thread. The pictures' source and order, *recipe (its canvas settled) and *run must outlive the prefetch.
 * digests: also compute the digest of each picture. */
dp_status dp_prefetch_open(const dp_pictures *pictures, const dp_recipe *recipe, const dp_canvas_shape *shape,
                           const dp_run *run, bool digests, dp_prefetch **prefetch, dp_error *err);
/* Returns the next picture in order, whether it succeeded or not; NULL after the last. The caller may read and change
 * it until the next call. */
dp_prepared *dp_prefetch_next(dp_prefetch *prefetch);
/* Waits for the picture at work and ends the thread. */
void dp_prefetch_close(dp_prefetch **prefetch);

#endif
