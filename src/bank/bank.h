/* bank.h - the memory bank: for every grid location the features that good pictures showed there.
 *
 * Row order.  Each location holds n_pictures * rows_per_picture rows, picture by picture: rows p*rows_per_picture ..
 * (p+1)*rows_per_picture-1 belong to picture p, the first of them to the picture as it is, the rest to its
 * augmentations (its mirror).  All rows of one location lie together, so that a search at one location streams through
 * one piece of memory, and a picture with its augmentations is one range that leave-one-out skips. */
#ifndef DP_BANK_BANK_H
#define DP_BANK_BANK_H

#include "base/file.h"
#include "base/pool.h"
#include "dinopatch.h"

#include <stdbool.h>

struct dp_safetensors;

struct dp_bank {
    size_t grid_rows, grid_cols, dim;
    size_t n_pictures, rows_per_picture;
    size_t n_rows;         /* n_pictures * rows_per_picture; while it is being built: the same with its capacity */
    const float *features; /* [grid_rows * grid_cols, n_rows, dim]; zeros where not valid */
    const uint8_t *valid;  /* [grid_rows * grid_cols, n_rows] 0 or 1 */
    const float *norms;    /* [grid_rows * grid_cols, n_rows] Euclidean norms of the features */
    char **names;          /* [n_pictures] as given to fit, any bytes */
    dp_pose *poses;        /* [n_pictures] */
    int8_t *polarities;    /* [n_pictures] sign the consensus gave the picture: +1, -1 (mirrored or turned), 0 */
    double *loo_scores;    /* [n_pictures] leave-one-out scores, NaN where there is none */
    float *orientation;    /* [2, dim] reference of the polarity (zeros: none), and the bias taken off before it is asked */
    double threshold;      /* NaN: none */
    dp_recipe recipe;      /* canvas sizes as they were used, never "auto" */
    char *model_path;      /* absolute path of the checkpoint when the bank was made; empty: not known */
    char model_sha256[65];
    bool model_stand_in;

    /* What the pointers above point into: the mapped file of an opened bank, or memory of a bank being built. */
    struct dp_safetensors *file;     /* NULL: owned memory */
    char *path;                      /* of the mapped file, or NULL */
    const unsigned char *digests;    /* [n_blocks, 32] SHA-256 of the blocks of features, in the mapped file, or NULL */
    float *own_features, *own_norms; /* NULL: mapped */
    uint8_t *own_valid;
    uint8_t *put;    /* [capacity, rows_per_picture] rows that have been put; NULL once finished */
    size_t capacity; /* pictures there is room for while the bank is being built */
};

/* ---------------------------------------------------------------------------------------------------- building a bank
 *
 *     dp_bank_new(&spec, &bank, err);
 *     for each picture that could be read:
 *         dp_bank_add_picture(bank, name, &pose, &p, err);
 *         dp_bank_put(bank, p, 0, features, valid, err);   and dp_bank_put(bank, p, 1, ...) for its mirror
 *     dp_bank_set_orientation(bank, reference, bias);  dp_bank_mirror_picture(bank, p) or dp_bank_put again where the sign is -1
 *     dp_bank_finish(bank, err);
 *     dp_bank_leave_one_out(bank, isa, pool, run, err);
 *     dp_bank_save(bank, path, err);
 *
 * A bank may be read by several threads only after dp_bank_finish and dp_bank_leave_one_out. */

typedef struct dp_bank_spec {
    const dp_recipe *recipe; /* copied; canvas size settled */
    size_t grid_rows, grid_cols, dim;
    size_t capacity;          /* most pictures that will be added */
    size_t rows_per_picture;  /* 1, and 1 more for each augmentation */
    const char *model_path;   /* where the checkpoint lies, any bytes, copied; NULL: not known */
    const char *model_sha256; /* 64 lower-case hexadecimal digits */
    bool model_stand_in;
} dp_bank_spec;

/* Bytes that the features, norms and validity of such a bank take; false on overflow. */
bool dp_bank_bytes(const dp_bank_spec *spec, size_t *bytes);
/* Errors: DP_E_ARGUMENT (a size of 0, a hash that is none, a canvas that the grid does not cover), DP_E_MEMORY. */
dp_status dp_bank_new(const dp_bank_spec *spec, dp_bank **bank, dp_error *err);
/* Makes room for the next picture.  name any bytes, copied; pose copied.  Errors: DP_E_ARGUMENT (full), DP_E_MEMORY. */
dp_status dp_bank_add_picture(dp_bank *bank, const char *name, const dp_pose *pose, size_t *picture, dp_error *err);
/* features [grid_rows, grid_cols, dim], valid [grid_rows, grid_cols] (NULL: all); copied into the rows of that picture and
 * augmentation, again and again if need be.  Cells that are not valid are stored as zeros.
 * Errors: DP_E_NUMERIC (a valid feature that is not finite). */
dp_status dp_bank_put(dp_bank *bank, size_t picture, size_t augmentation, const float *features, const uint8_t *valid,
                      dp_error *err);
/* The reverse, of any bank; either output may be NULL. */
void dp_bank_get(const dp_bank *bank, size_t picture, size_t augmentation, float *features, uint8_t *valid);
/* Mirrors all rows of a picture along the grid's columns. */
void dp_bank_mirror_picture(dp_bank *bank, size_t picture);
/* reference [dim], bias [dim], copied. */
void dp_bank_set_orientation(dp_bank *bank, const float *reference, const float *bias);
/* Closes the gaps that unused capacity leaves.  Errors: DP_E_ARGUMENT (no picture, or one whose rows were not all put). */
dp_status dp_bank_finish(dp_bank *bank, dp_error *err);
/* Leave-one-out scores [n_pictures] of a bank's pictures, scored as the view says: each picture's own row searched in the bank
 * without any row of that picture.  NaN where there is no other picture.  view->threshold is not read.  run (may be NULL):
 * progress is called, stage "leave one out".  Errors: DP_E_ARGUMENT, DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_bank_leave_one_out_scores(const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool,
                                       const dp_run *run, double *scores, dp_error *err);
/* Fills loo_scores and threshold: each picture's own row searched in the bank without any row of that picture, with the
 * recipe's metric, window, knn and score; then dp_threshold_first with the recipe's fpr.
 * false_alarms (may be NULL): see dp_threshold_first.  run (may be NULL): progress is called, stage "leave one out".
 * Errors: DP_E_ARGUMENT, DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms,
                                dp_error *err);

/* ------------------------------------------------------------------------------------------------------------ pieces */

static inline size_t dp_bank_cells(const dp_bank *bank)
{
    return bank->grid_rows * bank->grid_cols;
}

/* Rows of one location: [n_rows, dim]. */
static inline const float *dp_bank_rows(const dp_bank *bank, size_t cell)
{
    return bank->features + cell * bank->n_rows * bank->dim;
}

/* Whether the canvas of a recipe is cut into that grid by square patches. */
bool dp_bank_canvas_fits(const dp_recipe *recipe, size_t grid_rows, size_t grid_cols);
/* 64 lower-case hexadecimal digits. */
bool dp_bank_is_sha256(const char *text);
/* No NaN and no infinity in x [n]. */
bool dp_all_finite(const float *x, size_t n);
/* Euclidean norm of x [dim], summed in double in a fixed order: the same on every machine. */
float dp_norm_f32(const float *x, size_t dim);

#endif
