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
    dp_bank *bank;     /* not finished; whoever fills it may describe its pictures (lights, polarities) */
    size_t capacity;   /* pictures there is room for */
    size_t room;       /* rows there is memory for, of all locations */
    uint8_t *put;      /* [capacity, rows_per_picture] rows that have been put; NULL: rows come from another bank */
    size_t *first_row; /* [capacity, rows_per_picture] of a flat bank: where they begin */
    size_t before;     /* of a flat bank: rows before the last picture */
} dp_bank_builder;

typedef struct dp_bank_spec {
    const dp_recipe *recipe;     /* copied; canvas size settled */
    size_t grid_rows, grid_cols; /* of the canvas; of a flat bank whose pictures have grids of their own: 0 */
    size_t dim;
    size_t patch_px;           /* of the network; 0: as canvas and grid have it */
    size_t capacity;           /* most pictures that will be added */
    size_t rows_per_picture;   /* 1, and 1 more for each augmentation */
    const char *model_path;    /* where the checkpoint lies, any bytes, copied; NULL: not known */
    const char *model_sha256;  /* 64 lower-case hexadecimal digits */
    const char *model_licence; /* copied; NULL: not known */
    bool model_stand_in;
} dp_bank_spec;

/* Computes the bytes of features, norms and validity of such a bank, and of the tables of a flat one; false on overflow. */
bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes);
/* Errors: DP_E_ARGUMENT (a size of 0, a malformed hash, a canvas that the grid does not cover), DP_E_MEMORY. */
dp_status dp_bank_builder_open(const dp_bank_spec *spec, dp_bank_builder **builder, dp_error *err);
/* Gives the builder up; no bank is made. */
void dp_bank_builder_close(dp_bank_builder **builder);

/* Makes room for the next picture. Copies name (any bytes) and pose.  Errors: DP_E_ARGUMENT (full), DP_E_MEMORY. */
dp_status dp_bank_builder_add(dp_bank_builder *builder, const char *name, const dp_pose *pose, size_t *picture,
                              dp_error *err);
/* Sets the digest [32] of its pixels; it is unknown until then. */
void dp_bank_builder_set_digest(dp_bank_builder *builder, size_t picture, const unsigned char *digest);
/* Undoes the last dp_bank_builder_add and the puts after it. */
void dp_bank_builder_take_back(dp_bank_builder *builder);
/* features [grid_rows, grid_cols, dim], valid [grid_rows, grid_cols] (NULL: all); copied into the rows of that picture
 * and augmentation; a later call replaces them. Invalid cells are stored as zeros.
 * Errors: DP_E_NUMERIC (a valid feature that is not finite). */
dp_status dp_bank_builder_put(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                              const uint8_t *valid, dp_error *err);
/* The same for a picture whose grid is [rows, cols]: in a grid bank that of the bank, in a flat bank any; all augmentations
 * of a picture have one size.  Errors: DP_E_ARGUMENT (another size), DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_bank_builder_put_grid(dp_bank_builder *builder, size_t picture, size_t augmentation, const float *features,
                                   const uint8_t *valid, size_t rows, size_t cols, dp_error *err);
/* Sets the cells of a picture that show its background: mask [rows, cols] of the grid it was put with, copied.  Where the
 * recipe masks the good pictures too, those cells are put as not valid by the caller.  Errors: DP_E_ARGUMENT (no such
 * grid), DP_E_MEMORY. */
dp_status dp_bank_builder_set_background(dp_bank_builder *builder, size_t picture, size_t augmentation,
                                         const uint8_t *mask, dp_error *err);
/* Mirrors all rows of a picture along its grid's columns, and its masks. */
void dp_bank_builder_mirror(dp_bank_builder *builder, size_t picture);
/* Copies reference [dim_in] and bias [dim_in]. */
void dp_bank_builder_set_orientation(dp_bank_builder *builder, const float *reference, const float *bias);

/* Gives the bank its region to inspect, which then belongs to the bank; NULL: none. */
void dp_bank_builder_set_roi(dp_bank_builder *builder, dp_roi *roi);

/* ------------------------------------------------------------------------------------------ a bank made of others */

typedef struct dp_bank_shape {
    const dp_recipe *recipe; /* of the bank to be; its storage is that of the rows */
    size_t n_rows, dim;
    bool owners; /* with a table row_picture; a flat bank always has one */
} dp_bank_shape;

/* Computes the bytes of its rows and their tables; false on overflow. */
bool dp_bank_shape_bytes(const dp_bank *pattern, const dp_bank_shape *shape, size_t *bytes);
/* A bank of the network, canvas, orientation, region and levels of `pattern`, with no picture yet and room for some; its
 * projection, too, where dim is the same.  Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_begin(const dp_bank *pattern, const dp_bank_shape *shape, size_t capacity,
                                dp_bank_builder **builder, dp_error *err);
/* Adds the next picture from another bank, with all facts about it and the size of its grid. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_take(dp_bank_builder *builder, const dp_bank *from, size_t picture, dp_error *err);
/* Does dp_bank_builder_begin and adds all pictures of `pattern` with their scores. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_from(const dp_bank *pattern, const dp_bank_shape *shape, dp_bank_builder **builder,
                               dp_error *err);
/* Replaces the projection of `pattern` by a copy of this one. Errors: DP_E_MEMORY. */
dp_status dp_bank_builder_set_projection(dp_bank_builder *builder, const dp_pca *projection, dp_error *err);
/* Sets one row to x [dim]; NULL: an invalid row. place: the row, counted through all locations. Several threads may set
 * different rows. */
void dp_bank_builder_set_row(const dp_bank_builder *builder, size_t place, const float *x);
/* Fills the tables, where there are any, for one row: its picture (-1: of no single one), and in a flat bank its cell. */
void dp_bank_builder_set_owner(const dp_bank_builder *builder, size_t place, int32_t picture, int32_t cell);

/* Finishes the bank and closes the gaps of unused capacity. The builder is then gone; on failure it stays.
 * Errors: DP_E_ARGUMENT (no picture, or one whose rows were not all put), DP_E_PICTURE (no picture has a valid cell),
 * DP_E_NUMERIC (a feature that the type of the rows cannot hold). */
dp_status dp_bank_builder_finish(dp_bank_builder **builder, dp_bank **bank, dp_error *err);

#endif
