/* SPDX-License-Identifier: Apache-2.0 */
/* save.c - writes pictures and maps to files, whole or not at all: libvips encodes into memory, and the writer of
 * base/file.h writes the bytes. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/vips.h"

#include <limits.h>
#include <vips/vips.h>

enum encoding { PNG, TIFF, JPEG };

#define JPEG_QUALITY 82

/* samples [height, width, bands]. */
static dp_status save(const void *samples, size_t height, size_t width, size_t bands, VipsBandFormat format,
                      enum encoding encoding, const char *path, dp_error *err)
{
    dp_status status = dp_vips_start(err);
    if (status != DP_OK)
        return status;
    size_t pixels, bytes;
    if (!samples || !height || !width || height > INT_MAX || width > INT_MAX || !dp_mul_size(height, width, &pixels)
        || !dp_mul_size(pixels, bands * vips_format_sizeof(format), &bytes))
        return dp_fail(err, DP_E_ARGUMENT, "%s: cannot write a picture of %zux%zu pixels", path, width, height);
    vips_error_clear();
    VipsImage *image = vips_image_new_from_memory(samples, bytes, (int)width, (int)height, (int)bands, format);
    void *encoded = NULL;
    size_t encoded_bytes = 0;
    int result = -1;
    if (image && encoding == PNG)
        result = vips_pngsave_buffer(image, &encoded, &encoded_bytes, "compression", 2, "filter",
                                     VIPS_FOREIGN_PNG_FILTER_ALL, NULL);
    else if (image && encoding == JPEG)
        result =
            vips_jpegsave_buffer(image, &encoded, &encoded_bytes, "Q", JPEG_QUALITY, "optimize_coding", TRUE, NULL);
    else if (image)
        result = vips_tiffsave_buffer(image, &encoded, &encoded_bytes, "compression",
                                      VIPS_FOREIGN_TIFF_COMPRESSION_NONE, NULL);
    if (result) {
        char reason[200];
        dp_vips_reason(reason, sizeof reason);
        status = dp_fail(err, DP_E_MEMORY, "%s: cannot encode the picture: %s", path, reason);
    } else {
        status = dp_file_write(path, encoded, encoded_bytes, err);
    }
    if (image)
        g_object_unref(image);
    g_free(encoded);
    return status;
}

dp_status dp_picture_save_png(const dp_picture *picture, const char *path, dp_error *err)
{
    return save(picture->rgb, picture->height_px, picture->width_px, 3, VIPS_FORMAT_UCHAR, PNG, path, err);
}

dp_status dp_picture_save_jpeg(const dp_picture *picture, const char *path, dp_error *err)
{
    return save(picture->rgb, picture->height_px, picture->width_px, 3, VIPS_FORMAT_UCHAR, JPEG, path, err);
}

dp_status dp_gray_save_png(const uint8_t *gray, size_t height, size_t width, const char *path, dp_error *err)
{
    return save(gray, height, width, 1, VIPS_FORMAT_UCHAR, PNG, path, err);
}

/* Maps are not compressed: deflate saves little on their mantissas, and every reader can read uncompressed files. */
dp_status dp_map_save_tiff(const float *map, size_t height, size_t width, const char *path, dp_error *err)
{
    return save(map, height, width, 1, VIPS_FORMAT_FLOAT, TIFF, path, err);
}
