/* SPDX-License-Identifier: Apache-2.0 */
/* map_file.c - reads distance maps from TIFF files with one channel of float32. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/load.h"

#include <string.h>

#define MAX_MAP_PIXELS ((size_t)1 << 28)

#define NO_MAP "is not a distance map: it must have one channel of float32"

struct map_sink {
    const char *path;
    float *map;
    size_t width;
};

static dp_status begin_map(void *user, struct dp_decoding *d, dp_error *err)
{
    struct map_sink *m = user;
    size_t height = (size_t)vips_image_get_height(d->image);
    m->width = (size_t)vips_image_get_width(d->image);
    if (vips_image_get_bands(d->image) != 1 || vips_image_get_format(d->image) != VIPS_FORMAT_FLOAT)
        return dp_fail(err, DP_E_PICTURE, "%s: " NO_MAP, m->path);
    dp_memory_free(m->map);
    m->map = dp_malloc_2d(height, m->width, sizeof(float));
    return m->map ? DP_OK : dp_fail_memory(err, "a map", height * m->width * sizeof(float));
}

static dp_status map_rows(void *user, VipsRegion *region, size_t y, size_t n, dp_error *err)
{
    (void)err;
    struct map_sink *m = user;
    for (size_t j = 0; m->map && j < n; j++)
        memcpy(m->map + (y + j) * m->width, VIPS_REGION_ADDR(region, 0, (int)(y + j)), m->width * sizeof(float));
    return DP_OK;
}

dp_status dp_map_load_tiff(const char *path, float **map, size_t *height, size_t *width, dp_error *err)
{
    const dp_picture_options options = {.max_pixels = MAX_MAP_PIXELS};
    struct map_sink m = {.path = path};
    const struct dp_sink sink = {begin_map, map_rows, &m, NO_MAP};
    struct dp_decoding d;
    const dp_stored stored = dp_stored_file(path);
    dp_status status = dp_decode(&stored, &options, &sink, &d, NULL, err);
    if (!status) {
        *map = m.map;
        *height = (size_t)vips_image_get_height(d.image);
        *width = m.width;
        m.map = NULL;
    }
    dp_memory_free(m.map);
    dp_decoding_close(&d);
    return status;
}
