/* SPDX-License-Identifier: Apache-2.0 */
/* bank_pictures.h - the data of a bank about its good pictures, apart from their features. */
#ifndef DP_BANK_BANK_PICTURES_H
#define DP_BANK_BANK_PICTURES_H

#include "base/hash.h"
#include "dinopatch/experimental.h"
#include "image/light.h"

#include <stdbool.h>

#define DP_DIGEST_BYTES DP_SHA256_BYTES

typedef struct dp_bank_pictures {
    size_t n;
    char **names;           /* [n] as given to fit; any bytes */
    dp_pose *poses;         /* [n] */
    dp_light *lights;       /* [n] of the decoded pictures; show which pictures have no light; NaN: unknown */
    int8_t *polarities;     /* [n] sign of the consensus for the picture: +1, -1 (mirrored or turned), 0 */
    unsigned char *digests; /* [n, 32] dp_picture_digest of each; zeros: unknown (a bank of version 1) */
    dp_box *regions;        /* [n] only this part of it was added, in its pixels; x0_px NaN: all of it */
    uint8_t **background;   /* [n] of [versions, cells of its grid] 1: background; NULL: no mask */
    size_t n_vector;        /* numbers of a picture's vector (dp_recipe_vector_dim) */
    float *vectors;         /* [n, n_vector]; NULL: none */
    double *loo_scores;     /* [n] leave-one-out scores; NaN: none */
    double *loo_peaks;      /* [n] largest distance in each leave-one-out map as delivered; NaN: none */
    bool peaks_known;       /* loo_peaks are known: not in a bank of an earlier version */
} dp_bank_pictures;

/* Makes an empty table with room for so many pictures. Unknown values are zeros, scores NaN. False: no memory. */
bool dp_bank_pictures_new(size_t room, dp_bank_pictures *pictures);
void dp_bank_pictures_free(dp_bank_pictures *pictures);
/* Adds a picture, for which there must be room; copies name and pose. False: no memory. */
bool dp_bank_pictures_add(dp_bank_pictures *pictures, const char *name, const dp_pose *pose);
/* Adds a picture of another table, with its mask of mask_bytes if `from` has masks. False: no memory. */
bool dp_bank_pictures_copy(const dp_bank_pictures *from, size_t picture, size_t mask_bytes, size_t room,
                           dp_bank_pictures *pictures);
/* Removes the last picture. */
void dp_bank_pictures_take_back(dp_bank_pictures *pictures);
/* Makes empty masks for a table with this much room. False: no memory. */
bool dp_bank_pictures_new_backgrounds(dp_bank_pictures *pictures, size_t room);
/* Makes vectors of zeros for a table with this much room. False: no memory. */
bool dp_bank_pictures_new_vectors(dp_bank_pictures *pictures, size_t n_vector, size_t room);
/* Returns the digest [32] of a picture; NULL: unknown. */
const unsigned char *dp_bank_pictures_digest(const dp_bank_pictures *pictures, size_t picture);

/* Reverses the columns of masks [n, rows, cols]. */
void dp_masks_mirror(uint8_t *masks, size_t n, size_t rows, size_t cols);

#endif
