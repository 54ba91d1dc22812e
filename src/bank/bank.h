/* SPDX-License-Identifier: Apache-2.0 */
/* bank.h - the bank: the features of the good pictures, with their scores and thresholds.
 *
 * A builder (bank/builder.h) or a file (bank_file.c) makes a bank. From then on its rows and pictures do not change.
 * Scores and thresholds are computed once, before the bank is shared (score/leave_one_out.h). Then several threads may
 * read it. */
#ifndef DP_BANK_BANK_H
#define DP_BANK_BANK_H

#include "bank/bank_pictures.h"
#include "bank/moments.h"
#include "bank/rows.h"
#include "bank/scoring.h"
#include "options/choices.h"
#include "register/reference.h"

struct dp_safetensors;

/* A projection of features on fewer directions: basis (x - mean). */
typedef struct dp_pca {
    size_t dim_in, dim;
    float *mean;  /* [dim_in]; zeros if the second moments were taken about the origin */
    float *basis; /* [dim, dim_in] orthonormal, the direction with the largest share first; NULL: no projection */
    double kept;  /* share of the variance (of the second moment) that they keep; a bank's file does not hold it */
} dp_pca;

#define DP_BANK_LICENCE_BYTES 48
/* The checkpoint that made the features. */
typedef struct dp_bank_network {
    char *path; /* absolute path when the bank was made; empty: unknown */
    char sha256[65];
    char licence[DP_BANK_LICENCE_BYTES]; /* empty: unknown */
    bool stand_in;
} dp_bank_network;

/* The mapped file of an opened bank; all 0 in a bank that was built. */
typedef struct dp_bank_file {
    struct dp_safetensors *mapped;
    int version; /* format version; a saved bank always has the newest */
    char *path;
    const unsigned char *digests; /* [n_blocks, 32] SHA-256 of the blocks of features */
} dp_bank_file;

/* Which share of the rows of a bank a file holds: bank_share.c. */
typedef struct dp_bank_share {
    size_t index, of; /* index of them, from 1; of 0: the file holds all rows */
    char whole[65];   /* SHA-256 that seals the file of the whole bank */
} dp_bank_share;

struct dp_bank {
    dp_recipe recipe;     /* the canvas size is the one used, never "auto" */
    dp_choices choices;   /* what fit chose */
    dp_rows rows;         /* points into the file or the memory */
    dp_row_memory memory; /* NULL if the file is read in place */
    dp_moments moments;   /* with layout moments; else all 0 */
    int32_t *channels;    /* [dim_in] which numbers of a cell are kept, as recipe.channels asks; NULL: all */
    dp_pca projection;    /* of the features that the rows hold; dim_in: numbers of a picture's features */
    float *layer_norm;    /* [2, dim_in] shift and factor of the raw features, as recipe.layer_norm says; NULL: none */
    dp_bank_pictures pictures;
    dp_levels levels;
    dp_learning_curve learned; /* known when the bank was made; an opened bank knows only the drift; 0 or NaN:
                                * unknown */
    dp_roi *roi;               /* region to inspect, of the kind in recipe.roi: bank/roi_mask.h; NULL: none */
    float *orientation;        /* [2, dim_in] reference of the polarity (zeros: none), and the bias that is subtracted
                          * first */
    dp_reference *reference;   /* what the part looks like, with align=features; else NULL */
    size_t patch_px;           /* of the network; 0: unknown */
    bool patch_recorded;       /* false: derived from the grids of a bank of an earlier version */
    dp_bank_network model;
    dp_bank_file file;
    dp_bank_share share; /* then rows.held says which rows are here */
};

/* Fills the fields of rows that come from recipe, projection and file: dp_rows.name, blocks, pool, complete, centred,
 * mapped. */
void dp_bank_link_rows(dp_bank *bank);

/* Fills the moments of a bank of layout moments from its rows. Errors: DP_E_MEMORY. */
dp_status dp_bank_measure(dp_bank *bank, dp_pool *pool, dp_error *err);
/* Moves moments into the bank. */
void dp_bank_take_moments(dp_bank *bank, dp_moments *moments);
/* Frees the features of the pictures of a bank of layout moments that is being made. */
void dp_bank_drop_rows(dp_bank *bank);
/* Copies channels [dim_in]; false: no memory. */
bool dp_bank_set_channels(dp_bank *bank, const int32_t *channels);

/* Returns the bank's scoring options. */
static inline dp_scoring dp_bank_scoring(const dp_bank *bank)
{
    return dp_scoring_of_recipe(&bank->recipe, &bank->levels);
}

/* Returns whether the bank holds the features of each picture, so that it can be searched without one of them. */
static inline bool dp_bank_has_pictures(const dp_bank *bank)
{
    return bank->rows.complete;
}

/* Returns its name for messages. */
static inline const char *dp_bank_name(const dp_bank *bank)
{
    return bank->file.path ? bank->file.path : "the bank";
}

/* Returns the bank's recipe with the canvas of a grid of this size: if each picture has its own canvas (edge_px), that
 * of so many patches. The canvas is 0 if the patch is unknown. */
dp_recipe dp_bank_recipe_for(const dp_bank *bank, size_t rows, size_t cols);
/* Returns the background mask [cells] of a picture, without augmentations; NULL if inspected pictures are not
 * masked. */
const uint8_t *dp_bank_inspected_background(const dp_bank *bank, size_t picture);
/* Returns the bytes of a picture's masks. */
size_t dp_bank_background_bytes(const dp_bank *bank, size_t picture);
/* Returns the bytes of a finished bank's features, of their tables and of the projection. */
size_t dp_bank_held_bytes(const dp_bank *bank);

/* dp_bank_open for files that hold a share of a bank's rows, too. Such a bank can be searched, not changed. */
dp_status dp_bank_open_share(const char *path, dp_bank **bank, dp_error *err);
/* Returns DP_E_CORRUPT if the file of an opened bank was changed after opening: results from it cannot be trusted. */
dp_status dp_bank_check_unchanged(const dp_bank *bank, dp_error *err);

/* Returns whether square patches cut the canvas of a recipe into this grid. */
bool dp_bank_canvas_fits(const dp_recipe *recipe, size_t grid_rows, size_t grid_cols);
/* Returns whether text is 64 lower-case hexadecimal digits. */
bool dp_bank_is_sha256(const char *text);

/* Copies norm [2, dim_in]; false: no memory. */
bool dp_bank_set_layer_norm(dp_bank *bank, const float *norm);
/* Copies mean [dim_in] and basis [dim, dim_in], and frees what was in *to. False: no memory, and *to is empty. */
bool dp_pca_copy(const dp_pca *from, dp_pca *to);
void dp_pca_free(dp_pca *pca);

#endif
