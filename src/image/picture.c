/* SPDX-License-Identifier: Apache-2.0 */
/* picture.c - pictures in memory. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/experimental.h"

#include <string.h>

dp_status dp_picture_new(size_t width_px, size_t height_px, dp_picture **out, dp_error *err)
{
    size_t pixels, bytes;
    if (!width_px || !height_px || !dp_mul_size(width_px, height_px, &pixels) || !dp_mul_size(pixels, 3, &bytes))
        return dp_fail(err, DP_E_ARGUMENT, "a picture of %zux%zu pixels is empty or too large", width_px, height_px);
    dp_picture *picture = dp_calloc(1, sizeof *picture);
    uint8_t *rgb = dp_calloc(pixels, 3);
    if (!picture || !rgb) {
        dp_memory_free(picture);
        dp_memory_free(rgb);
        return dp_fail_memory(err, "a picture", bytes);
    }
    *picture = (dp_picture){.width_px = width_px, .height_px = height_px, .rgb = rgb};
    *out = picture;
    return DP_OK;
}

void dp_picture_free(dp_picture **picture)
{
    if (!picture || !*picture)
        return;
    dp_memory_free((*picture)->rgb);
    dp_memory_free(*picture);
    *picture = NULL;
}
