/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c - decodes a picture file into rows, and finds out whether the file is whole.
 *
 *     file -> format by content, structure -> decoder -> channels that are colour or alpha -> rows
 *
 * The structure of the file is read first (picture_file.h). A picture above the limit is refused before a pixel is
 * decoded. Then the rows come in order, DP_ROWS at a time, on the calling thread.
 *
 * A file is first decoded strictly. If its decoder warns, the file is damaged, and a second, slower pass finds the
 * first missing row. Only with the option tolerant a third, lenient pass reads such a file. */
#include "base/error.h"
#include "base/memory.h"
#include "picture/load.h"
#include "picture/vips.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TAIL 512 /* the last bytes of a JPEG's data, which its decoder gets a few at a time */

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

/* Opens the bytes of a source for libvips. */
static VipsSource *stream(dp_picture_file *source)
{
    if (source->kind == DP_KIND_TIFF && source->fd >= 0)
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

/* Returns whether the decoder of a JPEG left entropy-coded data unread although it has made all pixels. */
static bool has_left_over(const dp_picture_file *source)
{
    size_t end = source->facts.entropy_end;
    for (size_t i = source->at + 16; i < end; i++) /* the decoder reads a few bytes ahead */
        if (source->data[i] != 0 && source->data[i] != 0xff)
            return true;
    return false;
}

VipsImage *dp_raster_image(const dp_raster *raster)
{
    /* cannot overflow: this memory exists */
    size_t bytes = raster->width_px * raster->height_px * raster->bands * raster->bits / 8;
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

/* Decodes a file that this library reads itself. */
static dp_status open_raster(struct dp_decoding *d, size_t max_pixels, dp_error *err)
{
    dp_picture_file *source = &d->source;
    dp_status status = source->kind == DP_KIND_BMP
                           ? dp_bmp_read(source->data, source->bytes, max_pixels, &source->facts, &d->raster, err)
                           : dp_pnm_read(source->data, source->bytes, max_pixels, &source->facts, &d->raster, err);
    if (status)
        return dp_error_prefix(err, status, "%s", source->path);
    if (!(d->image = dp_raster_image(&d->raster)))
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

/* Keeps the channels that are colour or alpha according to the file. */
static int keep_channels(const dp_facts *facts, VipsImage **image)
{
    int bands = vips_image_get_bands(*image), wanted = (int)facts->colours + facts->alpha;
    VipsImage *next = NULL;
    if (!facts->colours || bands <= wanted)
        return 0;
    if (vips_extract_band(*image, &next, 0, "n", wanted, NULL))
        return -1;
    g_object_unref(*image);
    *image = next;
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

/* Opens d->image and reads its header, but no pixel. d->opened: a later failure is in the pixels. */
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
            return dp_fail(err, DP_E_PICTURE, "%s: has fewer rows than its header says; export it again", path);
        d->tall = image;
        d->image = shown;
    }
    return check_size(path, (size_t)vips_image_get_width(image), (size_t)vips_image_get_height(image), max_pixels, err);
}

static void restart(struct dp_decoding *d)
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
    restart(d);
    dp_picture_file_close(&d->source);
}

/* Hands the rows to sink, `block` at a time. If not all rows came, d->rows is their number and libvips has the
 * reason. */
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

/* ------------------------------------------------------------------------------------------------- whole or damaged */

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

/* Describes the damage, such as "cut short after 44 % of the rows". rows: the number of rows before the fault;
 * SIZE_MAX: unknown. */
static void describe(const struct dp_decoding *d, size_t rows, char *text, size_t bytes)
{
    const dp_facts *facts = &d->source.facts;
    const char *reason = facts->fault[0]                 ? facts->fault
                         : d->source.kind == DP_KIND_PNG ? "its compressed data are damaged or a checksum is wrong"
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

/* libvips checks the warnings of a JPEG's decoder before it makes 8 rows, so it loses those of the last rows of blocks.
 * If rows of blocks are 8 pixels high, the header in memory claims 8 rows more (dp_decode); reading them gives the
 * warnings of the true last rows. */
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

/* Makes one pass over the file; true if it is whole. Failures other than damage are errors. */
static bool pass(struct dp_decoding *d, const dp_picture_options *options, bool strict, size_t block,
                 const struct dp_sink *sink, dp_status *status, dp_error *err)
{
    restart(d);
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
    if (rows != SIZE_MAX) { /* find the exact row */
        pass(d, options, true, 1, sink, &status, err);
        if (status)
            return status;
        rows = d->rows;
    }
    if (all && !facts->fault[0])
        snprintf(facts->fault, sizeof facts->fault, "a part of its data is repeated or belongs to another file");
    describe(d, rows, text, sizeof text);
    if (!options->tolerant)
        return dp_fail(err, DP_E_PICTURE, "%s: %s; export it again or pass tolerant=yes", d->source.path, text);
    if (!all) {
        if (d->source.kind == DP_KIND_PNG)
            dp_png_mend(d->source.data, d->source.bytes);
        pass(d, options, false, 1, sink, &status, err);
        if (status)
            return status;
        if (!d->rows)
            return dp_fail(err, DP_E_PICTURE, "%s: %s; no part of it can be read", d->source.path, text);
    }
    dp_note(notes, "%s%s", text,
            d->source.kind == DP_KIND_JPEG ? "; the decoder guessed the rest" : "; the missing part is black");
    return DP_OK;
}

/* Refuses a file of several pictures: what is in the others would pass unseen. */
static dp_status alone(struct dp_decoding *d, const dp_picture_options *options, dp_picture_notes *notes, dp_error *err)
{
    dp_facts *facts = &d->source.facts;
    if (d->source.kind == DP_KIND_HEIF && vips_image_get_n_pages(d->image) > 1)
        snprintf(facts->others, sizeof facts->others, "holds %d pictures", vips_image_get_n_pages(d->image));
    if (!facts->others[0])
        return DP_OK;
    if (!options->tolerant)
        return dp_fail(err, DP_E_PICTURE,
                       "%s: %s, of which one would be inspected; save each as a file of its own, or pass tolerant=yes "
                       "to take the first",
                       d->source.path, facts->others);
    dp_note(notes, "%s; the first is taken", facts->others);
    return DP_OK;
}

dp_status dp_decode(const dp_stored *stored, const dp_picture_options *options, const struct dp_sink *sink,
                    struct dp_decoding *d, dp_picture_notes *notes, dp_error *err)
{
    const char *path = stored->name;
    dp_error own = {0};
    err = err ? err : &own;
    *d = (struct dp_decoding){.source.fd = -1};
    dp_status status = dp_vips_start(err);
    if (!status)
        status = dp_picture_file_open(stored, options->max_pixels, &d->source, err);
    if (!status && sink->tiff_only && d->source.kind != DP_KIND_TIFF)
        status = dp_fail(err, DP_E_PICTURE, "%s: %s", path, sink->tiff_only);
    if (status)
        return status;
    if (d->source.kind == DP_KIND_JPEG
        && d->source.facts.no_end) { /* the row has room; the decoder knows whether all pixels came */
        d->source.data[d->source.bytes++] = 0xff;
        d->source.data[d->source.bytes++] = 0xd9;
    }
    if (d->source.facts.height_at) {
        size_t tall = d->source.facts.height_px + 8;
        d->source.data[d->source.facts.height_at] = (uint8_t)(tall >> 8);
        d->source.data[d->source.facts.height_at + 1] = (uint8_t)tall;
    }
    bool whole = pass(d, options, true, DP_ROWS, sink, &status, err);
    /* its header is wrong: would a lenient reader accept it? */
    if (status == DP_E_PICTURE && !d->image && d->reason[0]) {
        dp_error lenient;
        char reason[DP_WHY_BYTES];
        memcpy(reason, d->reason, sizeof reason);
        if (d->source.facts.cut) {
            status = dp_fail(err, DP_E_PICTURE, "%s: cut short (%s); export it again", path, d->source.facts.fault);
        } else if (d->source.kind == DP_KIND_JPEG || (d->source.kind == DP_KIND_PNG && d->source.facts.fault[0])) {
            if (d->source.kind == DP_KIND_PNG)
                dp_png_mend(d->source.data, d->source.bytes);
            bool readable = !open_decoder(d, options->max_pixels, false, &lenient);
            restart(d);
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
    return status ? status : alone(d, options, notes, err);
}
