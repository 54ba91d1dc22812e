/* SPDX-License-Identifier: Apache-2.0 */
/* walk_png.c - reads the chunks of a PNG, and those of a WebP.
 *
 * The decoder checks the data of the picture and their checksums. It ignores a small chunk with a wrong checksum,
 * although that may hold the transparency of a palette. This file finds such chunks. */
#include "picture/picture_file.h"

#include <stdio.h>
#include <string.h>

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* CRC-32 as in PNG, four bits at a time. */
static uint32_t checksum(const uint8_t *p, size_t n)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

void dp_png_walk(const uint8_t *data, size_t bytes, dp_facts *facts)
{
    unsigned colour_type = 0;
    facts->no_end = true;
    for (size_t at = 8; bytes - at >= 12;) {
        const uint8_t *chunk = data + at, *type = chunk + 4, *body = chunk + 8;
        size_t length = be32(chunk);
        if (length > bytes - at - 12)
            return; /* the decoder knows whether that matters */
        bool pixels = !memcmp(type, "IDAT", 4) || !memcmp(type, "fdAT", 4);
        if (!pixels && !facts->fault[0] && checksum(type, length + 4) != be32(body + length)) {
            bool plain = true;
            for (int i = 0; i < 4; i++)
                plain = plain && ((type[i] | 32) >= 'a' && (type[i] | 32) <= 'z');
            snprintf(facts->fault, sizeof facts->fault, "the checksum of its chunk %.4s is wrong",
                     plain ? (const char *)type : "????");
        }
        if (!memcmp(type, "IHDR", 4) && length >= 13) {
            facts->width_px = be32(body);
            facts->height_px = be32(body + 4);
            facts->bits = body[8] < 16 ? 8 : 16;
            colour_type = body[9];
            facts->in_layers = body[12] != 0;
        } else if (!memcmp(type, "PLTE", 4) && length >= 3 && colour_type == 3) {
            facts->has_zero = true;
            memcpy(facts->zero, body, 3);
        } else if (!memcmp(type, "iCCP", 4)) {
            facts->has_profile = true;
        } else if (!memcmp(type, "acTL", 4) && length >= 4 && be32(body) != 1) {
            snprintf(facts->others, sizeof facts->others, "is an animation of %zu pictures", (size_t)be32(body));
        } else if (!memcmp(type, "IEND", 4)) {
            facts->no_end = false;
            return;
        }
        at += 12 + length;
    }
}

void dp_png_mend(uint8_t *data, size_t bytes)
{
    for (size_t at = 8; bytes - at >= 12;) {
        size_t length = be32(data + at);
        if (length > bytes - at - 12)
            return;
        uint32_t crc = checksum(data + at + 4, length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

void dp_riff_walk(const uint8_t *data, size_t bytes, dp_facts *facts)
{
    size_t length = bytes >= 12 ? data[4] | (size_t)data[5] << 8 | (size_t)data[6] << 16 | (size_t)data[7] << 24 : 0;
    facts->bits = 8;
    facts->lossy = false;
    if (length + 8 > bytes) {
        facts->cut = true;
        facts->rows = SIZE_MAX;
        snprintf(facts->fault, sizeof facts->fault, "it has only %zu of %zu bytes", bytes, length + 8);
    }
    size_t frames = 0;
    for (size_t at = 12; bytes >= 20 && at <= bytes - 8;) {
        size_t size =
            data[at + 4] | (size_t)data[at + 5] << 8 | (size_t)data[at + 6] << 16 | (size_t)data[at + 7] << 24;
        if (!memcmp(data + at, "ICCP", 4))
            facts->has_profile = true;
        if (!memcmp(data + at, "VP8 ", 4))
            facts->lossy = true;
        if (!memcmp(data + at, "ANMF", 4)) {
            facts->lossy = facts->lossy || (bytes - at >= 28 && !memcmp(data + at + 24, "VP8 ", 4));
            if (++frames > 1)
                snprintf(facts->others, sizeof facts->others, "is an animation of %zu pictures", frames);
        }
        if (size > bytes - at - 8)
            return;
        at += 8 + size + (size & 1);
    }
}
