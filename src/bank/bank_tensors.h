/* SPDX-License-Identifier: Apache-2.0 */
/* bank_tensors.h - the parts of a bank's file, for writing, reading and checking it. */
#ifndef DP_BANK_BANK_TENSORS_H
#define DP_BANK_BANK_TENSORS_H

#include "bank/bank.h"
#include "base/hash.h"
#include "format/safetensors.h"

#define FORMAT_KEY "dinopatch_bank"
#define FORMAT_VERSION 2              /* the version that is written; version 1 can be read, too */
#define BLOCK_BYTES ((size_t)1 << 20) /* bytes of features under one digest */
#define DIGEST_BYTES DP_DIGEST_BYTES
#define POSE_NUMBERS 11
#define PART_SINGLE 6 /* numbers of a reference beside its arrays */

/* In the order of the file. The recipe of a bank determines which of them it has: dp_recipe_has_tensor. */
enum {
    FEATURES,
    NORMS,
    SCALES,
    ROW_PICTURE,
    ROW_CELL,
    GRIDS,
    MEAN,
    BASIS,
    LAYER_NORM,
    VALID,
    ORIENTATION,
    POSES,
    POLARITIES,
    PICTURE_DIGESTS,
    LIGHT,
    BACKGROUND,
    ROI,
    LOO_SCORES,
    LOO_PEAKS,
    THRESHOLD,
    CELL_THRESHOLD,
    HEAT,
    DISTANCE_SCALES,
    PART_MEAN,
    PART_BASIS,
    PART_TURNED,
    PART_KNOWN,
    PART_FEATURES,
    PART_SLOPES,
    PART_WEIGHT,
    PART_NUMBERS,
    CHANNELS,
    MOMENT_COUNT,
    MOMENT_MEAN,
    MOMENT_SCATTER,
    VECTORS,
    DIGESTS,
    SEAL,
    N_TENSORS,
    PART_TENSORS = PART_NUMBERS - PART_MEAN + 1
};

const char *dp_bank_tensor_name(size_t t);
/* Returns whether the file of a bank with this recipe has the tensor in this version of the format. peaks: the peaks of
 * its pictures are known. */
bool dp_recipe_has_tensor(const dp_recipe *recipe, bool peaks, size_t t, int version);
/* Fills tensors with names, types and shapes for the sizes of the bank, also those that the bank does not have. */
void dp_bank_describe(const dp_bank *bank, dp_tensor tensors[N_TENSORS]);
size_t dp_tensor_bytes(const dp_tensor *tensor);
size_t dp_bank_feature_bytes(const dp_bank *bank);
/* Returns the number of blocks for so many bytes of features. */
size_t dp_block_count(size_t bytes);

/* The reference of the part that the file holds, sizes and values checked. Errors: DP_E_FORMAT, DP_E_MEMORY. */
dp_status dp_part_read(const dp_safetensors *file, const char *path, dp_reference **reference, dp_error *err);
/* data: what the tensors hold, its kinds side by side; freed by dp_part_pack_free.  reference NULL: NULLs.  Errors: DP_E_MEMORY. */
dp_status dp_part_pack(const dp_reference *reference, const dp_tensor tensors[PART_TENSORS], void *data[PART_TENSORS],
                       dp_error *err);
void dp_part_pack_free(void *data[PART_TENSORS]);

/* Other scoring options for a bank, with the scores of its pictures. */
typedef struct dp_bank_scored {
    const dp_recipe *recipe; /* the bank's recipe, except for the scoring options */
    const dp_levels *levels;
    const double *scores;       /* [n_pictures] */
    const double *peaks;        /* [n_pictures]; NULL: unknown */
    const dp_bank_share *share; /* only this share of the rows; NULL: all */
} dp_bank_scored;

/* The metadata that says which share of the rows a file holds; freed with dp_memory_free. NULL: no memory. */
char *dp_bank_share_text(const dp_bank_share *share, const dp_rows *rows);
/* Reads it: share, and of rows the grid, n_rows, first and held. Errors: DP_E_FORMAT. */
dp_status dp_bank_share_read(const char *text, const char *path, dp_bank_share *share, dp_rows *rows, dp_error *err);
/* Returns the first row of a share, counted over all cells, and their number in *n. */
size_t dp_bank_share_range(const dp_rows *rows, size_t index, size_t of, size_t *n);

/* Saves the bank as dp_bank_save does, with these scoring options and scores. */
dp_status dp_bank_save_scored(const dp_bank *bank, const dp_bank_scored *scored, const char *path, dp_error *err);

/* Computes the digests of a bank's features on all processors: digests [n_blocks, 32] (may be NULL). For a mapped bank
 * it compares them with those in the file, so that a damaged bank is not saved with correct checksums. Errors:
 * DP_E_CORRUPT, DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_bank_check_features(const dp_bank *bank, unsigned char *digests, dp_error *err);
/* The same of rows first .. first + n - 1 alone, counted over all cells: digests of blocks that begin with the first of
 * them. */
dp_status dp_bank_check_rows(const dp_bank *bank, size_t first, size_t n, unsigned char *digests, dp_error *err);
/* Checks the seal. The tensors `features` and `seal` must be there. Errors: DP_E_CORRUPT, DP_E_MEMORY. */
dp_status dp_bank_check_seal(const dp_safetensors *file, const char *path, dp_error *err);

#endif
