/* bank.h - the memory bank: the features that good pictures showed.
 *
 * Layout grid: for every location of the canvas's grid the rows seen there.  Each location holds n_rows rows; all rows of one
 * location lie together, so that a search at one location streams through one piece of memory.  As the pictures gave them,
 * n_rows is n_pictures * rows_per_picture, picture by picture: rows p*rows_per_picture .. (p+1)*rows_per_picture-1 belong to
 * picture p, the first of them to the picture as it is, the rest to its augmentations (its mirror).
 *
 * Layout pool: the valid cells of all pictures in one list, one location with n_rows rows, picture by picture, augmentation by
 * augmentation, cell by cell.  The pictures' grids may differ in size.
 *
 * Which picture a row belongs to is asked with dp_bank_row_picture, whatever the layout. */
#ifndef DP_BANK_BANK_H
#define DP_BANK_BANK_H

#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "dinopatch.h"
#include "image/light.h"
#include "simd/half.h"

#include <stdbool.h>

struct dp_safetensors;

#define DP_NO_PICTURE ((size_t)-1)
#define DP_DIGEST_BYTES DP_SHA256_BYTES

/* Cells of a picture's own grid in a pool: a picture of 28,000 x 28,000 pixels has fewer.  A file can name any number, and what searches
 * the bank makes room for so many cells. */
#define DP_MAX_GRID_CELLS ((int64_t)1 << 22)

struct dp_bank {
    size_t grid_rows, grid_cols; /* locations; 1 and 1 in a pool */
    size_t dim;                  /* of the rows as they are stored */
    size_t dim_in;               /* of a picture's features: dim, or more where they are projected */
    size_t skip;                 /* numbers between the end of a row and the next; 0 but in a part of a bank (search/part.h) */
    size_t n_pictures, rows_per_picture;
    size_t n_rows;         /* at each location; while a grid is being built: n_pictures * rows_per_picture of its capacity */
    dp_storage storage;    /* of the features */
    const void *features;  /* [grid_rows * grid_cols, n_rows, dim] float, IEEE half or int8_t; zeros where not valid */
    const float *scales;   /* [grid_rows * grid_cols, n_rows] of int8: a feature is its scale times the integer; else NULL */
    const uint8_t *valid;  /* [grid_rows * grid_cols, n_rows] 0 or 1; all 1 in a pool */
    const float *norms;    /* [grid_rows * grid_cols, n_rows] Euclidean norms of the rows as they are stored */
    const int32_t *row_picture; /* [grid_rows * grid_cols, n_rows] picture of each row, -1: of no single one; NULL: row /
                                   rows_per_picture */
    const int32_t *row_cell; /* [n_rows] of a pool: augmentation * cells + cell in the grid of the row's picture; else NULL */
    float *mean, *basis;   /* [dim_in], [dim, dim_in] orthonormal: rows are basis (x - mean); NULL where they are not projected */
    bool centred;          /* mean is not zero: angles of the rows are not those of the features, so there is no cosine */
    int32_t *grids;        /* [n_pictures, 2] of a pool: rows and columns of the pictures' grids; else NULL */
    uint8_t **background;  /* [n_pictures] of [rows_per_picture, cells of the picture's grid] 1: background; NULL: the recipe asks for
                              none (recipe.background) */
    dp_roi *roi;           /* region to inspect, as recipe.roi says: bank/roi_mask.h; NULL: none */
    char **names;          /* [n_pictures] as given to fit, any bytes */
    dp_pose *poses;        /* [n_pictures] */
    dp_light *lights;      /* [n_pictures] of the decoded pictures, by which frames without light are told; NaN: not known */
    int8_t *polarities;    /* [n_pictures] sign the consensus gave the picture: +1, -1 (mirrored or turned), 0 */
    unsigned char *picture_digests; /* [n_pictures, 32] dp_picture_digest of each; zeros: not known (a bank of version 1) */
    double *loo_scores;    /* [n_pictures] leave-one-out scores, NaN where there is none */
    double *loo_peaks;     /* [n_pictures] the largest distance in each picture's leave-one-out map as it is delivered, NaN where there is none */
    bool peaks_known;      /* loo_peaks and cell_threshold were found: not in a bank of an earlier version */
    float *orientation;    /* [2, dim_in] reference of the polarity (zeros: none), and the bias taken off before it is asked */
    double threshold;      /* of the score; NaN: none */
    dp_threshold_origin origin; /* of the threshold */
    double cell_threshold; /* of the map; NaN: none */
    size_t patch_px;       /* of the network; 0: not known */
    bool patch_recorded;   /* else it was guessed from the grids of a bank of an earlier version */
    dp_interval heat;      /* scale of heat maps; NaN: none */
    dp_distance_scales distance_scales; /* they hold for the recipe's metric, window and knn, or are NaN */
    dp_recipe recipe;      /* canvas sizes as they were used, never "auto" */
    char *model_path;      /* absolute path of the checkpoint when the bank was made; empty: not known */
    char model_sha256[65];
    bool model_stand_in;

    /* What the pointers above point into: the mapped file of an opened bank, or memory of a bank being built. */
    struct dp_safetensors *file;     /* NULL: owned memory */
    int version;                     /* of the format of the file; 0: owned memory.  Saved is always the newest */
    char *path;                      /* of the mapped file, or NULL */
    const unsigned char *digests;    /* [n_blocks, 32] SHA-256 of the blocks of features, in the mapped file, or NULL */
    void *own_features;              /* NULL: mapped */
    float *own_scales, *own_norms;
    uint8_t *own_valid;
    int32_t *own_row_picture, *own_row_cell;
    uint8_t *put;    /* [capacity, rows_per_picture] rows that have been put; NULL once finished */
    size_t capacity; /* pictures there is room for while the bank is being built */
    size_t room;     /* of a pool being built: rows there is memory for */
    size_t *first_row; /* [capacity, rows_per_picture] of a pool being built: where they begin */
};

/* ---------------------------------------------------------------------------------------------------- building a bank
 *
 *     dp_bank_new(&spec, &bank, err);
 *     for each picture that could be read:
 *         dp_bank_add_picture(bank, name, &pose, &p, err);
 *         dp_bank_put(bank, p, 0, features, valid, err);   and dp_bank_put(bank, p, 1, ...) for its mirror
 *     dp_bank_set_orientation(bank, reference, bias);  dp_bank_mirror_picture(bank, p) or dp_bank_put again where the sign is -1
 *     dp_bank_finish(bank, err);
 *     dp_bank_leave_one_out(bank, isa, pool, run, false_alarms, err);     (run/leave_one_out.h)
 *     dp_bank_save(bank, path, err);
 *
 * A bank may be read by several threads only after dp_bank_finish and dp_bank_leave_one_out. */

typedef struct dp_bank_spec {
    const dp_recipe *recipe; /* copied; canvas size settled */
    size_t grid_rows, grid_cols; /* of the canvas; of a pool whose pictures have grids of their own: 0 */
    size_t dim;
    size_t patch_px;          /* of the network; 0: as canvas and grid have it */
    size_t capacity;          /* most pictures that will be added */
    size_t rows_per_picture;  /* 1, and 1 more for each augmentation */
    const char *model_path;   /* where the checkpoint lies, any bytes, copied; NULL: not known */
    const char *model_sha256; /* 64 lower-case hexadecimal digits */
    bool model_stand_in;
} dp_bank_spec;

/* Bytes that the features, norms and validity of such a bank take, of a pool its tables as well; false on overflow. */
bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes);
/* Errors: DP_E_ARGUMENT (a size of 0, a hash that is none, a canvas that the grid does not cover), DP_E_MEMORY. */
dp_status dp_bank_new(const dp_bank_spec *spec, dp_bank **bank, dp_error *err);
/* Makes room for the next picture.  name any bytes, copied; pose copied.  Errors: DP_E_ARGUMENT (full), DP_E_MEMORY. */
dp_status dp_bank_add_picture(dp_bank *bank, const char *name, const dp_pose *pose, size_t *picture, dp_error *err);
/* What its pixels are, digest [32]; not known until then. */
void dp_bank_set_digest(dp_bank *bank, size_t picture, const unsigned char *digest);
/* Undoes dp_bank_add_picture for the last picture, and what was put of it; n_rows: bank->n_rows as it was before. */
void dp_bank_take_back(dp_bank *bank, size_t n_rows);
/* features [grid_rows, grid_cols, dim], valid [grid_rows, grid_cols] (NULL: all); copied into the rows of that picture and
 * augmentation, again and again if need be.  Cells that are not valid are stored as zeros.
 * Errors: DP_E_NUMERIC (a valid feature that is not finite). */
dp_status dp_bank_put(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                      dp_error *err);
/* The same for a picture whose grid is [rows, cols]: in a grid bank that of the bank, in a pool any; all augmentations of a
 * picture have one size.  Errors: DP_E_ARGUMENT (another size), DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_bank_put_grid(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                           size_t rows, size_t cols, dp_error *err);
/* Size of a picture's grid. */
void dp_bank_picture_grid(const dp_bank *bank, size_t picture, size_t *rows, size_t *cols);
/* The bank's recipe with the canvas that a grid of that size divides: where each picture has its own (edge_px) that of so many patches.
 * Canvas 0 where the patch is not known. */
dp_recipe dp_bank_recipe_for(const dp_bank *bank, size_t rows, size_t cols);
/* Rows of a picture in a finished pool. */
void dp_bank_pool_range(const dp_bank *bank, size_t picture, size_t *first, size_t *n);
/* The reverse of putting, of any finished bank whose rows are those of its pictures: features [rows, cols, dim] and valid
 * [rows, cols] with the picture's grid; either may be NULL. */
void dp_bank_get(const dp_bank *bank, size_t picture, size_t augmentation, float *features, uint8_t *valid);
/* Which cells of a picture show its background: mask [rows, cols] of the grid it was put with, copied.  Where the recipe masks the
 * good pictures too, those cells are put as not valid by the caller.  Errors: DP_E_ARGUMENT (no such grid), DP_E_MEMORY. */
dp_status dp_bank_set_background(dp_bank *bank, size_t picture, size_t augmentation, const uint8_t *mask, dp_error *err);
/* [cells] of the picture as it is; NULL where pictures are not masked when they are inspected. */
const uint8_t *dp_bank_inspected_background(const dp_bank *bank, size_t picture);
/* A table for n pictures' masks with all of them empty, [rows_per_picture, cells]; false: no memory. */
bool dp_bank_new_backgrounds(dp_bank *bank, size_t n);
/* A picture's masks [rows_per_picture, cells], its grid's columns in reverse order. */
void dp_bank_mirror_background(const dp_bank *bank, size_t picture, uint8_t *masks);
/* Bytes of a picture's masks. */
size_t dp_bank_background_bytes(const dp_bank *bank, size_t picture);
/* Mirrors all rows of a picture along its grid's columns, while the bank is being built. */
void dp_bank_mirror_picture(dp_bank *bank, size_t picture);
/* reference [dim_in], bias [dim_in], copied. */
void dp_bank_set_orientation(dp_bank *bank, const float *reference, const float *bias);
/* Closes the gaps that unused capacity leaves.  Errors: DP_E_ARGUMENT (no picture, or one whose rows were not all put). */
dp_status dp_bank_finish(dp_bank *bank, dp_error *err);

/* A finished bank with the names, poses, scores and recipe of `like`, and memory for rows; shapes as above.  pictures: with a table
 * row_picture.  Errors: DP_E_MEMORY. */
dp_status dp_bank_like(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, dp_bank **out, dp_error *err);
/* Bytes of its rows and their tables; false on overflow. */
bool dp_bank_like_bytes(const dp_bank *like, size_t n_rows, size_t dim, dp_storage storage, bool pictures, size_t *bytes);

/* ------------------------------------------------------------------------------------------------------------ pieces */

static inline size_t dp_bank_cells(const dp_bank *bank)
{
    return bank->grid_rows * bank->grid_cols;
}

static inline bool dp_bank_is_pool(const dp_bank *bank)
{
    return bank->recipe.layout == DP_LAYOUT_POOL;
}

/* mean [dim_in], basis [dim, dim_in], copied; false: no memory. */
bool dp_bank_set_projection(dp_bank *bank, const float *mean, const float *basis);

/* Whether the features of each picture are in the bank, so that it can be searched with each left out. */
static inline bool dp_bank_has_pictures(const dp_bank *bank)
{
    return bank->recipe.kmeans == 0 && !(bank->recipe.coreset > 0) && bank->recipe.background != DP_BACKGROUND_REFERENCE;
}

/* The picture a row belongs to; DP_NO_PICTURE where it is of no single one. */
static inline size_t dp_bank_row_picture(const dp_bank *bank, size_t cell, size_t row)
{
    if (!bank->row_picture)
        return row / bank->rows_per_picture;
    int32_t picture = bank->row_picture[cell * bank->n_rows + row];
    return picture < 0 ? DP_NO_PICTURE : (size_t)picture;
}

/* The cell a row comes from, in its own picture's grid. */
size_t dp_bank_row_cell(const dp_bank *bank, size_t cell, size_t row);

/* How many blocks a bank's rows keep apart: 1 where they were averaged, concatenated or are one. */
size_t dp_bank_blocks(const dp_bank *bank);

/* All of them unknown, of a search as that of the recipe. */
void dp_distance_scales_none(const dp_recipe *recipe, dp_distance_scales *scales);
/* Whether they were found by such a search; what is NaN is unknown all the same. */
bool dp_distance_scales_hold(const dp_distance_scales *scales, dp_metric metric, size_t window, size_t knn);

/* Bytes of the features of a finished bank and of their tables. */
size_t dp_bank_held_bytes(const dp_bank *bank);

/* Bytes of one number. */
static inline size_t dp_storage_bytes(dp_storage storage)
{
    return storage == DP_STORAGE_F32 ? sizeof(float) : storage == DP_STORAGE_F16 ? sizeof(uint16_t) : sizeof(int8_t);
}

/* Number i of a stored row, whose scale is used for bytes only.  storage is a constant where it is called in a loop. */
static inline float dp_stored_number(dp_storage storage, const void *row, float scale, size_t i)
{
    return storage == DP_STORAGE_F32   ? ((const float *)row)[i]
           : storage == DP_STORAGE_F16 ? dp_f16_to_f32(((const uint16_t *)row)[i])
                                       : scale * (float)((const int8_t *)row)[i];
}

/* Rows of one location as they are stored. */
static inline const void *dp_bank_stored(const dp_bank *bank, size_t cell, size_t row)
{
    return (const char *)bank->features + (cell * bank->n_rows + row) * (bank->dim + bank->skip) * dp_storage_bytes(bank->storage);
}

/* Whether the rows lie in memory as a search takes them: floats, one behind the other. */
static inline bool dp_bank_is_plain(const dp_bank *bank)
{
    return bank->storage == DP_STORAGE_F32 && bank->skip == 0;
}

/* Rows of one location of a plain bank: [n_rows, dim]. */
static inline const float *dp_bank_rows(const dp_bank *bank, size_t cell)
{
    return dp_bank_stored(bank, cell, 0);
}

/* Rows first .. first + n - 1 of a location as floats, whatever the storage: out [n, dim]. */
void dp_bank_widen(const dp_bank *bank, size_t cell, size_t first, size_t n, float *out);

/* Hands the pages of these rows back to the system, where the bank is mapped: a pass over a large bank then holds no more of it than it
 * works on.  They are read again when they are asked for. */
void dp_bank_forget(const dp_bank *bank, size_t cell, size_t first, size_t n);

/* x [dim] (NULL: a row that does not count) into one row that is being built, its norm and validity included.
 * place: row, counted through all locations.  What its type cannot hold gets an infinite norm: dp_bank_encoded. */
void dp_bank_encode(dp_bank *bank, size_t place, const float *x);

/* Whether all rows could be held.  Errors: DP_E_NUMERIC. */
dp_status dp_bank_encoded(const dp_bank *bank, dp_error *err);

/* DP_E_CORRUPT where the file of an opened bank was written to since: figures made from it cannot be trusted. */
dp_status dp_bank_check_unchanged(const dp_bank *bank, dp_error *err);

/* Whether the canvas of a recipe is cut into that grid by square patches. */
bool dp_bank_canvas_fits(const dp_recipe *recipe, size_t grid_rows, size_t grid_cols);
/* 64 lower-case hexadecimal digits. */
bool dp_bank_is_sha256(const char *text);
/* No NaN and no infinity in n stored numbers. */
bool dp_stored_finite(dp_storage storage, const void *x, size_t n);
/* No NaN and no infinity in x [n]. */
bool dp_all_finite(const float *x, size_t n);
/* Euclidean norm of x [dim], summed in double in a fixed order: the same on every machine. */
float dp_norm_f32(const float *x, size_t dim);

#endif
