/* load.c - any picture a camera or a laboratory writes, as 8-bit sRGB.
 *
 *     file -> libvips decoder -> profile or CMYK to sRGB -> 8 bit -> alpha over black -> EXIF orientation -> rgb
 *
 * The decoder is asked for the header first; a picture over the limit is refused before a pixel is decoded.  Then the rows
 * are pulled through in order, ROWS at a time, on the calling thread: beside the result only a few rows are in memory
 * (interlaced PNGs and progressive JPEGs are kept whole by their decoders).
 *
 * How numbers become 8 bit (c the sample, a its alpha, 1 where there is none):
 *     8 bit   round(c a / 255)          16 bit   round(c a / (65535 * 257)), which is c / 257 without alpha
 *     float   round(255 c a), c and a within [0, 1] */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "dinopatch.h"
#include "picture/vips.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vips/vips.h>

#define ROWS 64
#define REASON_BYTES 200
#define MAX_MAP_PIXELS ((size_t)1 << 28)

/* A picture whose pixels are still to be written. */
static dp_status picture_make(size_t width_px, size_t height_px, dp_picture **out, dp_error *err)
{
    size_t pixels, bytes;
    if (!width_px || !height_px || !dp_mul_size(width_px, height_px, &pixels) || !dp_mul_size(pixels, 3, &bytes))
        return dp_fail(err, DP_E_ARGUMENT, "a picture of %zux%zu pixels", width_px, height_px);
    dp_picture *picture = dp_calloc(1, sizeof *picture);
    uint8_t *rgb = dp_malloc(pixels, 3);
    if (!picture || !rgb) {
        dp_memory_free(picture);
        dp_memory_free(rgb);
        return dp_fail_memory(err, "a picture", bytes);
    }
    picture->width_px = width_px;
    picture->height_px = height_px;
    picture->rgb = rgb;
    *out = picture;
    return DP_OK;
}

dp_status dp_picture_new(size_t width_px, size_t height_px, dp_picture **picture, dp_error *err)
{
    dp_status status = picture_make(width_px, height_px, picture, err);
    if (status == DP_OK)
        memset((*picture)->rgb, 0, 3 * width_px * height_px);
    return status;
}

void dp_picture_free(dp_picture **picture)
{
    if (!picture || !*picture)
        return;
    dp_memory_free((*picture)->rgb);
    dp_memory_free(*picture);
    *picture = NULL;
}

/* ------------------------------------------------------------------------------------------------------------ opening */

/* An open, readable, non-empty regular file. */
static dp_status open_file(const char *path, int *descriptor, dp_error *err)
{
    int fd = dp_open_to_read(path);
    if (fd < 0)
        return dp_fail_errno(err, "%s: cannot open", path);
    struct stat st;
    dp_status status = DP_OK;
    if (fstat(fd, &st) != 0)
        status = dp_fail_errno(err, "%s: cannot read its size", path);
    else if (S_ISDIR(st.st_mode))
        status = dp_fail(err, DP_E_IO, "%s: is a folder, not a picture", path);
    else if (!S_ISREG(st.st_mode))
        status = dp_fail(err, DP_E_IO, "%s: is not a regular file", path);
    else if (st.st_size == 0)
        status = dp_fail(err, DP_E_PICTURE, "%s: is empty", path);
    if (status != DP_OK) {
        close(fd);
        return status;
    }
    *descriptor = fd;
    return DP_OK;
}

/* libvips also reads documents, drawings, tables and microscope slides; here only pictures with pixels are let in.
 * ImageMagick, which takes almost anything for a picture, serves BMP alone. */
static bool is_allowed(const char *loader, const unsigned char *head, size_t bytes)
{
    static const char *const kinds[] = {"Jpeg", "Png", "Tiff", "Webp", "Nsgif", "Gif", "Heif", "Jxl", "Jp2k", "Ppm", "Rad",
                                        "Openexr", "Fits"};
    const char *prefix = "VipsForeignLoad";
    if (strncmp(loader, prefix, strlen(prefix)) != 0)
        return false;
    const char *kind = loader + strlen(prefix);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(kind, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return strncmp(kind, "Magick", 6) == 0 && bytes >= 2 && head[0] == 'B' && head[1] == 'M';
}

/* The header is read, no pixel yet.  The image keeps the file open. */
static dp_status open_image(const char *path, VipsImage **image, dp_error *err)
{
    int fd = -1;
    dp_status status = open_file(path, &fd, err);
    if (status != DP_OK)
        return status;
    unsigned char head[2];
    ssize_t got = pread(fd, head, sizeof head, 0);
    vips_error_clear();
    VipsSource *source = vips_source_new_from_descriptor(fd); /* works on a copy of the descriptor */
    close(fd);
    const char *loader = source ? vips_foreign_find_load_source(source) : NULL;
    if (!loader && source) /* a format without a streaming reader: BMP */
        loader = got == 2 && head[0] == 'B' && head[1] == 'M' ? "VipsForeignLoadMagick" : NULL;
    VipsImage *opened = NULL;
    char reason[REASON_BYTES];
    if (!loader || !is_allowed(loader, head, got < 0 ? 0 : (size_t)got)) {
        vips_error_clear();
        status = dp_fail(err, DP_E_PICTURE, "%s: is not a picture of a known format", path);
    } else {
        opened = vips_image_new_from_source(source, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
        if (!opened) {
            dp_vips_reason(reason, sizeof reason);
            status = dp_fail(err, DP_E_PICTURE, "%s: cannot be decoded: %s", path, reason);
        }
    }
    if (source)
        g_object_unref(source);
    if (status == DP_OK)
        *image = opened;
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- colour */

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whether an ICC profile's description says sRGB.  Such a profile needs no conversion, and a conversion would change values
 * by one here and there.  The description is ASCII (version 2) or UTF-16 (version 4). */
static bool profile_is_srgb(const unsigned char *profile, size_t bytes)
{
    if (bytes < 132)
        return false;
    uint32_t tags = big_endian(profile + 128);
    for (uint32_t i = 0; i < tags && 132 + 12 * ((size_t)i + 1) <= bytes; i++) {
        const unsigned char *tag = profile + 132 + 12 * (size_t)i;
        size_t offset = big_endian(tag + 4), size = big_endian(tag + 8);
        if (memcmp(tag, "desc", 4) != 0 || offset > bytes || size > bytes - offset)
            continue;
        char text[128];
        size_t n = 0;
        for (size_t j = 8; j < size && n + 1 < sizeof text; j++) /* after the type and a reserved word */
            if (profile[offset + j])
                text[n++] = (char)profile[offset + j];
        text[n] = 0;
        return strstr(text, "sRGB") && !strcasestr(text, "linear");
    }
    return false;
}

/* Replaces *image by the next in the chain. */
static void step(VipsImage **image, VipsImage *next)
{
    g_object_unref(*image);
    *image = next;
}

static int convert_profile(VipsImage **image, const char *fallback)
{
    VipsImage *next = NULL;
    int depth = vips_image_get_format(*image) == VIPS_FORMAT_USHORT ? 16 : 8;
    int result = fallback ? vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "input_profile", fallback, "intent",
                                               VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE, "depth", depth, NULL)
                          : vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                                               "black_point_compensation", TRUE, "depth", depth, NULL);
    if (result == 0)
        step(image, next);
    return result;
}

/* *image becomes grey or RGB, perhaps with alpha, in 8 bit, 16 bit or float.  Non-zero: libvips says why. */
static int to_srgb(VipsImage **image)
{
    VipsImage *next = NULL;
    if (vips_image_get_coding(*image) == VIPS_CODING_RAD) {
        if (vips_rad2float(*image, &next, NULL))
            return -1;
        step(image, next);
    }
    VipsBandFormat format = vips_image_get_format(*image);
    bool integer = format == VIPS_FORMAT_UCHAR || format == VIPS_FORMAT_USHORT;
    const void *profile = NULL;
    size_t bytes = 0;
    bool has_profile = vips_image_get_typeof(*image, VIPS_META_ICC_NAME)
                       && vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &bytes) == 0;
    switch (vips_image_get_interpretation(*image)) {
    case VIPS_INTERPRETATION_CMYK:
        return convert_profile(image, "cmyk");
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_YXY:
        if (vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL))
            return -1;
        step(image, next);
        return 0;
    default:
        /* A profile that cannot be used (cut short, made for another number of channels) is passed over. */
        if (has_profile && integer && !profile_is_srgb(profile, bytes) && convert_profile(image, NULL))
            vips_error_clear();
        return 0;
    }
}

/* --------------------------------------------------------------------------------------------------------------- rows */

static inline uint8_t from_8(unsigned c, unsigned a)
{
    return (uint8_t)((c * a + 127) / 255);
}

static inline uint8_t from_16(uint64_t c, uint64_t a)
{
    const uint64_t whole = (uint64_t)65535 * 257;
    return (uint8_t)((c * a + whole / 2) / whole);
}

/* Rows of n pixels of `bands` samples -> rgb [n, 3]; false where a float lies outside [0, 1]. */
static void row_from_8(const uint8_t *in, size_t n, size_t bands, uint8_t *out)
{
    if (bands == 3) {
        memcpy(out, in, 3 * n);
        return;
    }
    for (size_t i = 0; i < n; i++, in += bands, out += 3)
        for (size_t c = 0; c < 3; c++)
            out[c] = bands == 1 ? in[0] : bands == 2 ? from_8(in[0], in[1]) : from_8(in[c], in[3]);
}

static void row_from_16(const uint16_t *in, size_t n, size_t bands, uint8_t *out)
{
    for (size_t i = 0; i < n; i++, in += bands, out += 3) {
        bool alpha = bands % 2 == 0;
        for (size_t c = 0; c < 3; c++) {
            unsigned sample = in[bands > 2 ? c : 0];
            out[c] = alpha ? from_16(sample, in[bands - 1]) : (uint8_t)((sample + 128) / 257);
        }
    }
}

static bool row_from_float(const float *in, size_t n, size_t bands, uint8_t *out)
{
    for (size_t i = 0; i < n * bands; i++)
        if (!(in[i] >= 0 && in[i] <= 1))
            return false;
    for (size_t i = 0; i < n; i++, in += bands, out += 3) {
        double alpha = bands % 2 == 0 ? in[bands - 1] : 1;
        for (size_t c = 0; c < 3; c++)
            out[c] = (uint8_t)lrint(255 * alpha * (double)in[bands > 2 ? c : 0]);
    }
    return true;
}

/* Where EXIF orientation puts the stored pixel (x, y): offsets in pixels of the upright picture. */
struct placing {
    ptrdiff_t start, step_x, step_y;
    bool swapped; /* width and height change places */
};

static struct placing place(int orientation, size_t width, size_t height)
{
    ptrdiff_t w = (ptrdiff_t)width, h = (ptrdiff_t)height;
    switch (orientation) {
    case 2: return (struct placing){w - 1, -1, w, false};                  /* mirrored left to right */
    case 3: return (struct placing){w * h - 1, -1, -w, false};             /* turned by 180 degrees */
    case 4: return (struct placing){(h - 1) * w, 1, -w, false};            /* mirrored top to bottom */
    case 5: return (struct placing){0, h, 1, true};                        /* transposed */
    case 6: return (struct placing){h - 1, h, -1, true};                   /* to be turned clockwise */
    case 7: return (struct placing){(w - 1) * h + h - 1, -h, -1, true};    /* transposed across the other diagonal */
    case 8: return (struct placing){(w - 1) * h, -h, 1, true};             /* to be turned counter-clockwise */
    default: return (struct placing){0, 1, w, false};
    }
}

/* rows [n_rows, width, 3], of which the first is row y of the stored picture, into the upright one. */
static void put_rows(const uint8_t *rows, size_t y, size_t n_rows, size_t width, const struct placing *placing, uint8_t *rgb)
{
    if (placing->step_x == 1 && placing->step_y == (ptrdiff_t)width) {
        memcpy(rgb + 3 * y * width, rows, 3 * n_rows * width);
        return;
    }
    enum { BLOCK = 32 }; /* columns at a time, so that the lines written to stay in the cache */
    for (size_t from = 0; from < width; from += BLOCK)
        for (size_t j = 0; j < n_rows; j++)
            for (size_t x = from; x < width && x < from + BLOCK; x++) {
                ptrdiff_t at = placing->start + (ptrdiff_t)x * placing->step_x + (ptrdiff_t)(y + j) * placing->step_y;
                memcpy(rgb + 3 * at, rows + 3 * (j * width + x), 3);
            }
}

static dp_status read_rows(const char *path, VipsImage *image, const struct placing *placing, dp_picture *picture,
                           dp_error *err)
{
    size_t width = (size_t)vips_image_get_width(image), height = (size_t)vips_image_get_height(image);
    size_t bands = (size_t)vips_image_get_bands(image);
    VipsBandFormat format = vips_image_get_format(image);
    VipsRegion *region = vips_region_new(image);
    uint8_t *rows = dp_malloc(width, (size_t)ROWS * 3);
    dp_status status = DP_OK;
    if (!region || !rows) {
        status = dp_fail_memory(err, path, (size_t)ROWS * 3 * width);
        goto done;
    }
    for (size_t y = 0; y < height; y += ROWS) {
        size_t n_rows = height - y < ROWS ? height - y : ROWS;
        VipsRect wanted = {0, (int)y, (int)width, (int)n_rows};
        if (vips_region_prepare(region, &wanted)) {
            char reason[REASON_BYTES];
            dp_vips_reason(reason, sizeof reason);
            status = dp_fail(err, DP_E_PICTURE, "%s: is cut short or damaged: %s", path, reason);
            goto done;
        }
        for (size_t j = 0; j < n_rows; j++) {
            const void *in = VIPS_REGION_ADDR(region, 0, (int)(y + j));
            uint8_t *out = rows + 3 * j * width;
            if (format == VIPS_FORMAT_UCHAR) {
                row_from_8(in, width, bands, out);
            } else if (format == VIPS_FORMAT_USHORT) {
                row_from_16(in, width, bands, out);
            } else if (!row_from_float(in, width, bands, out)) {
                status = dp_fail(err, DP_E_PICTURE, "%s: holds a floating-point value outside [0, 1] in row %zu", path, y + j);
                goto done;
            }
        }
        put_rows(rows, y, n_rows, width, placing, picture->rgb);
    }
done:
    if (region)
        g_object_unref(region);
    dp_memory_free(rows);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ the way */

static dp_status check_size(const char *path, const VipsImage *image, size_t max_pixels, dp_error *err)
{
    size_t width = (size_t)vips_image_get_width(image), height = (size_t)vips_image_get_height(image), pixels;
    if (!dp_mul_size(width, height, &pixels) || (max_pixels && pixels > max_pixels))
        return dp_fail(err, DP_E_PICTURE, "%s: is %zux%zu pixels; the limit is %zu pixels in all", path, width, height,
                       max_pixels);
    return DP_OK;
}

static dp_status check_samples(const char *path, const VipsImage *image, dp_error *err)
{
    VipsBandFormat format = vips_image_get_format(image);
    int bands = vips_image_get_bands(image);
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT && format != VIPS_FORMAT_FLOAT)
        return dp_fail(err, DP_E_PICTURE, "%s: has samples of type %s; 8 and 16 bit unsigned and float are read", path,
                       vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
    if (bands < 1 || bands > 4)
        return dp_fail(err, DP_E_PICTURE, "%s: has %d channels; 1 to 4 are read", path, bands);
    return DP_OK;
}

dp_status dp_picture_load(const char *path, size_t max_pixels, dp_picture **out, dp_error *err)
{
    dp_status status = dp_vips_start(err);
    if (status != DP_OK)
        return status;
    VipsImage *image = NULL;
    dp_picture *picture = NULL;
    status = open_image(path, &image, err);
    if (status != DP_OK)
        return status;
    status = check_size(path, image, max_pixels, err);
    if (status != DP_OK)
        goto done;
    int orientation = vips_image_get_orientation(image);
    if (to_srgb(&image)) {
        char reason[REASON_BYTES];
        dp_vips_reason(reason, sizeof reason);
        status = dp_fail(err, DP_E_PICTURE, "%s: its colours cannot be converted: %s", path, reason);
        goto done;
    }
    status = check_samples(path, image, err);
    if (status != DP_OK)
        goto done;
    size_t width = (size_t)vips_image_get_width(image), height = (size_t)vips_image_get_height(image);
    struct placing placing = place(orientation, width, height);
    status = picture_make(placing.swapped ? height : width, placing.swapped ? width : height, &picture, err);
    if (status != DP_OK) {
        dp_error_prefix(err, status, "%s", path);
        goto done;
    }
    status = read_rows(path, image, &placing, picture, err);
    if (status == DP_OK) {
        *out = picture;
        picture = NULL;
    }
done:
    dp_picture_free(&picture);
    g_object_unref(image);
    return status;
}

/* --------------------------------------------------------------------------------------------------------------- maps */

dp_status dp_map_load_tiff(const char *path, float **map, size_t *height, size_t *width, dp_error *err)
{
    dp_status status = dp_vips_start(err);
    VipsImage *image = NULL;
    if (status == DP_OK)
        status = open_image(path, &image, err);
    if (status != DP_OK)
        return status;
    size_t h = (size_t)vips_image_get_height(image), w = (size_t)vips_image_get_width(image), bytes = 0;
    void *samples = NULL;
    float *copy = NULL;
    if (vips_image_get_bands(image) != 1 || vips_image_get_format(image) != VIPS_FORMAT_FLOAT) {
        status = dp_fail(err, DP_E_PICTURE, "%s: is no map: not one channel of float32", path);
    } else if (check_size(path, image, MAX_MAP_PIXELS, err)) {
        status = DP_E_PICTURE;
    } else if (!(samples = vips_image_write_to_memory(image, &bytes)) || bytes != h * w * sizeof(float)) {
        char reason[REASON_BYTES];
        dp_vips_reason(reason, sizeof reason);
        status = dp_fail(err, DP_E_PICTURE, "%s: cannot be decoded: %s", path, reason);
    } else if (!(copy = dp_malloc_2d(h, w, sizeof(float)))) {
        status = dp_fail_memory(err, "a map", bytes);
    } else {
        memcpy(copy, samples, bytes);
        *map = copy;
        *height = h;
        *width = w;
    }
    g_free(samples);
    g_object_unref(image);
    return status;
}
