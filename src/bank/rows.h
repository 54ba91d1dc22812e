/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - the feature vectors of a bank, as a search reads them.
 *
 * Layout grid: each cell of the canvas's grid has n_rows rows. All rows of a cell are together, so a search of one cell
 * streams through one piece of memory. If they are the rows of the pictures, n_rows is n_pictures * rows_per_picture:
 * rows p*rows_per_picture .. (p+1)*rows_per_picture-1 belong to picture p, the first of them to the picture itself, the
 * others to its augmentations (its mirror image).
 *
 * Layout flat: the valid cells of all pictures in one list of n_rows rows, ordered by picture, augmentation and cell.
 * The grids of the pictures may differ in size.
 *
 * dp_rows_picture returns the picture of a row in either layout. */
#ifndef DP_BANK_ROWS_H
#define DP_BANK_ROWS_H

#include "base/pool.h"
#include "dinopatch/experimental.h"
#include "geometry/spaces.h"
#include "simd/half.h"

#include <stdbool.h>

#define DP_NO_PICTURE ((size_t)-1)

/* How distances follow from moments. */
typedef struct dp_moments_rule {
    dp_moments_of of;
    double ridge, variance; /* dp_recipe.moments_ridge, .moments_variance */
} dp_moments_rule;
struct dp_moments;

struct dp_elsewhere;

/* A view: it owns nothing and is read-only. Tables of rows are [grid_rows * grid_cols, n_rows]. */
typedef struct dp_rows {
    const char *name;            /* name of the bank's file for messages; NULL: it has none */
    size_t grid_rows, grid_cols; /* cells; 1 and 1 in a flat bank */
    size_t n_rows;               /* for each cell; while a grid is being built: its capacity */
    size_t dim;                  /* numbers of a row */
    size_t skip;                 /* numbers between the end of a row and the next row; 0 except in a block
                                  * (dp_rows_block) */
    size_t blocks;               /* parts of a row with distances of their own; 1: the row is one part */
    size_t n_pictures, rows_per_picture;
    bool flat;
    bool complete;        /* holds all features of the pictures, so that each picture can be left out */
    bool centred;         /* projected about their mean: their angles are not those of the features */
    bool mapped;          /* the features are in a mapped file */
    dp_storage storage;   /* of the features */
    const void *features; /* [.., dim] float, IEEE half or int8_t; zeros where there are none */
    const float *scales;  /* for int8: a feature is its scale times the integer; else NULL */
    const float *norms;   /* Euclidean norms of the rows as they are stored */
    const uint8_t *
        valid; /* 0 or 1: the row answers. 0 with a norm above 0: it is in quarantine; else it has no features, which does not
                                 * happen in a flat bank */
    const int32_t *row_picture; /* picture of each row, -1: several; NULL: row / rows_per_picture */
    const int32_t
        *row_cell;        /* for a flat bank: augmentation * cells + cell in the grid of the row's picture; else NULL */
    const int32_t *grids; /* [n_pictures, 2] for a flat bank: rows and columns of the pictures' grids; else NULL */
    const struct dp_moments *moments; /* these say the distances (bank/moments.h), the rows do not; NULL: the rows do */
    dp_moments_rule rule;             /* for moments */
    size_t
        retrieval; /* only so many pictures are searched: those whose vectors are most like that of the picture; 0: all */
    size_t n_vector;
    const float *vectors; /* [n_pictures, n_vector]; NULL: none */
    bool equal;           /* blocks weigh the same, without scales */
    size_t block;         /* of dp_rows_block: which one */
    size_t first,
        held; /* only the features of rows first .. first + held - 1, counted over all cells, are here; held 0: all */
    const struct dp_elsewhere
        *elsewhere; /* who has the others, and is asked in a search (search/elsewhere.h); NULL: nobody */
} dp_rows;

/* Memory that rows are written into, with the shapes above. Of a mapped file: copies of the tables that are not aligned
 * in it. */
typedef struct dp_row_memory {
    void *features;
    float *scales, *norms;
    uint8_t *valid;
    int32_t *row_picture, *row_cell, *grids;
} dp_row_memory;

static inline size_t dp_rows_cells(const dp_rows *rows)
{
    return rows->grid_rows * rows->grid_cols;
}

/* Returns the number of rows of all locations. */
static inline size_t dp_rows_places(const dp_rows *rows)
{
    return dp_rows_cells(rows) * rows->n_rows;
}

/* Returns the first row whose features are here, counted over all cells, and the end of them. */
static inline size_t dp_rows_begin(const dp_rows *rows)
{
    return rows->held ? rows->first : 0;
}

static inline size_t dp_rows_end(const dp_rows *rows)
{
    return rows->held ? rows->first + rows->held : dp_rows_places(rows);
}

/* Returns the picture of a row; DP_NO_PICTURE if it belongs to no single one. */
static inline size_t dp_rows_picture(const dp_rows *rows, size_t cell, size_t row)
{
    if (!rows->row_picture)
        return row / rows->rows_per_picture;
    int32_t picture = rows->row_picture[cell * rows->n_rows + row];
    return picture < 0 ? DP_NO_PICTURE : (size_t)picture;
}

/* Returns the cell of a row in the grid of its own picture. */
size_t dp_rows_cell(const dp_rows *rows, size_t cell, size_t row);
/* Returns the size of a picture's grid. */
void dp_rows_picture_grid(const dp_rows *rows, size_t picture, size_t *grid_rows, size_t *grid_cols);
size_t dp_rows_picture_cells(const dp_rows *rows, size_t picture);
/* Returns the largest number of cells of a picture. */
size_t dp_rows_most_cells(const dp_rows *rows);
/* Returns the rows of a picture in a flat bank. */
void dp_rows_flat_range(const dp_rows *rows, size_t picture, size_t *first, size_t *n);
/* Reads back the features of one picture from a bank that holds the rows of its pictures: features [rows, cols, dim] and valid [rows, cols]
 * with the picture's grid; either may be NULL. */
void dp_rows_get(const dp_rows *rows, size_t picture, size_t augmentation, float *features, uint8_t *valid);

/* Returns the bytes of one number. */
static inline size_t dp_storage_bytes(dp_storage storage)
{
    return storage == DP_STORAGE_F32 ? sizeof(float) : storage == DP_STORAGE_F16 ? sizeof(uint16_t) : sizeof(int8_t);
}

/* Returns number i of a stored row; bytes use its scale. storage is a constant at each call in a loop. */
static inline float dp_stored_number(dp_storage storage, const void *row, float scale, size_t i)
{
    return storage == DP_STORAGE_F32   ? ((const float *)row)[i]
           : storage == DP_STORAGE_F16 ? dp_f16_to_f32(((const uint16_t *)row)[i])
                                       : scale * (float)((const int8_t *)row)[i];
}

/* Returns the rows of one cell as they are stored; they are here. */
static inline const void *dp_rows_stored(const dp_rows *rows, size_t cell, size_t row)
{
    return (const char *)rows->features
           + (cell * rows->n_rows + row - dp_rows_begin(rows)) * (rows->dim + rows->skip)
                 * dp_storage_bytes(rows->storage);
}

/* Returns whether the rows are floats, one after another, so that a search can use them directly. */
static inline bool dp_rows_are_plain(const dp_rows *rows)
{
    return rows->storage == DP_STORAGE_F32 && rows->skip == 0;
}

/* Converts rows first .. first + n - 1 of a location to floats from any storage: out [n, dim]. */
void dp_rows_widen(const dp_rows *rows, size_t cell, size_t first, size_t n, float *out);

/* Gives the mapped pages of these rows back to the system, so that a pass over a large bank holds only the part it works
 * on. The system reads them again when they are used. */
void dp_rows_forget(const dp_rows *rows, size_t cell, size_t first, size_t n);

/* Returns a view of one block of the rows. If there are several blocks, the norms are
 * unknown (NULL). */
dp_rows dp_rows_block(const dp_rows *rows, size_t block);

/* Makes the Euclidean norms of the rows as they are stored, 0 where not valid: *norms [locations, n_rows], owned by the
 * caller. pool may be NULL. Errors: DP_E_MEMORY. */
dp_status dp_rows_norms(const dp_rows *rows, dp_pool *pool, float **norms, dp_error *err);

/* Returns the bytes of the features and of their tables. */
size_t dp_rows_bytes(const dp_rows *rows);
/* Computes the bytes of one such row and of its entries in the tables; owners: with a table row_picture.  false on overflow. */
bool dp_row_bytes(size_t dim, dp_storage storage, bool owners, bool flat, size_t *bytes);

/* ------------------------------------------------------------------------------------------------- memory of rows */

/* Allocates memory for so many rows of the type of `rows`. owners: with a table row_picture (a flat bank always has
 * one). Only the validity is zeroed. The pictures' grids are not included. False: no memory. */
bool dp_row_memory_new(const dp_rows *rows, size_t places, bool owners, dp_row_memory *memory);
void dp_row_memory_free(dp_row_memory *memory);
/* Points a view at memory. */
void dp_row_memory_show(const dp_row_memory *memory, dp_rows *rows);

/* Stores x [dim] (NULL: an invalid row) as one row, with norm and validity. place: the row, counted through
 * all locations. A row that its type cannot hold gets an infinite norm: dp_rows_encoded. */
void dp_rows_encode(const dp_rows *rows, const dp_row_memory *to, size_t place, const float *x);
/* Checks that the type could hold all rows. Errors: DP_E_NUMERIC. */
dp_status dp_rows_encoded(const dp_rows *rows, dp_error *err);
/* Copies n rows of a view, counted through all locations, to a place in memory of the same type; the tables row_picture
 * and row_cell stay. */
void dp_rows_copy(const dp_rows *from, size_t first, size_t n, const dp_row_memory *to, size_t place);

/* Returns whether n stored numbers have no NaN and no infinity. */
bool dp_stored_finite(dp_storage storage, const void *x, size_t n);
/* Returns whether x [n] has no NaN and no infinity. */
bool dp_all_finite(const float *x, size_t n);
/* Returns the Euclidean norm of x [dim], summed in double in a fixed order: the same on every machine. */
float dp_norm_f32(const float *x, size_t dim);

#endif
