/* load.c - any picture a camera or a laboratory writes, as 8-bit sRGB.
 *
 *     file -> format by content, structure -> decoder -> channels that are colour or alpha -> white -> profile or CMYK
 * to sRGB
 *          -> 8 bit -> alpha over black -> EXIF orientation -> rgb
 *
 * The structure of the file is read first (picture_file.h); a picture over the limit is refused before a pixel is
 * decoded.  Then the rows are pulled through in order, ROWS at a time, on the calling thread: beside the file and the
 * result only a few rows are in memory (interlaced PNGs, progressive JPEGs and 16-bit files are kept whole).
 *
 * A file is decoded strictly first: where its decoder warns, it is damaged, and a second, slower pass finds the first
 * row that is not there.  Only who asks for it (tolerant) gets what a third, lenient pass makes of such a file.
 *
 * How numbers become 8 bit (c the sample, a its alpha, 1 where there is none):
 *     8 bit   round(c a / 255)          16 bit   round(c a / (65535 * 257)), which is c / 257 without alpha
 *     float   round(255 c a), c and a within [0, 1]
 * Before that, 16-bit samples are spread so that `white` becomes 65535 (depth.c). */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/depth.h"
#include "picture/load.h"
#include "picture/vips.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROWS 64
#define TAIL 512 /* bytes before the end of a JPEG's data that are handed to its decoder a few at a time */
#define MAX_MAP_PIXELS ((size_t)1 << 28)

/* ------------------------------------------------------------------------------------------------------------- colour
 */

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
    int result = fallback
                     ? vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "input_profile", fallback, "intent",
                                          VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE, "depth", depth, NULL)
                     : vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                                          "black_point_compensation", TRUE, "depth", depth, NULL);
    if (result == 0)
        step(image, next);
    return result;
}

/* *image becomes grey or RGB, perhaps with alpha, in 8 bit, 16 bit or float.  Non-zero: libvips says why. */
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
        /* A profile that cannot be used (cut short, made for another number of channels) is passed over, and said. */
        if (has_profile && integer && !dp_profile_is_srgb(profile, bytes) && convert_profile(image, NULL)) {
            dp_note(notes, "its colour profile cannot be used and is passed over");
            vips_error_clear();
        }
        return 0;
    }
}

/* ------------------------------------------------------------------------------------------------------------ decoders
 */

static gint64 read_bytes(VipsSourceCustom *custom, void *out, gint64 length, void *user)
{
    (void)custom;
    dp_picture_file *source = user;
    size_t n = length < 0 ? 0 : (size_t)length, left = source->bytes - source->at, tail = source->facts.entropy_end;
    tail = tail > TAIL ? tail - TAIL : 0;
    if (source->at < tail)
        left = tail - source->at;
    else if (n > 8)
        n = 8;
    n = n < left ? n : left;
    memcpy(out, source->data + source->at, n);
    source->at += n;
    return (gint64)n;
}

static gint64 seek_bytes(VipsSourceCustom *custom, gint64 offset, int whence, void *user)
{
    (void)custom;
    dp_picture_file *source = user;
    gint64 from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (gint64)source->at : (gint64)source->bytes;
    if (offset < -from || offset > (gint64)source->bytes - from)
        return -1;
    source->at = (size_t)(from + offset);
    return (gint64)source->at;
}

/* The bytes of a source as libvips takes them. */
static VipsSource *stream(dp_picture_file *source)
{
    if (source->kind == DP_KIND_TIFF)
        return lseek(source->fd, 0, SEEK_SET) == 0 ? vips_source_new_from_descriptor(source->fd)
                                                   : NULL; /* a copy of the descriptor */
    if (source->kind != DP_KIND_JPEG || !source->facts.entropy_end)
        return vips_source_new_from_memory(source->data, source->bytes);
    VipsSourceCustom *custom = vips_source_custom_new();
    source->at = 0;
    g_signal_connect(custom, "read", G_CALLBACK(read_bytes), source);
    g_signal_connect(custom, "seek", G_CALLBACK(seek_bytes), source);
    return VIPS_SOURCE(custom);
}

/* Bytes of entropy-coded data that the decoder of a JPEG has not asked for, though it has made all pixels. */
static bool has_left_over(const dp_picture_file *source)
{
    size_t end = source->facts.entropy_end;
    for (size_t i = source->at + 16; i < end; i++) /* it reads ahead by a few bytes */
        if (source->data[i] != 0 && source->data[i] != 0xff)
            return true;
    return false;
}

static VipsImage *from_raster(const dp_raster *raster)
{
    size_t bytes = raster->width_px * raster->height_px * raster->bands * raster->bits / 8; /* there is such memory */
    VipsImage *plain =
        vips_image_new_from_memory(raster->samples, bytes, (int)raster->width_px, (int)raster->height_px,
                                   (int)raster->bands, raster->bits == 16 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
    VipsImage *image = NULL;
    if (plain
        && vips_copy(plain, &image, "interpretation",
                     raster->bits == 16  ? raster->bands < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16
                     : raster->bands < 3 ? VIPS_INTERPRETATION_B_W
                                         : VIPS_INTERPRETATION_sRGB,
                     NULL))
        image = NULL;
    if (plain)
        g_object_unref(plain);
    return image;
}

/* What this file decodes by itself. */
static dp_status open_raster(struct dp_decoding *d, size_t max_pixels, dp_error *err)
{
    dp_picture_file *source = &d->source;
    dp_status status = source->kind == DP_KIND_BMP
                           ? dp_bmp_read(source->data, source->bytes, max_pixels, &source->facts, &d->raster, err)
                           : dp_pnm_read(source->data, source->bytes, max_pixels, &source->facts, &d->raster, err);
    if (status)
        return dp_error_prefix(err, status, "%s", source->path);
    if (!(d->image = from_raster(&d->raster)))
        return dp_fail_memory(err, source->path, 0);
    if (source->facts.profile)
        vips_image_set_blob_copy(d->image, VIPS_META_ICC_NAME, source->facts.profile, source->facts.profile_bytes);
    return DP_OK;
}

static int open_vips(dp_picture_file *source, bool strict, VipsSource *bytes, VipsImage **image)
{
    VipsFailOn fail = !strict                        ? VIPS_FAIL_ON_NONE
                      : source->kind == DP_KIND_JPEG ? VIPS_FAIL_ON_WARNING
                                                     : VIPS_FAIL_ON_ERROR;
    const dp_facts *facts = &source->facts;
    switch (source->kind) {
    case DP_KIND_JPEG:
        return vips_jpegload_source(bytes, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail, NULL);
    case DP_KIND_PNG: return vips_pngload_source(bytes, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail, NULL);
    case DP_KIND_WEBP:
        return vips_webpload_source(bytes, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail, NULL);
    case DP_KIND_HEIF:
        return vips_heifload_source(bytes, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail, NULL);
    default:
        return vips_tiffload_source(bytes, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", fail, "page",
                                    (int)facts->page, "subifd", facts->subifd, NULL);
    }
}

/* Keeps the channels that the file says are colour or alpha. */
static int keep_channels(const dp_facts *facts, VipsImage **image)
{
    int bands = vips_image_get_bands(*image), wanted = (int)facts->colours + facts->alpha;
    VipsImage *next = NULL;
    if (!facts->colours || bands <= wanted)
        return 0;
    if (vips_extract_band(*image, &next, 0, "n", wanted, NULL))
        return -1;
    step(image, next);
    return 0;
}

static dp_status check_size(const char *path, size_t width, size_t height, size_t max_pixels, dp_error *err)
{
    size_t pixels;
    if (!dp_mul_size(width, height, &pixels) || (max_pixels && pixels > max_pixels))
        return dp_fail(err, DP_E_PICTURE, "%s: is %zux%zu pixels; the limit is %zu pixels in all", path, width, height,
                       max_pixels);
    return DP_OK;
}

/* d->image, its header read and no pixel yet.  d->opened: what fails is in the pixels. */
static dp_status open_decoder(struct dp_decoding *d, size_t max_pixels, bool strict, dp_error *err)
{
    dp_picture_file *source = &d->source;
    const char *path = source->path;
    if (source->facts.width_px && source->facts.height_px
        && check_size(path, source->facts.width_px, source->facts.height_px, max_pixels, err))
        return DP_E_PICTURE;
    if (source->kind == DP_KIND_BMP || source->kind == DP_KIND_PNM)
        return open_raster(d, max_pixels, err);
    vips_error_clear();
    VipsSource *bytes = stream(source);
    VipsImage *image = NULL;
    int result = bytes ? open_vips(source, strict, bytes, &image) : -1;
    if (bytes)
        g_object_unref(bytes);
    if (!result && keep_channels(&source->facts, &image)) {
        g_object_unref(image);
        result = -1;
    }
    if (result) {
        dp_vips_reason(d->reason, sizeof d->reason);
        if (source->kind == DP_KIND_PNG)
            snprintf(d->reason, sizeof d->reason, "its header is damaged");
        return dp_fail(err, DP_E_PICTURE, "%s: cannot be decoded: %s; export it again", path, d->reason);
    }
    d->image = image;
    if (source->facts.height_at) {
        VipsImage *shown = NULL;
        if (vips_crop(image, &shown, 0, 0, vips_image_get_width(image), (int)source->facts.height_px, NULL))
            return dp_fail(err, DP_E_PICTURE, "%s: is not as high as it says; export it again", path);
        d->tall = image;
        d->image = shown;
    }
    return check_size(path, (size_t)vips_image_get_width(image), (size_t)vips_image_get_height(image), max_pixels, err);
}

void dp_decoding_restart(struct dp_decoding *d)
{
    if (d->image)
        g_object_unref(d->image);
    if (d->tall)
        g_object_unref(d->tall);
    d->image = d->tall = NULL;
    dp_memory_free(d->raster.samples);
    d->raster = (dp_raster){0};
    d->rows = 0;
    d->reason[0] = 0;
}

void dp_decoding_close(struct dp_decoding *d)
{
    dp_decoding_restart(d);
    dp_picture_file_close(&d->source);
}

/* Hands the rows to sink, `block` at a time.  Fewer than all may come: d->rows, and libvips' reason. */
static dp_status pull(struct dp_decoding *d, size_t block, const struct dp_sink *sink, dp_error *err)
{
    dp_status status = sink->begin(sink->user, d, err);
    if (status)
        return status;
    size_t width = (size_t)vips_image_get_width(d->image), height = (size_t)vips_image_get_height(d->image);
    VipsRegion *region = vips_region_new(d->image);
    if (!region)
        return dp_fail_memory(err, d->source.path, width);
    for (d->rows = 0; d->rows < height && !status;) {
        size_t n = height - d->rows < block ? height - d->rows : block;
        VipsRect wanted = {0, (int)d->rows, (int)width, (int)n};
        if (vips_region_prepare(region, &wanted)) {
            dp_vips_reason(d->reason, sizeof d->reason);
            break;
        }
        status = sink->rows(sink->user, region, d->rows, n, err);
        d->rows += n;
    }
    g_object_unref(region);
    return status;
}

/* --------------------------------------------------------------------------------------------------------------- rows
 */

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

struct dp_placing dp_place(int orientation, size_t width, size_t height)
{
    ptrdiff_t w = (ptrdiff_t)width, h = (ptrdiff_t)height;
    switch (orientation) {
    case 2: return (struct dp_placing){w - 1, -1, w, false};               /* mirrored left to right */
    case 3: return (struct dp_placing){w * h - 1, -1, -w, false};          /* turned by 180 degrees */
    case 4: return (struct dp_placing){(h - 1) * w, 1, -w, false};         /* mirrored top to bottom */
    case 5: return (struct dp_placing){0, h, 1, true};                     /* transposed */
    case 6: return (struct dp_placing){h - 1, h, -1, true};                /* to be turned clockwise */
    case 7: return (struct dp_placing){(w - 1) * h + h - 1, -h, -1, true}; /* transposed across the other diagonal */
    case 8: return (struct dp_placing){(w - 1) * h, -h, 1, true};          /* to be turned counter-clockwise */
    default: return (struct dp_placing){0, 1, w, false};
    }
}

/* rows [n_rows, width, 3], of which the first is row y of the stored picture, into the upright one. */
static void put_rows(const uint8_t *rows, size_t y, size_t n_rows, size_t width, const struct dp_placing *placing,
                     uint8_t *rgb)
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

/* ---------------------------------------------------------------------------------------------------- whole or damaged
 */

void dp_note(dp_picture_notes *notes, const char *format, ...)
{
    char text[DP_NOTES_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!notes || strstr(notes->text, text)) /* a file may be read more than once */
        return;
    size_t used = strlen(notes->text);
    snprintf(notes->text + used, sizeof notes->text - used, "%s%s", used ? "; " : "", text);
}

/* How a file is damaged, as "cut short after 44 % of the rows".  rows: those that came before the fault, SIZE_MAX where
 * that says nothing. */
static void describe(const struct dp_decoding *d, size_t rows, char *text, size_t bytes)
{
    const dp_facts *facts = &d->source.facts;
    const char *reason = facts->fault[0]                 ? facts->fault
                         : d->source.kind == DP_KIND_PNG ? "its compressed data or a checksum do not hold"
                                                         : d->reason;
    bool cut = facts->cut || facts->no_end || strstr(d->reason, "remature end") || strstr(d->reason, "Read error");
    size_t height = d->image ? (size_t)vips_image_get_height(d->image) : facts->height_px;
    if (facts->cut && facts->rows < rows)
        rows = facts->rows;
    const char *how = cut ? "cut short" : "damaged";
    if (rows >= height || (facts->in_layers && !rows))
        snprintf(text, bytes, "%s: %s", how, reason);
    else if (cut)
        snprintf(text, bytes, "%s after %zu %% of the rows", how, rows * 100 / height);
    else
        snprintf(text, bytes, "%s after %zu %% of the rows (%s)", how, rows * 100 / height, reason);
}

/* libvips looks at the warnings of a JPEG's decoder before it makes 8 rows, so those of the last rows of blocks are
 * lost on it.  Where such rows are 8 high the header in memory claims 8 more (dp_decode), and asking for them brings
 * the warnings of the true ones. */
static bool has_late_warning(struct dp_decoding *d)
{
    if (!d->tall)
        return false;
    VipsRect beyond = {0, vips_image_get_height(d->image), vips_image_get_width(d->image), 8};
    VipsRegion *region = vips_region_new(d->tall);
    bool failed = !region || vips_region_prepare(region, &beyond);
    if (failed) {
        dp_vips_reason(d->reason, sizeof d->reason);
        d->rows = d->rows > 8 ? (d->rows - 1) / 8 * 8 : 0;
    }
    if (region)
        g_object_unref(region);
    return failed;
}

/* One pass over the file; true where it is whole.  What fails otherwise than by damage is an error. */
static bool pass(struct dp_decoding *d, const dp_picture_options *options, bool strict, size_t block,
                 const struct dp_sink *sink, dp_status *status, dp_error *err)
{
    dp_decoding_restart(d);
    *status = open_decoder(d, options->max_pixels, strict, err);
    if (*status)
        return false;
    *status = pull(d, block, sink, err);
    return !*status && d->rows == (size_t)vips_image_get_height(d->image)
           && !(strict && (has_late_warning(d) || has_left_over(&d->source)));
}

static dp_status damaged(struct dp_decoding *d, const dp_picture_options *options, const struct dp_sink *sink,
                         dp_picture_notes *notes, dp_error *err)
{
    char text[DP_WHY_BYTES + 80];
    dp_status status = DP_OK;
    dp_facts *facts = &d->source.facts;
    bool opened = d->image != NULL, all = opened && d->rows == (size_t)vips_image_get_height(d->image);
    size_t rows = !opened || all ? SIZE_MAX : d->rows;
    if (rows != SIZE_MAX) { /* which row exactly */
        pass(d, options, true, 1, sink, &status, err);
        if (status)
            return status;
        rows = d->rows;
    }
    if (all && !facts->fault[0])
        snprintf(facts->fault, sizeof facts->fault, "a part of its data does not belong to it or stands there twice");
    describe(d, rows, text, sizeof text);
    if (!options->tolerant)
        return dp_fail(err, DP_E_PICTURE, "%s: %s; export it again or pass --tolerant", d->source.path, text);
    if (!all) {
        if (d->source.kind == DP_KIND_PNG)
            dp_png_mend(d->source.data, d->source.bytes);
        pass(d, options, false, 1, sink, &status, err);
        if (status)
            return status;
        if (!d->rows)
            return dp_fail(err, DP_E_PICTURE, "%s: %s; nothing of it can be read", d->source.path, text);
    }
    dp_note(notes, "%s%s", text,
            d->source.kind == DP_KIND_JPEG ? "; the rest is what its decoder makes of it"
                                           : "; what is missing is black");
    return DP_OK;
}

dp_status dp_decode(const char *path, const dp_picture_options *options, const struct dp_sink *sink,
                    struct dp_decoding *d, dp_picture_notes *notes, dp_error *err)
{
    dp_error own = {0};
    err = err ? err : &own;
    *d = (struct dp_decoding){.source.fd = -1};
    dp_status status = dp_vips_start(err);
    if (!status)
        status = dp_picture_file_open(path, options->max_pixels, &d->source, err);
    if (!status && sink->tiff_only && d->source.kind != DP_KIND_TIFF)
        status = dp_fail(err, DP_E_PICTURE, "%s: %s", path, sink->tiff_only);
    if (status)
        return status;
    if (d->source.kind == DP_KIND_JPEG
        && d->source.facts.no_end) { /* there is room; whether all pixels came the decoder says */
        d->source.data[d->source.bytes++] = 0xff;
        d->source.data[d->source.bytes++] = 0xd9;
    }
    if (d->source.facts.height_at) {
        size_t tall = d->source.facts.height_px + 8;
        d->source.data[d->source.facts.height_at] = (uint8_t)(tall >> 8);
        d->source.data[d->source.facts.height_at + 1] = (uint8_t)tall;
    }
    bool whole = pass(d, options, true, ROWS, sink, &status, err);
    if (status == DP_E_PICTURE && !d->image && d->reason[0]) { /* its header: would a lenient reader take it? */
        dp_error lenient;
        char reason[DP_WHY_BYTES];
        memcpy(reason, d->reason, sizeof reason);
        if (d->source.facts.cut) {
            status = dp_fail(err, DP_E_PICTURE, "%s: cut short (%s); export it again", path, d->source.facts.fault);
        } else if (d->source.kind == DP_KIND_JPEG || (d->source.kind == DP_KIND_PNG && d->source.facts.fault[0])) {
            if (d->source.kind == DP_KIND_PNG)
                dp_png_mend(d->source.data, d->source.bytes);
            bool readable = !open_decoder(d, options->max_pixels, false, &lenient);
            dp_decoding_restart(d);
            memcpy(d->reason, reason, sizeof reason);
            if (readable)
                status = damaged(d, options, sink, notes, err);
        }
        return status;
    }
    if (status)
        return status;
    if (!whole || d->source.facts.fault[0])
        status = damaged(d, options, sink, notes, err);
    if (!status && d->source.facts.note[0])
        dp_note(notes, "%s", d->source.facts.note);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ the way
 */

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

struct loader {
    const char *path;
    const dp_picture_options *options;
    dp_picture_notes *notes;
    dp_picture *picture;
    struct dp_placing placing;
    VipsBandFormat format;
    size_t width, bands;
    uint8_t *block; /* [ROWS, width, 3], where rows do not go straight to their place */
    dp_raster deep; /* 16 bit: kept until all samples are known */
    bool is_deep, is_spread;
};

/* The picture that the rows of an image become. */
static dp_status begin_image(struct loader *l, VipsImage **image, bool has_profile, dp_error *err)
{
    int orientation = vips_image_get_orientation(*image);
    if (has_profile && !vips_image_get_typeof(*image, VIPS_META_ICC_NAME))
        dp_note(l->notes, "its colour profile cannot be used and is passed over"); /* its decoder has dropped it */
    if (to_srgb(image, l->notes)) {
        char reason[DP_WHY_BYTES];
        dp_vips_reason(reason, sizeof reason);
        return dp_fail(err, DP_E_PICTURE, "%s: its colours cannot be converted: %s", l->path, reason);
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
    l->block = dp_malloc(l->width, (size_t)ROWS * 3);
    return l->block ? DP_OK : dp_fail_memory(err, l->path, l->width * ROWS * 3);
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
        return dp_fail(err, DP_E_PICTURE, "%s: has %zu channels; 1 to 4 are read", l->path, bands);
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

/* The samples that were kept become a picture: spread, then as any other. */
static dp_status finish(struct loader *l, struct dp_decoding *d, dp_error *err)
{
    size_t stated = d->source.facts.white, given = l->options->white, over = 0, white;
    bool known =
        d->source.kind == DP_KIND_HEIF || (stated && stated != 65535); /* by the format: no matter of the pictures */
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
    VipsImage *image = from_raster(&l->deep);
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
    for (size_t y = 0; !status && y < height; y += ROWS) {
        size_t n = height - y < ROWS ? height - y : ROWS;
        VipsRect wanted = {0, (int)y, (int)l->width, (int)n};
        if (!region || vips_region_prepare(region, &wanted)) {
            char reason[DP_WHY_BYTES];
            dp_vips_reason(reason, sizeof reason);
            status = dp_fail(err, DP_E_PICTURE, "%s: its colours cannot be converted: %s", l->path, reason);
        } else {
            status = rows(l, region, y, n, err);
        }
    }
    if (region)
        g_object_unref(region);
    g_object_unref(image);
    return status;
}

dp_status dp_picture_load_with(const char *path, const dp_picture_options *options, dp_picture **out,
                               dp_picture_notes *notes, dp_error *err)
{
    struct loader l = {.path = path, .options = options, .notes = notes};
    const struct dp_sink sink = {begin, rows, &l};
    struct dp_decoding d;
    if (notes)
        *notes = (dp_picture_notes){.bits = 8};
    dp_status status = dp_decode(path, options, &sink, &d, notes, err);
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

dp_status dp_picture_load(const char *path, size_t max_pixels, dp_picture **picture, dp_error *err)
{
    const dp_picture_options options = {.max_pixels = max_pixels};
    return dp_picture_load_with(path, &options, picture, NULL, err);
}

/* ------------------------------------------------------------------------------------------- what the samples are like
 */

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

dp_status dp_depth_survey(const char *path, const dp_picture_options *options, dp_depth *depth, dp_error *err)
{
    struct survey survey = {0};
    const struct dp_sink sink = {begin_survey, survey_rows, &survey};
    struct dp_decoding d = {.source.fd = -1};
    size_t bits = 0;
    *depth = (dp_depth){0};
    dp_status status = dp_picture_file_bits(path, &bits, err);
    if (status || bits != 16)
        return status;
    status = dp_decode(path, options, &sink, &d, NULL, err);
    bool known = d.source.kind == DP_KIND_HEIF || (d.source.facts.white && d.source.facts.white != 65535);
    if (!status && survey.deep && !known) {
        *depth = survey.depth;
        depth->n = 1;
    }
    dp_decoding_close(&d);
    return status;
}

/* --------------------------------------------------------------------------------------------------------------- maps
 */

#define NO_MAP "is no map: not one channel of float32"

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
    dp_status status = dp_decode(path, &options, &sink, &d, NULL, err);
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
