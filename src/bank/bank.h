/* SPDX-License-Identifier: Apache-2.0 */
/* bank.h - the bank: the features of the good pictures, and what was found with them.
 *
 * A bank comes out of a builder (bank/builder.h) or a file (bank_file.c).  Its rows and pictures stay as they are from
 * then on; scores and levels are found once, before the bank is shared (score/leave_one_out.h).  Then several threads may
 * read it. */
#ifndef DP_BANK_BANK_H
#define DP_BANK_BANK_H

#include "bank/bank_pictures.h"
#include "bank/rows.h"
#include "bank/scoring.h"
#include "options/choices.h"

struct dp_safetensors;

/* Features seen along fewer directions: basis (x - mean). */
typedef struct dp_pca {
    size_t dim_in, dim;
    float *mean;  /* [dim_in]; zeros where the second moments were taken about the origin */
    float *basis; /* [dim, dim_in] orthonormal, the direction of the largest share first; NULL: features stay as they
                     are */
    double kept;  /* share of the variance (of the second moment) along them; not kept in a bank */
} dp_pca;

#define DP_BANK_LICENCE_BYTES 48
/* The checkpoint that made the features. */
typedef struct dp_bank_network {
    char *path; /* absolute path when the bank was made; empty: not known */
    char sha256[65];
    char licence[DP_BANK_LICENCE_BYTES]; /* empty: not known */
    bool stand_in;
} dp_bank_network;

/* The mapped file of an opened bank; all of it 0 in a bank that was built. */
typedef struct dp_bank_file {
    struct dp_safetensors *mapped;
    int version; /* of the format; saved is always the newest */
    char *path;
    const unsigned char *digests; /* [n_blocks, 32] SHA-256 of the blocks of features */
} dp_bank_file;

struct dp_bank {
    dp_recipe recipe;     /* canvas sizes as they were used, never "auto" */
    dp_choices choices;   /* what fit chose */
    dp_rows rows;         /* point into the file or the memory */
    dp_row_memory memory; /* NULL where the file is read in place */
    dp_pca projection;    /* of the features on the rows; dim_in: numbers of a picture's features */
    float *
        layer_norm; /* [2, dim_in] shift and factor of the features as the network gives them, as recipe.layer_norm says;
                             NULL: none */
    dp_bank_pictures pictures;
    dp_levels levels;
    dp_learning_curve learned; /* as the bank was made; an opened one knows the drift alone, 0 or NaN: not known */
    dp_roi *roi;               /* region to inspect, as recipe.roi says: bank/roi_mask.h; NULL: none */
    float *orientation;  /* [2, dim_in] reference of the polarity (zeros: none), and the bias taken off before it is
                            asked */
    size_t patch_px;     /* of the network; 0: not known */
    bool patch_recorded; /* else it was guessed from the grids of a bank of an earlier version */
    dp_bank_network model;
    dp_bank_file file;
};

/* What the rows are, from recipe, projection and file: dp_rows.name, blocks, pool, complete, centred, mapped. */
void dp_bank_link_rows(dp_bank *bank);

/* Its way of scoring. */
static inline dp_scoring dp_bank_scoring(const dp_bank *bank)
{
    return dp_scoring_of_recipe(&bank->recipe, &bank->levels);
}

/* Whether the features of each picture are in the bank, so that it can be searched with each left out. */
static inline bool dp_bank_has_pictures(const dp_bank *bank)
{
    return bank->rows.complete;
}

/* What errors call it. */
static inline const char *dp_bank_name(const dp_bank *bank)
{
    return bank->file.path ? bank->file.path : "the bank";
}

/* The bank's recipe with the canvas that a grid of that size divides: where each picture has its own (edge_px) that of
 * so many patches. Canvas 0 where the patch is not known. */
dp_recipe dp_bank_recipe_for(const dp_bank *bank, size_t rows, size_t cols);
/* The background in a picture as it is [cells]; NULL where pictures are not masked when they are inspected. */
const uint8_t *dp_bank_inspected_background(const dp_bank *bank, size_t picture);
/* Bytes of a picture's masks. */
size_t dp_bank_background_bytes(const dp_bank *bank, size_t picture);
/* Bytes of the features of a finished bank, of their tables and the projection. */
size_t dp_bank_held_bytes(const dp_bank *bank);

/* DP_E_CORRUPT where the file of an opened bank was written to since: figures made from it cannot be trusted. */
dp_status dp_bank_check_unchanged(const dp_bank *bank, dp_error *err);

/* How many blocks the rows of a recipe keep apart: 1 where they were averaged, concatenated or are one. */
size_t dp_recipe_blocks(const dp_recipe *recipe);
/* Whether the canvas of a recipe is cut into that grid by square patches. */
bool dp_bank_canvas_fits(const dp_recipe *recipe, size_t grid_rows, size_t grid_cols);
/* 64 lower-case hexadecimal digits. */
bool dp_bank_is_sha256(const char *text);

/* norm [2, dim_in] is copied; false: no memory. */
bool dp_bank_set_layer_norm(dp_bank *bank, const float *norm);
/* mean [dim_in], basis [dim, dim_in] are copied, whatever was in *to is freed; false: no memory, and *to is empty. */
bool dp_pca_copy(const dp_pca *from, dp_pca *to);
void dp_pca_free(dp_pca *pca);

#endif
