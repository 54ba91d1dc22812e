/* SPDX-License-Identifier: Apache-2.0 */
/* bank_pictures.c - the table of the good pictures. */
#include "bank/bank_pictures.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

bool dp_bank_pictures_new(size_t room, dp_bank_pictures *pictures)
{
    *pictures = (dp_bank_pictures){
        .names = dp_calloc(room, sizeof *pictures->names),
        .poses = dp_calloc(room, sizeof *pictures->poses),
        .lights = dp_malloc(room, sizeof *pictures->lights),
        .polarities = dp_calloc(room, 1),
        .digests = dp_calloc(room, DP_DIGEST_BYTES),
        .regions = dp_malloc(room, sizeof *pictures->regions),
        .loo_scores = dp_malloc(room, sizeof *pictures->loo_scores),
        .loo_peaks = dp_malloc(room, sizeof *pictures->loo_peaks),
    };
    if (pictures->names && pictures->poses && pictures->lights && pictures->polarities && pictures->digests
        && pictures->regions && pictures->loo_scores && pictures->loo_peaks) {
        for (size_t p = 0; p < room; p++)
            pictures->regions[p].x0_px = NAN;
        return true;
    }
    dp_bank_pictures_free(pictures);
    return false;
}

void dp_bank_pictures_free(dp_bank_pictures *pictures)
{
    while (pictures->n)
        dp_bank_pictures_take_back(pictures);
    dp_memory_free(pictures->names);
    dp_memory_free(pictures->poses);
    dp_memory_free(pictures->lights);
    dp_memory_free(pictures->polarities);
    dp_memory_free(pictures->digests);
    dp_memory_free(pictures->regions);
    dp_memory_free(pictures->background);
    dp_memory_free(pictures->vectors);
    dp_memory_free(pictures->loo_scores);
    dp_memory_free(pictures->loo_peaks);
    *pictures = (dp_bank_pictures){0};
}

bool dp_bank_pictures_add(dp_bank_pictures *pictures, const char *name, const dp_pose *pose)
{
    size_t p = pictures->n;
    char *copy = dp_strdup(name);
    if (!copy)
        return false;
    pictures->names[p] = copy;
    pictures->poses[p] = *pose;
    pictures->lights[p] = (dp_light)DP_NO_LIGHT;
    pictures->polarities[p] = 1;
    pictures->regions[p].x0_px = NAN;
    pictures->loo_scores[p] = pictures->loo_peaks[p] = NAN;
    pictures->n++;
    return true;
}

bool dp_bank_pictures_copy(const dp_bank_pictures *from, size_t picture, size_t mask_bytes, size_t room,
                           dp_bank_pictures *pictures)
{
    size_t p = pictures->n;
    if (!dp_bank_pictures_add(pictures, from->names[picture], &from->poses[picture]))
        return false;
    pictures->lights[p] = from->lights[picture];
    pictures->polarities[p] = from->polarities[picture];
    pictures->regions[p] = from->regions[picture];
    memcpy(pictures->digests + p * DP_DIGEST_BYTES, from->digests + picture * DP_DIGEST_BYTES, DP_DIGEST_BYTES);
    pictures->loo_scores[p] = from->loo_scores[picture];
    pictures->loo_peaks[p] = from->loo_peaks[picture];
    if (from->vectors && !pictures->vectors && !dp_bank_pictures_new_vectors(pictures, from->n_vector, room))
        return false;
    if (from->vectors)
        memcpy(pictures->vectors + p * from->n_vector, from->vectors + picture * from->n_vector,
               from->n_vector * sizeof *from->vectors);
    if (!from->background)
        return true;
    if (!pictures->background && !dp_bank_pictures_new_backgrounds(pictures, room))
        return false;
    if (!from->background[picture])
        return true;
    if (!(pictures->background[p] = dp_malloc(mask_bytes, 1)))
        return false;
    memcpy(pictures->background[p], from->background[picture], mask_bytes);
    return true;
}

void dp_bank_pictures_take_back(dp_bank_pictures *pictures)
{
    size_t p = --pictures->n;
    dp_memory_free(pictures->names[p]);
    pictures->names[p] = NULL;
    if (!pictures->background)
        return;
    dp_memory_free(pictures->background[p]);
    pictures->background[p] = NULL;
}

bool dp_bank_pictures_new_backgrounds(dp_bank_pictures *pictures, size_t room)
{
    pictures->background = dp_calloc(room, sizeof *pictures->background);
    return pictures->background != NULL;
}

bool dp_bank_pictures_new_vectors(dp_bank_pictures *pictures, size_t n_vector, size_t room)
{
    size_t n;
    pictures->n_vector = n_vector;
    pictures->vectors = dp_mul_size(n_vector, room, &n) ? dp_calloc(n, sizeof *pictures->vectors) : NULL;
    return pictures->vectors != NULL;
}

const unsigned char *dp_bank_pictures_digest(const dp_bank_pictures *pictures, size_t picture)
{
    static const unsigned char unknown[DP_DIGEST_BYTES];
    const unsigned char *digest = pictures->digests + picture * DP_DIGEST_BYTES;
    return memcmp(digest, unknown, sizeof unknown) != 0 ? digest : NULL;
}

void dp_masks_mirror(uint8_t *masks, size_t n, size_t rows, size_t cols)
{
    for (size_t r = 0; r < n * rows; r++)
        for (size_t c = 0; c < cols / 2; c++) {
            uint8_t *a = masks + r * cols + c, *b = masks + r * cols + cols - 1 - c, keep = *a;
            *a = *b;
            *b = keep;
        }
}
