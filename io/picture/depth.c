/* SPDX-License-Identifier: Apache-2.0 */
/* depth.c - spreads the samples of 16-bit files so that white is white. */
#include "picture/depth.h"

#include <string.h>

dp_depth dp_depth_of(const dp_raster *raster)
{
    dp_depth depth = {.n = 1};
    dp_depth_add(&depth, raster->samples, raster->width_px * raster->height_px, raster->bands);
    return depth;
}

void dp_depth_spread(dp_raster *raster, size_t white, size_t *over)
{
    size_t most = raster->bits == 16 ? 65535 : 255, n = raster->width_px * raster->height_px, bands = raster->bands;
    size_t colours = bands == 4 || bands == 2 ? bands - 1 : bands;
    *over = 0;
    if (white == most || !white)
        return;
    uint16_t *deep = raster->samples;
    uint8_t *flat = raster->samples;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < colours; c++) {
            size_t at = i * bands + c, sample = most == 65535 ? deep[at] : flat[at];
            *over += sample > white;
            sample = dp_white_spread(sample, white, most);
            if (most == 65535)
                deep[at] = (uint16_t)sample;
            else
                flat[at] = (uint8_t)sample;
        }
}
