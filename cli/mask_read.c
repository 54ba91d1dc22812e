/* SPDX-License-Identifier: Apache-2.0 */
/* mask_read.c - reads which pixels a file of ground truth marks. */
#include "mask_read.h"

#include <string.h>

bool cli_mask_unite(const char *path, size_t max_pixels, size_t height, size_t width, uint8_t *mask, dp_error *err)
{
    const dp_picture_options options = {.max_pixels = max_pixels};
    dp_picture_notes notes;
    uint8_t *read = NULL;
    size_t h, w;
    if (dp_mask_load(path, &options, &read, &h, &w, &notes, err))
        return false;
    bool fits = h == height && w == width;
    if (fits) {
        for (size_t i = 0; i < h * w; i++)
            mask[i] = mask[i] || read[i];
        if (notes.text[0])
            cli_complain("%s: %s", path, notes.text);
    } else {
        err->status = DP_E_MISMATCH;
        g_snprintf(err->message, sizeof err->message, "%s: the mask is %zux%zu, its picture %zux%zu", path, w, h, width,
                   height);
    }
    dp_memory_free(read);
    return fits;
}

void cli_mask_check(const char *picture, const uint8_t *mask, size_t pixels)
{
    if (!memchr(mask, 1, pixels))
        cli_complain("%s: is anomalous, but its mask marks no pixel, so none of its pixels counts as anomalous",
                     picture);
}
