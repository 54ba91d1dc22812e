/* patches.h - two patches beside each other, each with what lies around it. */
#ifndef DP_MAP_PATCHES_H
#define DP_MAP_PATCHES_H

#include "align/transform.h"
#include "dinopatch.h"

/* One side.  Cells are those of a grid: the centre of row r, column c lies at (c, r). */
typedef struct dp_patch_view {
    const dp_picture *picture;  /* NULL: words stand in its place */
    dp_affine cells_to_picture; /* grid to pixels of the picture */
    size_t row, col;            /* the patch */
    size_t rows, cols;          /* of the grid */
    const char *title, *words;  /* two lines below; each is cut at its beginning where it is too long */
    const char *missing;        /* what is said where there is no picture */
} dp_patch_view;

/* Draws them, with captions (non-zero) title and words below; the caller frees *drawn.  Errors: DP_E_ARGUMENT (a grid without cells, a map without an inverse), DP_E_MEMORY. */
dp_status dp_patches_draw(const dp_patch_view views[2], int captions, dp_picture **drawn, dp_error *err);

#endif
