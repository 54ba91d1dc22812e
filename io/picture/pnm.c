/* SPDX-License-Identifier: Apache-2.0 */
/* pnm.c - reads PBM, PGM and PPM, plain (P1 to P3) and raw (P4 to P6): Netpbm's portable anymap.
 *
 * Bit 1 is black. Samples run from 0 to maxval, which is any number up to 65535 and is kept in facts->white. A maxval
 * above 255 means two bytes a sample, the upper one first. */
#include "base/error.h"
#include "base/memory.h"
#include "picture/picture_file.h"

#include <stdio.h>

struct pnm {
    const uint8_t *data;
    size_t bytes, at;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct pnm *p)
{
    while (p->at < p->bytes) {
        if (p->data[p->at] == '#') {
            while (p->at < p->bytes && p->data[p->at] != '\n' && p->data[p->at] != '\r')
                p->at++;
        } else if (is_blank(p->data[p->at])) {
            p->at++;
        } else {
            return;
        }
    }
}

/* Reads the next number; false at the end, and if something else comes. */
static bool next_number(struct pnm *p, size_t *number)
{
    skip_blanks(p);
    size_t value = 0, from = p->at;
    while (p->at < p->bytes && p->data[p->at] >= '0' && p->data[p->at] <= '9' && value < ((size_t)1 << 40))
        value = 10 * value + (p->data[p->at++] - '0');
    *number = value;
    return p->at > from;
}

/* Returns the number of samples that exist. *above: a sample is larger than white. */
static size_t read_plain(struct pnm *p, bool bits, size_t n, size_t white, dp_raster *raster, bool *above)
{
    for (size_t i = 0; i < n; i++) {
        size_t value;
        if (bits) {
            skip_blanks(p);
            if (p->at >= p->bytes || p->data[p->at] < '0' || p->data[p->at] > '1')
                return i;
            value = p->data[p->at++] == '1' ? 0 : 1;
        } else if (!next_number(p, &value)) {
            return i;
        }
        *above = *above || value > white;
        value = value > white ? white : value;
        if (raster->bits == 16)
            ((uint16_t *)raster->samples)[i] = (uint16_t)value;
        else
            ((uint8_t *)raster->samples)[i] = (uint8_t)(bits ? 255 * value : value);
    }
    return n;
}

static size_t read_raw_bits(const struct pnm *p, dp_raster *raster)
{
    size_t stride = (raster->width_px + 7) / 8;
    uint8_t *out = raster->samples;
    for (size_t y = 0; y < raster->height_px; y++) {
        const uint8_t *row = p->data + p->at + y * stride;
        if (y * stride > p->bytes - p->at || stride > p->bytes - p->at - y * stride)
            return y * raster->width_px;
        for (size_t x = 0; x < raster->width_px; x++)
            *out++ = row[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    }
    return raster->width_px * raster->height_px;
}

static size_t read_raw(const struct pnm *p, size_t n, size_t white, dp_raster *raster, bool *above)
{
    size_t wide = raster->bits / 8, there = (p->bytes - p->at) / wide;
    const uint8_t *in = p->data + p->at;
    there = there < n ? there : n;
    for (size_t i = 0; i < there; i++) {
        size_t value = wide == 1 ? in[i] : (size_t)in[2 * i] << 8 | in[2 * i + 1];
        *above = *above || value > white;
        value = value > white ? white : value;
        if (wide == 2)
            ((uint16_t *)raster->samples)[i] = (uint16_t)value;
        else
            ((uint8_t *)raster->samples)[i] = (uint8_t)value;
    }
    return there;
}

dp_status dp_pnm_read(const uint8_t *data, size_t bytes, size_t max_pixels, dp_facts *facts, dp_raster *raster,
                      dp_error *err)
{
    struct pnm p = {.data = data, .bytes = bytes, .at = 2};
    unsigned kind = data[1] - '0';
    bool bits = kind == 1 || kind == 4, plain = kind <= 3, above = false;
    size_t width, height, white = 255, bands = kind == 3 || kind == 6 ? 3 : 1, pixels, n;
    if (!next_number(&p, &width) || !next_number(&p, &height) || (!bits && !next_number(&p, &white)))
        return dp_fail(err, DP_E_PICTURE, "cut short or damaged in its header; export it again");
    if (!width || !height || !white || white > 65535)
        return dp_fail(err, DP_E_PICTURE, "is a PNM of %zux%zu pixels with maxval %zu; maxval must be 1 to 65535",
                       width, height, white);
    if (!dp_mul_size(width, height, &pixels) || (max_pixels && pixels > max_pixels))
        return dp_fail(err, DP_E_PICTURE, "is %zux%zu pixels; the limit is %zu pixels in all", width, height,
                       max_pixels);
    if (width > DP_MAX_SIDE || height > DP_MAX_SIDE)
        return dp_fail(err, DP_E_PICTURE, "is %zux%zu pixels; a side has at most %d", width, height, DP_MAX_SIDE);
    if (!plain && (p.at >= bytes || !is_blank(data[p.at])))
        return dp_fail(err, DP_E_PICTURE, "cut short or damaged in its header; export it again");
    p.at += !plain;
    facts->width_px = width;
    facts->height_px = height;
    facts->white = white;
    facts->bits = white > 255 ? 16 : 8;
    if (!dp_mul_size(pixels, bands, &n))
        return dp_fail(err, DP_E_PICTURE, "is %zux%zu pixels, more than can be addressed", width, height);
    /* A file cannot hold more samples than bits, or than plain digits: allocate no memory for samples that do not
     * exist. */
    size_t at_least = bits && !plain ? n / 8 : n;
    if (at_least / 64 > bytes)
        return dp_fail(err, DP_E_PICTURE, "cut short: it has only %zu bytes for %zux%zu pixels; export it again", bytes,
                       width, height);
    void *samples = dp_calloc_2d(pixels, bands, facts->bits / 8);
    if (!samples)
        return dp_fail_memory(err, "a picture", n * facts->bits / 8);
    *raster =
        (dp_raster){.width_px = width, .height_px = height, .bands = bands, .bits = facts->bits, .samples = samples};
    size_t there = plain  ? read_plain(&p, bits, n, white, raster, &above)
                   : bits ? read_raw_bits(&p, raster)
                          : read_raw(&p, n, white, raster, &above);
    if (there < n) {
        facts->cut = true;
        facts->rows = there / bands / width;
        snprintf(facts->fault, sizeof facts->fault, "its data end before its pixels do");
    } else if (above) {
        facts->rows = SIZE_MAX;
        snprintf(facts->fault, sizeof facts->fault, "it has samples above its maxval of %zu", white);
    }
    size_t stride = bits ? (width + 7) / 8 : width * bands * (facts->bits / 8), end = p.at;
    bool more = !plain && stride && (bytes - end) / stride >= height && bytes - end - stride * height >= 8
                && data[end + stride * height] == 'P';
    if (more)
        snprintf(facts->others, sizeof facts->others, "holds several pictures");
    return DP_OK;
}
