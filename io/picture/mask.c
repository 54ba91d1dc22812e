/* SPDX-License-Identifier: Apache-2.0 */
/* mask.c - reads masks as data sets and people draw them: every pixel that is not background is marked.
 *
 * Background is black, zero or fully transparent; everything else is marked, whatever its depth, colour, number or
 * place in a palette. So 0/255, 0/1, numbered defects in 16 bits, red on black and an overlay on a transparent picture
 * give the same mask. If this rule does not help:
 *
 *   - in a lossy file values ring around edges: marked is a pixel of a third of the largest value or more, at least 32 of 255
 *   - everything visible is black: what is visible is marked
 *   - nothing is black or transparent, but there are several values: background is entry 0 of the palette if used, or
 *     else the most frequent value of the border; a note says so
 *   - there is one value, and it is not black: all is marked; a note says so
 *
 * If most of the border is marked, the mask may be inverted; it is used as it is, and a note says so. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/load.h"

#include <math.h>
#include <string.h>

#define LEAST_LOSSY (32.0 / 255)

struct pixel {
    uint64_t key; /* equal for equal samples */
    float level;  /* the largest of its colours; 1 is the largest number of the type; for floats the number itself */
    bool visible;
};

struct reader {
    const char *path;
    struct pixel *pixels; /* [height, width] upright */
    size_t width, height, stored_width, bands;
    bool alpha;
    double whole; /* the largest number of the type */
    struct dp_placing placing;
    dp_picture_notes *notes;
};

static uint64_t mixed(uint64_t key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    key = (key ^ bits) * 0x9e3779b97f4a7c15u;
    return key ^ key >> 29;
}

static dp_status begin(void *user, struct dp_decoding *d, dp_error *err)
{
    struct reader *r = user;
    VipsImage *wide = NULL;
    if (vips_image_get_interpretation(d->image) == VIPS_INTERPRETATION_CMYK)
        return dp_fail(err, DP_E_PICTURE, "%s: is a mask in CMYK colours, which cannot be read; export it as PNG",
                       r->path);
    VipsBandFormat format = vips_image_get_format(d->image);
    r->whole = format == VIPS_FORMAT_UCHAR ? 255 : format == VIPS_FORMAT_USHORT ? 65535 : 1;
    int orientation = vips_image_get_orientation(d->image);
    if (vips_cast(d->image, &wide, VIPS_FORMAT_DOUBLE, NULL))
        return dp_fail(err, DP_E_PICTURE, "%s: cannot read its samples as numbers; export it as PNG", r->path);
    g_object_unref(d->image);
    d->image = wide;
    r->stored_width = (size_t)vips_image_get_width(wide);
    r->bands = (size_t)vips_image_get_bands(wide);
    r->alpha = r->bands == 2 || r->bands == 4;
    size_t height = (size_t)vips_image_get_height(wide);
    r->placing = dp_place(orientation, r->stored_width, height);
    r->width = r->placing.swapped ? height : r->stored_width;
    r->height = r->placing.swapped ? r->stored_width : height;
    dp_memory_free(r->pixels);
    r->pixels = dp_calloc_2d(r->height, r->width, sizeof *r->pixels);
    return r->pixels ? DP_OK : dp_fail_memory(err, r->path, r->height * r->width * sizeof *r->pixels);
}

static dp_status rows(void *user, VipsRegion *region, size_t y, size_t n, dp_error *err)
{
    (void)err;
    struct reader *r = user;
    size_t colours = r->bands - r->alpha;
    for (size_t j = 0; j < n; j++) {
        const double *in = (const double *)(const void *)VIPS_REGION_ADDR(region, 0, (int)(y + j));
        for (size_t x = 0; x < r->stored_width; x++, in += r->bands) {
            ptrdiff_t at = r->placing.start + (ptrdiff_t)x * r->placing.step_x + (ptrdiff_t)(y + j) * r->placing.step_y;
            struct pixel pixel = {.visible = !r->alpha || in[colours] > 0};
            double level = 0;
            for (size_t c = 0; c < colours; c++) {
                double value = isnan(in[c]) ? 0 : in[c];
                level = fmax(level, fabs(value));
                pixel.key = mixed(pixel.key, value);
            }
            pixel.level = (float)(level / r->whole);
            r->pixels[at] = pixel;
        }
    }
    return DP_OK;
}

static inline size_t border_at(const struct reader *r, size_t i)
{
    if (i < r->width)
        return i;
    if (i < 2 * r->width)
        return (r->height - 1) * r->width + i - r->width;
    i -= 2 * r->width;
    return (i % r->height) * r->width + (i < r->height ? 0 : r->width - 1);
}

/* Returns the value that more than half of the border has, or else the one left over by a vote of pairs. */
static uint64_t border_key(const struct reader *r)
{
    uint64_t key = 0;
    size_t votes = 0;
    for (size_t i = 0; i < 2 * (r->width + r->height); i++) {
        uint64_t other = r->pixels[border_at(r, i)].key;
        if (!votes)
            key = other;
        votes = other == key ? votes + 1 : votes - 1;
    }
    return key;
}

/* Handles a mask in which no pixel is background by the rule. */
static void without_background(const struct reader *r, const dp_facts *facts, uint8_t *mask)
{
    size_t n = r->width * r->height;
    uint64_t first = r->pixels[0].key, key = 0;
    bool several = false, used = false;
    for (size_t c = 0; c < 3; c++)
        key = mixed(key, facts->zero[c]);
    for (size_t i = 0; i < n; i++) {
        several = several || r->pixels[i].key != first;
        used = used || r->pixels[i].key == key;
    }
    if (!several) {
        dp_note(r->notes, "the mask has a single value, which is not black, so it marks the whole picture");
        return;
    }
    bool palette = facts->has_zero && used && r->bands - r->alpha == 3;
    key = palette ? key : border_key(r);
    for (size_t i = 0; i < n; i++)
        mask[i] = r->pixels[i].key != key;
    dp_note(r->notes, "no pixel of this mask is black or transparent, so %s counts as background",
            palette ? "entry 0 of its palette" : "the most frequent value of its border");
}

static void mark(const struct reader *r, const dp_facts *facts, uint8_t *mask)
{
    size_t n = r->width * r->height, n_marked = 0, n_visible = 0, n_border = 0, border = 2 * (r->width + r->height);
    float largest = 0, least = 0;
    for (size_t i = 0; i < n; i++)
        if (r->pixels[i].visible && r->pixels[i].level > largest)
            largest = r->pixels[i].level;
    if (facts->lossy)
        least = fmaxf(largest / 3, (float)LEAST_LOSSY);
    for (size_t i = 0; i < n; i++) {
        const struct pixel *pixel = &r->pixels[i];
        mask[i] = pixel->visible && (facts->lossy ? pixel->level >= least : pixel->level > 0);
        n_marked += mask[i];
        n_visible += pixel->visible;
    }
    if (!n_marked && n_visible && n_visible < n) {
        for (size_t i = 0; i < n; i++)
            mask[i] = r->pixels[i].visible;
    } else if (n_marked == n) {
        without_background(r, facts, mask);
        return;
    }
    for (size_t i = 0; i < border; i++)
        n_border += mask[border_at(r, i)];
    if (2 * n_border > border)
        dp_note(r->notes, "this mask marks most of its border; if white is its background, invert it");
}

dp_status dp_mask_load(const char *path, const dp_picture_options *options, uint8_t **out, size_t *height,
                       size_t *width, dp_picture_notes *notes, dp_error *err)
{
    struct reader r = {.path = path, .notes = notes};
    const struct dp_sink sink = {begin, rows, &r};
    struct dp_decoding d;
    uint8_t *mask = NULL;
    if (notes)
        *notes = (dp_picture_notes){.bits = 8};
    const dp_stored stored = dp_stored_file(path);
    dp_status status = dp_decode(&stored, options, &sink, &d, notes, err);
    if (!status && !(mask = dp_malloc_2d(r.height, r.width, 1)))
        status = dp_fail_memory(err, path, r.height * r.width);
    if (!status) {
        mark(&r, &d.source.facts, mask);
        *out = mask;
        *height = r.height;
        *width = r.width;
    }
    dp_memory_free(r.pixels);
    dp_decoding_close(&d);
    return status;
}
