/* SPDX-License-Identifier: Apache-2.0 */
/* image.c - from the formats of cameras and other libraries to 8-bit RGB.
 *
 * Gray becomes three equal channels. 16-bit samples are spread so that white becomes 65535, and divided by 257 with
 * rounding, as those of files are. */
#include "image/image.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

static size_t samples_of(const dp_image *image)
{
    return image->format == DP_GRAY8 || image->format == DP_GRAY16 ? 1 : 3;
}

bool dp_image_is_deep(const dp_image *image)
{
    return image->format == DP_GRAY16 || image->format == DP_RGB16;
}

size_t dp_image_row_bytes(const dp_image *image)
{
    return image->width * samples_of(image) * (dp_image_is_deep(image) ? 2 : 1);
}

dp_status dp_image_take(const dp_image *image, size_t max_pixels, dp_image *own, dp_error *err)
{
    size_t pixels, bytes;
    *own = (dp_image){0};
    if (!image || image->size < offsetof(dp_image, white))
        return dp_fail(err, DP_E_ARGUMENT, "an image whose `size` is not set: dp_image image = {sizeof image}");
    memcpy(own, image, image->size < sizeof *own ? image->size : sizeof *own);
    if (!own->pixels || !own->width || !own->height)
        return dp_fail(err, DP_E_ARGUMENT, "an image without pixels (%zux%zu)", own->width, own->height);
    if ((unsigned)own->format > DP_RGB16)
        return dp_fail(err, DP_E_ARGUMENT, "an image of an unknown format, %d", (int)own->format);
    if (!dp_mul_size(own->width, own->height, &pixels) || !dp_mul_size(pixels, 6, &bytes)
        || (max_pixels && pixels > max_pixels))
        return dp_fail(err, DP_E_PICTURE, "an image of %zux%zu pixels: more than the limit of %zu (max_picture_pixels)",
                       own->width, own->height, max_pixels);
    size_t row = dp_image_row_bytes(own);
    own->stride_bytes = own->stride_bytes ? own->stride_bytes : row;
    if (own->stride_bytes < row || !dp_mul_size(own->stride_bytes, own->height, &bytes))
        return dp_fail(err, DP_E_ARGUMENT, "an image of %zu pixels a row needs %zu bytes for it, its stride is %zu",
                       own->width, row, own->stride_bytes);
    if (dp_image_is_deep(own) && (((uintptr_t)own->pixels | own->stride_bytes) & 1))
        return dp_fail(err, DP_E_ARGUMENT, "an image of 16-bit samples: its rows must lie at even addresses");
    if (own->white > 65535)
        return dp_fail(err, DP_E_ARGUMENT, "an image whose white is %zu: the largest sample of 16 bits is 65535",
                       own->white);
    return DP_OK;
}

uint8_t *dp_image_as_rgb(const dp_image *image)
{
    bool as_is = image->format == DP_RGB8 && image->stride_bytes == dp_image_row_bytes(image);
    return as_is ? (uint8_t *)(uintptr_t)image->pixels : NULL; /* only read */
}

static const uint8_t *row_of(const dp_image *image, size_t y)
{
    return (const uint8_t *)image->pixels + y * image->stride_bytes;
}

void dp_image_add_depth(const dp_image *image, dp_depth *depth)
{
    for (size_t y = 0; y < image->height; y++)
        dp_depth_add(depth, (const void *)row_of(image, y), image->width, samples_of(image));
    depth->n++;
}

/* Most rows are much of one colour, so the last sample's result is kept. */
static void convert_deep(const dp_image *image, size_t white, uint8_t *rgb)
{
    size_t n = image->width * samples_of(image), each = samples_of(image) == 1 ? 3 : 1, last = 0;
    uint8_t result = 0;
    for (size_t y = 0; y < image->height; y++) {
        const uint16_t *row = (const void *)row_of(image, y);
        for (size_t i = 0; i < n; i++) {
            size_t sample = row[i];
            if (sample != last) {
                result = dp_white_to_8(dp_white_spread(sample, white, 65535));
                last = sample;
            }
            for (size_t c = 0; c < each; c++)
                *rgb++ = result;
        }
    }
}

static void convert_flat(const dp_image *image, uint8_t *restrict rgb)
{
    size_t width = image->width;
    for (size_t y = 0; y < image->height; y++, rgb += 3 * width) {
        const uint8_t *restrict row = row_of(image, y);
        if (image->format == DP_RGB8) {
            memcpy(rgb, row, 3 * width);
        } else if (image->format == DP_BGR8) {
            for (size_t x = 0; x < width; x++) {
                rgb[3 * x] = row[3 * x + 2];
                rgb[3 * x + 1] = row[3 * x + 1];
                rgb[3 * x + 2] = row[3 * x];
            }
        } else {
            for (size_t x = 0; x < width; x++)
                rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = row[x];
        }
    }
}

void dp_image_convert(const dp_image *image, size_t white, uint8_t *rgb)
{
    if (!dp_image_is_deep(image)) {
        convert_flat(image, rgb);
        return;
    }
    if (!white) {
        dp_depth depth = {0};
        dp_image_add_depth(image, &depth);
        white = dp_depth_white(&depth);
    }
    convert_deep(image, white, rgb);
}
