/* SPDX-License-Identifier: Apache-2.0 */
/* bank_tensors.h - what the file of a bank consists of, for writing, reading and checking it. */
#ifndef DP_BANK_BANK_TENSORS_H
#define DP_BANK_BANK_TENSORS_H

#include "bank/bank.h"
#include "base/hash.h"
#include "format/safetensors.h"

#define FORMAT_KEY "dinopatch_bank"
#define FORMAT_VERSION 2              /* that is written; version 1 is read, too */
#define BLOCK_BYTES ((size_t)1 << 20) /* of features under one digest */
#define DIGEST_BYTES DP_DIGEST_BYTES
#define POSE_NUMBERS 11

/* In the order of the file.  Which of them a bank has its recipe says: dp_recipe_has_tensor. */
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
    DIGESTS,
    SEAL,
    N_TENSORS
};

const char *dp_bank_tensor_name(size_t t);
/* Whether the file of a bank of that recipe has the tensor, in that version of the format; peaks: those of its pictures
 * are known. */
bool dp_recipe_has_tensor(const dp_recipe *recipe, bool peaks, size_t t, int version);
/* Names, types and shapes of all tensors at the bank's sizes, those included that it does not have. */
void dp_bank_describe(const dp_bank *bank, dp_tensor tensors[N_TENSORS]);
size_t dp_tensor_bytes(const dp_tensor *tensor);
size_t dp_bank_feature_bytes(const dp_bank *bank);
/* Blocks of so many bytes of features. */
size_t dp_block_count(size_t bytes);

/* Another way of scoring for a bank, and what its pictures show in it. */
typedef struct dp_bank_scored {
    const dp_recipe *recipe; /* the bank's, but for the scoring */
    const dp_levels *levels;
    const double *scores; /* [n_pictures] */
    const double *peaks;  /* [n_pictures]; NULL: not known */
} dp_bank_scored;

/* dp_bank_save as if the bank were scored so. */
dp_status dp_bank_save_scored(const dp_bank *bank, const dp_bank_scored *scored, const char *path, dp_error *err);

/* Digests of a bank's features into digests [n_blocks, 32] (may be NULL), on all processors.  A mapped bank's are
 * compared with what its file says, so that a damaged bank is not written anew under checksums that hold.  Errors:
 * DP_E_CORRUPT, DP_E_NUMERIC, DP_E_MEMORY. */
dp_status dp_bank_check_features(const dp_bank *bank, unsigned char *digests, dp_error *err);
/* Whether the seal holds; the tensors `features` and `seal` are there.  Errors: DP_E_CORRUPT, DP_E_MEMORY. */
dp_status dp_bank_check_seal(const dp_safetensors *file, const char *path, dp_error *err);

#endif
