/* SPDX-License-Identifier: Apache-2.0 */
/* bank_pictures.h - what a bank knows of its good pictures beside their features. */
#ifndef DP_BANK_BANK_PICTURES_H
#define DP_BANK_BANK_PICTURES_H

#include "base/hash.h"
#include "dinopatch/experimental.h"
#include "image/light.h"

#include <stdbool.h>

#define DP_DIGEST_BYTES DP_SHA256_BYTES

typedef struct dp_bank_pictures {
    size_t n;
    char **names;           /* [n] as given to fit, any bytes */
    dp_pose *poses;         /* [n] */
    dp_light *lights;       /* [n] of the decoded pictures, by which frames without light are told; NaN: not known */
    int8_t *polarities;     /* [n] sign the consensus gave the picture: +1, -1 (mirrored or turned), 0 */
    unsigned char *digests; /* [n, 32] dp_picture_digest of each; zeros: not known (a bank of version 1) */
    uint8_t **background;   /* [n] of [versions, cells of its grid] 1: background; NULL: not masked */
    double *loo_scores;     /* [n] leave-one-out scores, NaN where there is none */
    double *loo_peaks; /* [n] largest distances in their leave-one-out maps as delivered, NaN where there is none */
    bool peaks_known;  /* loo_peaks were found: not in a bank of an earlier version */
} dp_bank_pictures;

/* An empty table with room for so many; what is not known of a picture is zeros, its scores NaN.  false: no memory. */
bool dp_bank_pictures_new(size_t room, dp_bank_pictures *pictures);
void dp_bank_pictures_free(dp_bank_pictures *pictures);
/* The next picture, for which there is room; name and pose copied.  false: no memory. */
bool dp_bank_pictures_add(dp_bank_pictures *pictures, const char *name, const dp_pose *pose);
/* The next picture is one of another table, with its mask of that many bytes where `from` has masks.  false: no memory.
 * */
bool dp_bank_pictures_copy(const dp_bank_pictures *from, size_t picture, size_t mask_bytes, size_t room,
                           dp_bank_pictures *pictures);
/* Forgets the last one. */
void dp_bank_pictures_take_back(dp_bank_pictures *pictures);
/* Masks for a table with that much room, all of them empty.  false: no memory. */
bool dp_bank_pictures_new_backgrounds(dp_bank_pictures *pictures, size_t room);
/* The digest of a picture [32]; NULL: not known. */
const unsigned char *dp_bank_pictures_digest(const dp_bank_pictures *pictures, size_t picture);

/* masks [n, rows, cols], their columns in reverse order. */
void dp_masks_mirror(uint8_t *masks, size_t n, size_t rows, size_t cols);

#endif
