/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - finds out whether an ICC profile is that of sRGB.
 *
 * A conversion from sRGB to sRGB would change some values by one, so it is left out. The name of a profile does not
 * count: an "sRGB" with other primaries is converted, and an sRGB without a name is not. A matrix profile is sRGB if
 * its primaries, adapted to the D50 of the connection space, are within 0.002 of those of IEC 61966-2-1, and each curve
 * is within 0.001 of
 *
 *     x <= 0.04045: x / 12.92      else: ((x + 0.055) / 1.055)^2.4
 *
 * Tags as in ICC.1:2010: "curv" is 0 (identity), 1 (a gamma of 8.8 bits) or a table; "para" has five functions of a
 * power. */
#include "picture/picture_file.h"

#include <math.h>
#include <string.h>

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static double fixed(const uint8_t *p) /* 16.16 */
{
    return (double)(int32_t)be32(p) / 65536;
}

/* Returns the data of a tag; NULL if it is missing or incomplete. */
static const uint8_t *find(const uint8_t *profile, size_t bytes, const char *name, size_t *size)
{
    size_t tags = be32(profile + 128);
    for (size_t i = 0; i < tags && 132 + 12 * (i + 1) <= bytes; i++) {
        const uint8_t *tag = profile + 132 + 12 * i;
        size_t offset = be32(tag + 4), length = be32(tag + 8);
        if (memcmp(tag, name, 4) != 0)
            continue;
        if (offset > bytes || length > bytes - offset || length < 8)
            return NULL;
        *size = length;
        return profile + offset;
    }
    return NULL;
}

static double srgb(double x)
{
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

/* Returns the curve of a tag at x in [0, 1]; NaN if it is no curve. */
static double curve_at(const uint8_t *tag, size_t bytes, double x)
{
    if (!memcmp(tag, "curv", 4) && bytes >= 12) {
        size_t n = be32(tag + 8);
        if (n > (bytes - 12) / 2)
            return NAN;
        if (n == 0)
            return x;
        if (n == 1)
            return pow(x, be16(tag + 12) / 256.0);
        double place = x * (double)(n - 1);
        size_t low = (size_t)place < n - 1 ? (size_t)place : n - 2;
        double a = be16(tag + 12 + 2 * low), b = be16(tag + 14 + 2 * low);
        return (a + (b - a) * (place - (double)low)) / 65535;
    }
    static const uint8_t counts[] = {1, 3, 4, 5, 7};
    if (memcmp(tag, "para", 4) != 0 || bytes < 12 || be16(tag + 8) > 4
        || bytes < 12 + 4 * (size_t)counts[be16(tag + 8)])
        return NAN;
    double p[7] = {0};
    unsigned kind = be16(tag + 8);
    for (size_t i = 0; i < counts[kind]; i++)
        p[i] = fixed(tag + 12 + 4 * i);
    double g = p[0], a = kind ? p[1] : 1, b = p[2], c = p[3], d = p[4], e = p[5], f = p[6];
    switch (kind) {
    case 0: return pow(x, g);
    case 1: return a * x + b >= 0 ? pow(a * x + b, g) : 0;
    case 2: return a * x + b >= 0 ? pow(a * x + b, g) + c : c;
    case 3: return x >= d ? pow(a * x + b, g) : c * x;
    default: return x >= d ? pow(a * x + b, g) + e : c * x + f;
    }
}

static bool is_srgb_curve(const uint8_t *profile, size_t bytes, const char *name)
{
    size_t size;
    const uint8_t *tag = find(profile, bytes, name, &size);
    for (int i = 0; tag && i <= 255; i++) {
        double x = i / 255.0;
        if (!(fabs(curve_at(tag, size, x) - srgb(x)) <= 0.001))
            return false;
    }
    return tag != NULL;
}

static bool is_primary(const uint8_t *profile, size_t bytes, const char *name, double x, double y, double z)
{
    size_t size;
    const uint8_t *tag = find(profile, bytes, name, &size);
    return tag && size >= 20 && !memcmp(tag, "XYZ ", 4) && fabs(fixed(tag + 8) - x) <= 0.002
           && fabs(fixed(tag + 12) - y) <= 0.002 && fabs(fixed(tag + 16) - z) <= 0.002;
}

bool dp_profile_is_srgb(const uint8_t *profile, size_t bytes)
{
    size_t size;
    if (bytes < 132 || memcmp(profile + 36, "acsp", 4) != 0 || memcmp(profile + 20, "XYZ ", 4) != 0
        || find(profile, bytes, "A2B0", &size) || find(profile, bytes, "A2B1", &size))
        return false;
    if (!memcmp(profile + 16, "GRAY", 4))
        return is_srgb_curve(profile, bytes, "kTRC");
    return !memcmp(profile + 16, "RGB ", 4) && is_primary(profile, bytes, "rXYZ", 0.43607, 0.22249, 0.01392)
           && is_primary(profile, bytes, "gXYZ", 0.38515, 0.71687, 0.09708)
           && is_primary(profile, bytes, "bXYZ", 0.14307, 0.06061, 0.71410) && is_srgb_curve(profile, bytes, "rTRC")
           && is_srgb_curve(profile, bytes, "gTRC") && is_srgb_curve(profile, bytes, "bTRC");
}
