/* SPDX-License-Identifier: Apache-2.0 */
/* builder.h - a bank in the making.
 *
 *     dp_bank_builder_open(&spec, &builder, err);
 *     for each picture that could be read:
 *         dp_bank_builder_add(builder, name, &pose, &p, err);
 *         dp_bank_builder_put(builder, p, 0, features, valid, err);   and (builder, p, 1, ...) for its mirror
 *     dp_bank_builder_set_orientation(builder, reference, bias);
 *     dp_bank_builder_mirror(builder, p), or the put again, where the sign is -1
 *     dp_bank_builder_finish(&builder, &bank, err);
 *     dp_bank_leave_one_out(bank, isa, pool, run, false_alarms, err);     (score/leave_one_out.h)
 *     dp_bank_save(bank, path, err);
 *
 * or, from another bank: dp_bank_builder_from, then each row by dp_bank_builder_set_row, then finish. */
#ifndef DP_BANK_BUILDER_H
#define DP_BANK_BUILDER_H

#include "bank/bank.h"

typedef struct dp_bank_builder {
    dp_bank *bank;     /* not finished; the user of the builder may fill in lights and polarities of its pictures */
    size_t capacity;   /* number of pictures that there is room for */
    size_t room;       /* number of rows that there is memory for, over all cells */
    uint8_t *put;      /* [capacity, rows_per_picture] 1: put; NULL: rows come from another bank */
    size_t *first_row; /* [capacity, rows_per_picture] for a flat bank: where they begin */
    size_t before;     /* for a flat bank: rows before the last picture */
} dp_bank_builder;

typedef struct dp_bank_spec {
    const dp_recipe *recipe;     /* copied; with a settled canvas size */
    size_t grid_rows, grid_cols; /* of the canvas; 0 for a flat bank whose pictures have their own grids */
    size_t dim;
    size_t n_vector;           /* numbers of the vector of each picture; 0: none */
    size_t patch_px;           /* of the network; 0: derived from canvas and grid */
    size_t capacity;           /* most pictures that will be added */
    size_t rows_per_picture;   /* 1, and 1 more for each augmentation */
    const char *model_path;    /* path of the checkpoint, any bytes, copied; NULL: unknown */
    const char *model_sha256;  /* 64 lower-case hexadecimal digits */
    const char *model_licence; /* copied; NULL: unknown */
    bool model_stand_in;
} dp_bank_spec;

/* Computes the bytes of features, norms and validity of such a bank, and of the tables of a flat one; false on overflow. */
bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes);
/* Errors: DP_E_ARGUMENT (a size of 0, a malformed hash, a canvas that the grid does not cover), DP_E_MEMORY. */
dp_status dp_bank_builder_open(const dp_bank_spec *spec, dp_bank_builder **builder, dp_error *err);
/* Closes the builder without making a bank. */
void dp_bank_builder_close(dp_bank_builder **builder);

/* Makes room for the next picture. Copies name (any bytes) and pose.  Errors: DP_E_ARGUMENT (full), DP_E_MEMORY. */
dp_status dp_bank_builder_add(dp_bank_builder *builder, const char *name, const dp_pose *pose, size_t *picture,
                              dp_error *err);
/* Sets the digest [32] of the picture's pixels, which is unknown until then. */
void dp_bank_builder_set_digest(dp_bank_builder *builder, size_t picture, const unsigned char *digest);
/* Sets the vector [spec.n_vector] of the picture. */
void dp_bank_builder_set_vector(dp_bank_builder *builder, size_t picture, const float *vector);
/* Undoes the last dp_bank_builder_add and the puts after it. */
void dp_bank_builder_take_back(dp_bank_builder *builder);
/* Copies features [grid_rows, grid_cols, dim] and valid [grid_rows, grid_cols] (NULL: all) to the rows of this picture
 * and augmentation; a later call replaces them. Invalid cells are stored as zeros. Errors: DP_E_NUMERIC (a valid
 * feature that is not finite). */
dp_status dp_bank_builder_put(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                              const uint8_t *valid, dp_error *err);
/* Does the same for a picture with the grid [rows, cols]: in a grid bank that of the bank, in a flat bank any. All
 * augmentations of a picture have one size. Errors: DP_E_ARGUMENT (another size), DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_bank_builder_put_grid(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                                   const uint8_t *valid, size_t rows, size_t cols, dp_error *err);
/* Sets the cells that show the background of a picture: mask [rows, cols] of its grid, copied. If the recipe masks good
 * pictures too, the caller puts those cells as invalid. Errors: DP_E_ARGUMENT (no such grid), DP_E_MEMORY. */
dp_status dp_bank_builder_set_background(dp_bank_builder *builder, size_t picture, size_t augmentation,
                                         const uint8_t *mask, dp_error *err);
/* Mirrors all rows of a picture, and its masks, along the columns of its grid. */
void dp_bank_builder_mirror(dp_bank_builder *builder, size_t picture);
/* Copies reference [dim_in] and bias [dim_in]. */
void dp_bank_builder_set_orientation(dp_bank_builder *builder, const float *reference, const float *bias);

/* Gives a region to inspect to the bank, which then owns it; NULL: none. */
void dp_bank_builder_set_roi(dp_bank_builder *builder, dp_roi *roi);

/* ------------------------------------------------------------------------------------------ a bank made of others */

typedef struct dp_bank_shape {
    const dp_recipe *recipe; /* of the new bank; its storage is that of the rows */
    size_t n_rows, dim;
    bool owners; /* with a table row_picture; a flat bank always has it */
} dp_bank_shape;

/* Computes the bytes of its rows and their tables; false on overflow. */
bool dp_bank_shape_bytes(const dp_bank *pattern, const dp_bank_shape *shape, size_t *bytes);
/* Begins a bank with the network, canvas, orientation, region and thresholds of `pattern`, without pictures and with
 * room for some. It also gets the projection if dim is the same. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_begin(const dp_bank *pattern, const dp_bank_shape *shape, size_t capacity,
                                dp_bank_builder **builder, dp_error *err);
/* Adds a picture from another bank, with all its data and the size of its grid. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_take(dp_bank_builder *builder, const dp_bank *from, size_t picture, dp_error *err);
/* Does dp_bank_builder_begin and adds all pictures of `pattern` with their scores. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_from(const dp_bank *pattern, const dp_bank_shape *shape, dp_bank_builder **builder,
                               dp_error *err);
/* Replaces the projection of `pattern` by a copy of this one. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_set_projection(dp_bank_builder *builder, const dp_pca *projection, dp_error *err);
/* Sets one row to x [dim]; NULL: an invalid row. place: the row, counted through all locations. Several threads may set
 * different rows. */
void dp_bank_builder_set_row(const dp_bank_builder *builder, size_t place, const float *x);
/* Fills the tables of one row, if there are any: its picture (-1: several), and in a flat bank its cell. */
void dp_bank_builder_set_owner(const dp_bank_builder *builder, size_t place, int32_t picture, int32_t cell);

/* Finishes the bank and closes the gaps of unused capacity. The builder is then gone; on failure it stays.
 * Errors: DP_E_ARGUMENT (no picture, or one whose rows were not all put), DP_E_PICTURE (no picture has a valid cell),
 * DP_E_NUMERIC (a feature that the type of the rows cannot hold). */
dp_status dp_bank_builder_finish(dp_bank_builder **builder, dp_bank **bank, dp_error *err);

#endif
