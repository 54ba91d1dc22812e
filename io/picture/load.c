/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - reads any picture of a camera or a laboratory as 8-bit sRGB.
 *
 *     rows of the decoder (decode.c) -> white -> profile or CMYK to sRGB -> 8 bit -> alpha over black
 *          -> EXIF orientation -> rgb
 *
 * Apart from the file and the result only a few rows are in memory. Interlaced PNGs, progressive JPEGs and 16-bit files
 * are held whole.
 *
 * Numbers become 8 bit as follows (c is the sample, a its alpha, 1 if there is none):
 *
 *     8 bit    round(c a / 255)
 *     16 bit   round(c a / (65535 * 257)), which is c / 257 without alpha
 *     float    round(255 c a), c and a within [0, 1]
 *
 * Before that, 16-bit samples are spread so that `white` becomes 65535 (depth.c). */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/depth.h"
#include "picture/load.h"
#include "picture/vips.h"

#include <math.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------------------- colour */

/* Replaces *image by the next image of the chain. */
static void step(VipsImage **image, VipsImage *next)
{
    g_object_unref(*image);
    *image = next;
}

static int convert_profile(VipsImage **image, const char *fallback)
{
    VipsImage *next = NULL;
    int depth = vips_image_get_format(*image) == VIPS_FORMAT_USHORT ? 16 : 8;
    int result = fallback
                     ? vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "input_profile", fallback, "intent",
                                          VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE, "depth", depth, NULL)
                     : vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                                          "black_point_compensation", TRUE, "depth", depth, NULL);
    if (result == 0)
        step(image, next);
    return result;
}

/* Converts *image to grey or RGB, perhaps with alpha, in 8 bit, 16 bit or float. Non-zero: libvips has the reason. */
static int to_srgb(VipsImage **image, dp_picture_notes *notes)
{
    VipsImage *next = NULL;
    VipsBandFormat format = vips_image_get_format(*image);
    bool integer = format == VIPS_FORMAT_UCHAR || format == VIPS_FORMAT_USHORT;
    const void *profile = NULL;
    size_t bytes = 0;
    bool has_profile = vips_image_get_typeof(*image, VIPS_META_ICC_NAME)
                       && vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &bytes) == 0;
    switch (vips_image_get_interpretation(*image)) {
    case VIPS_INTERPRETATION_CMYK: return convert_profile(image, "cmyk");
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
        /* An unusable profile (cut short, or made for another number of channels) is ignored, with a note. */
        if (has_profile && integer && !dp_profile_is_srgb(profile, bytes) && convert_profile(image, NULL)) {
            dp_note(notes, "its colour profile is unusable and is ignored");
            vips_error_clear();
        }
        return 0;
    }
}

/* ------------------------------------------------------------------------------------------------------------- rows */

static inline uint8_t from_8(unsigned c, unsigned a)
{
    return (uint8_t)((c * a + 127) / 255);
}

static inline uint8_t from_16(uint64_t c, uint64_t a)
{
    const uint64_t whole = (uint64_t)65535 * 257;
    return (uint8_t)((c * a + whole / 2) / whole);
}

/* Converts rows of n pixels with `bands` samples to rgb [n, 3]; false if a float lies outside [0, 1]. */
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

struct dp_placing dp_place(int orientation, size_t width, size_t height)
{
    ptrdiff_t w = (ptrdiff_t)width, h = (ptrdiff_t)height;
    switch (orientation) {
    case 2: return (struct dp_placing){w - 1, -1, w, false};               /* mirrored left to right */
    case 3: return (struct dp_placing){w * h - 1, -1, -w, false};          /* turned by 180 degrees */
    case 4: return (struct dp_placing){(h - 1) * w, 1, -w, false};         /* mirrored top to bottom */
    case 5: return (struct dp_placing){0, h, 1, true};                     /* transposed */
    case 6: return (struct dp_placing){h - 1, h, -1, true};                /* must be turned clockwise */
    case 7: return (struct dp_placing){(w - 1) * h + h - 1, -h, -1, true}; /* transposed across the other diagonal */
    case 8: return (struct dp_placing){(w - 1) * h, -h, 1, true};          /* must be turned counter-clockwise */
    default: return (struct dp_placing){0, 1, w, false};
    }
}

/* Puts rows [n_rows, width, 3] into the upright picture; the first is row y of the stored picture. */
static void put_rows(const uint8_t *rows, size_t y, size_t n_rows, size_t width, const struct dp_placing *placing,
                     uint8_t *rgb)
{
    if (placing->step_x == 1 && placing->step_y == (ptrdiff_t)width) {
        memcpy(rgb + 3 * y * width, rows, 3 * n_rows * width);
        return;
    }
    enum { BLOCK = 32 }; /* columns at a time, so that the lines that are written stay in the cache */
    for (size_t from = 0; from < width; from += BLOCK)
        for (size_t j = 0; j < n_rows; j++)
            for (size_t x = from; x < width && x < from + BLOCK; x++) {
                ptrdiff_t at = placing->start + (ptrdiff_t)x * placing->step_x + (ptrdiff_t)(y + j) * placing->step_y;
                memcpy(rgb + 3 * at, rows + 3 * (j * width + x), 3);
            }
}

/* ---------------------------------------------------------------------------------------------------- the whole way */

static dp_status check_samples(const char *path, const VipsImage *image, dp_error *err)
{
    VipsBandFormat format = vips_image_get_format(image);
    int bands = vips_image_get_bands(image);
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT && format != VIPS_FORMAT_FLOAT)
        return dp_fail(err, DP_E_PICTURE,
                       "%s: has samples of type %s; only 8 and 16 bit unsigned and float can be read", path,
                       vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
    if (bands < 1 || bands > 4)
        return dp_fail(err, DP_E_PICTURE, "%s: has %d channels; only 1 to 4 can be read", path, bands);
    return DP_OK;
}

struct loader {
    const char *path;
    const dp_picture_options *options;
    dp_picture_notes *notes;
    dp_picture *picture;
    struct dp_placing placing;
    VipsBandFormat format;
    size_t width, bands;
    uint8_t *block; /* [DP_ROWS, width, 3] for rows that cannot go to their place at once */
    dp_raster deep; /* 16 bit: held until all samples are known */
    bool is_deep, is_spread;
};

/* Prepares the picture that the rows of an image will fill. */
static dp_status begin_image(struct loader *l, VipsImage **image, bool has_profile, dp_error *err)
{
    int orientation = vips_image_get_orientation(*image);
    if (has_profile && !vips_image_get_typeof(*image, VIPS_META_ICC_NAME))
        dp_note(l->notes, "its colour profile is unusable and is ignored"); /* the decoder dropped the profile */
    if (to_srgb(image, l->notes)) {
        char reason[DP_WHY_BYTES];
        dp_vips_reason(reason, sizeof reason);
        return dp_fail(err, DP_E_PICTURE, "%s: cannot convert its colours: %s", l->path, reason);
    }
    dp_status status = check_samples(l->path, *image, err);
    if (status)
        return status;
    size_t height = (size_t)vips_image_get_height(*image);
    l->width = (size_t)vips_image_get_width(*image);
    l->bands = (size_t)vips_image_get_bands(*image);
    l->format = vips_image_get_format(*image);
    l->placing = dp_place(orientation, l->width, height);
    dp_picture_free(&l->picture);
    status = dp_picture_new(l->placing.swapped ? height : l->width, l->placing.swapped ? l->width : height, &l->picture,
                            err);
    if (status)
        return dp_error_prefix(err, status, "%s", l->path);
    dp_memory_free(l->block);
    l->block = dp_malloc(l->width, (size_t)DP_ROWS * 3);
    return l->block ? DP_OK : dp_fail_memory(err, l->path, l->width * DP_ROWS * 3);
}

static dp_status begin(void *user, struct dp_decoding *d, dp_error *err)
{
    struct loader *l = user;
    l->is_deep = vips_image_get_format(d->image) == VIPS_FORMAT_USHORT;
    size_t white = d->source.facts.white;
    l->is_spread = l->is_deep || (white && white != 255);
    if (!l->is_spread)
        return begin_image(l, &d->image, d->source.facts.has_profile, err);
    if (vips_image_get_interpretation(d->image) == VIPS_INTERPRETATION_LABS)
        return l->is_spread = l->is_deep = false, begin_image(l, &d->image, d->source.facts.has_profile, err);
    size_t width = (size_t)vips_image_get_width(d->image), height = (size_t)vips_image_get_height(d->image);
    size_t bands = (size_t)vips_image_get_bands(d->image), bits = l->is_deep ? 16 : 8, pixel_bytes = bands * bits / 8;
    if (bands > 4)
        return dp_fail(err, DP_E_PICTURE, "%s: has %zu channels; only 1 to 4 can be read", l->path, bands);
    dp_memory_free(l->deep.samples);
    l->deep = (dp_raster){.width_px = width,
                          .height_px = height,
                          .bands = bands,
                          .bits = bits,
                          .samples = dp_calloc_2d(width, height, pixel_bytes)};
    return l->deep.samples ? DP_OK : dp_fail_memory(err, l->path, width);
}

static dp_status rows(void *user, VipsRegion *region, size_t y, size_t n, dp_error *err)
{
    struct loader *l = user;
    if (l->is_spread) {
        size_t bytes = l->deep.width_px * l->deep.bands * l->deep.bits / 8;
        for (size_t j = 0; j < n; j++)
            memcpy((uint8_t *)l->deep.samples + (y + j) * bytes, VIPS_REGION_ADDR(region, 0, (int)(y + j)), bytes);
        return DP_OK;
    }
    bool straight = l->placing.step_x == 1 && l->placing.step_y == (ptrdiff_t)l->width;
    uint8_t *to = straight ? l->picture->rgb + 3 * y * l->width : l->block;
    for (size_t j = 0; j < n; j++) {
        const void *in = VIPS_REGION_ADDR(region, 0, (int)(y + j));
        uint8_t *out = to + 3 * j * l->width;
        if (l->format == VIPS_FORMAT_UCHAR)
            row_from_8(in, l->width, l->bands, out);
        else if (l->format == VIPS_FORMAT_USHORT)
            row_from_16(in, l->width, l->bands, out);
        else if (!row_from_float(in, l->width, l->bands, out))
            return dp_fail(err, DP_E_PICTURE, "%s: holds a floating-point value outside [0, 1] in row %zu", l->path,
                           y + j);
    }
    if (!straight)
        put_rows(l->block, y, n, l->width, &l->placing, l->picture->rgb);
    return DP_OK;
}

/* Makes a picture of the 16-bit samples: spreads them, then converts them like any other. */
static dp_status finish(struct loader *l, struct dp_decoding *d, dp_error *err)
{
    size_t stated = d->source.facts.white, given = l->options->white, over = 0, white;
    bool known =
        /* the format states the white; the good pictures need not be asked */
        d->source.kind == DP_KIND_HEIF || (stated && stated != 65535);
    const dp_depth depth = l->is_deep && !known ? dp_depth_of(&l->deep) : (dp_depth){0};
    white = stated && stated != 65535 ? stated : known ? 65535 : given ? given : dp_depth_white(&depth);
    dp_depth_spread(&l->deep, white, &over);
    if (l->notes && l->is_deep) {
        l->notes->bits = 16;
        l->notes->white = known ? 0 : white;
    }
    if (over && given && !known) {
        double share = (double)over / ((double)l->deep.width_px * (double)l->deep.height_px * (double)l->deep.bands);
        dp_note(l->notes,
                "%.2g %% of its samples exceed the %zu significant bits of the good pictures and count as white",
                100 * share, dp_depth_bits(given));
    }
    VipsImage *image = dp_raster_image(&l->deep);
    if (!image)
        return dp_fail_memory(err, l->path, 0);
    const void *profile;
    size_t bytes;
    if (vips_image_get_typeof(d->image, VIPS_META_ICC_NAME)
        && !vips_image_get_blob(d->image, VIPS_META_ICC_NAME, &profile, &bytes))
        vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, bytes);
    vips_image_set_int(image, VIPS_META_ORIENTATION, vips_image_get_orientation(d->image));
    image->Type = vips_image_get_interpretation(d->image);
    l->is_spread = false;
    dp_status status = begin_image(l, &image, d->source.facts.has_profile, err);
    size_t height = l->deep.height_px;
    VipsRegion *region = status ? NULL : vips_region_new(image);
    for (size_t y = 0; !status && y < height; y += DP_ROWS) {
        size_t n = height - y < DP_ROWS ? height - y : DP_ROWS;
        VipsRect wanted = {0, (int)y, (int)l->width, (int)n};
        if (!region || vips_region_prepare(region, &wanted)) {
            char reason[DP_WHY_BYTES];
            dp_vips_reason(reason, sizeof reason);
            status = dp_fail(err, DP_E_PICTURE, "%s: cannot convert its colours: %s", l->path, reason);
        } else {
            status = rows(l, region, y, n, err);
        }
    }
    if (region)
        g_object_unref(region);
    g_object_unref(image);
    return status;
}

dp_status dp_picture_load_stored(const dp_stored *stored, const dp_picture_options *options, dp_picture **out,
                                 dp_picture_notes *notes, dp_error *err)
{
    struct loader l = {.path = stored->name, .options = options, .notes = notes};
    const struct dp_sink sink = {begin, rows, &l};
    struct dp_decoding d;
    if (notes)
        *notes = (dp_picture_notes){.bits = 8};
    dp_status status = dp_decode(stored, options, &sink, &d, notes, err);
    if (!status && l.is_spread)
        status = finish(&l, &d, err);
    if (!status) {
        *out = l.picture;
        l.picture = NULL;
    }
    dp_picture_free(&l.picture);
    dp_memory_free(l.block);
    dp_decoding_close(&d);
    dp_memory_free(l.deep.samples);
    return status;
}

dp_status dp_picture_load_with(const char *path, const dp_picture_options *options, dp_picture **picture,
                               dp_picture_notes *notes, dp_error *err)
{
    const dp_stored stored = dp_stored_file(path);
    return dp_picture_load_stored(&stored, options, picture, notes, err);
}

dp_status dp_picture_load(const char *path, size_t max_pixels, dp_picture **picture, dp_error *err)
{
    const dp_picture_options options = {.max_pixels = max_pixels};
    return dp_picture_load_with(path, &options, picture, NULL, err);
}

/* ---------------------------------------------------------------------------------------- what the samples are like */

struct survey {
    dp_depth depth;
    size_t width, bands;
    bool deep;
};

static dp_status begin_survey(void *user, struct dp_decoding *d, dp_error *err)
{
    (void)err;
    struct survey *s = user;
    s->depth = (dp_depth){0};
    s->width = (size_t)vips_image_get_width(d->image);
    s->bands = (size_t)vips_image_get_bands(d->image);
    s->deep = vips_image_get_format(d->image) == VIPS_FORMAT_USHORT;
    return DP_OK;
}

static dp_status survey_rows(void *user, VipsRegion *region, size_t y, size_t n, dp_error *err)
{
    (void)err;
    struct survey *s = user;
    for (size_t j = 0; j < n && s->deep; j++)
        dp_depth_add(&s->depth, (const uint16_t *)(const void *)VIPS_REGION_ADDR(region, 0, (int)(y + j)), s->width,
                     s->bands);
    return DP_OK;
}

dp_status dp_depth_survey(const dp_stored *stored, const dp_picture_options *options, dp_depth *depth, dp_error *err)
{
    struct survey survey = {0};
    const struct dp_sink sink = {begin_survey, survey_rows, &survey};
    struct dp_decoding d = {.source.fd = -1};
    size_t bits = 0;
    *depth = (dp_depth){0};
    dp_status status = dp_picture_file_bits(stored, &bits, err);
    if (status || bits != 16)
        return status;
    status = dp_decode(stored, options, &sink, &d, NULL, err);
    bool known = d.source.kind == DP_KIND_HEIF || (d.source.facts.white && d.source.facts.white != 65535);
    if (!status && survey.deep && !known) {
        *depth = survey.depth;
        depth->n = 1;
    }
    dp_decoding_close(&d);
    return status;
}
