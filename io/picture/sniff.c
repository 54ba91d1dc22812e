/* SPDX-License-Identifier: Apache-2.0 */
/* sniff.c - finds the format of a picture file by its first bytes.
 *
 * Seven formats can be read: five whose decoders are made for untrusted files, and two that this library decodes. The
 * others are known by name only, so that the message can say what the file is. */
#include "picture/picture_file.h"

#include <string.h>

static const struct mark {
    dp_kind kind;
    const char *name;
    size_t at, bytes;
    const char *mark;
} marks[] = {
    {DP_KIND_JPEG, "JPEG", 0, 3, "\xff\xd8\xff"},
    {DP_KIND_PNG, "PNG", 0, 8, "\x89PNG\r\n\x1a\n"},
    {DP_KIND_TIFF, "TIFF", 0, 4, "II*\0"},
    {DP_KIND_TIFF, "TIFF", 0, 4, "MM\0*"},
    {DP_KIND_TIFF, "BigTIFF", 0, 4, "II+\0"},
    {DP_KIND_TIFF, "BigTIFF", 0, 4, "MM\0+"},
    {DP_KIND_WEBP, "WebP", 8, 4, "WEBP"},
    {DP_KIND_OTHER, "JPEG 2000 picture", 0, 12, "\0\0\0\x0cjP  \r\n\x87\n"},
    {DP_KIND_OTHER, "JPEG 2000 code stream", 0, 4, "\xff\x4f\xff\x51"},
    {DP_KIND_OTHER, "JPEG XL picture", 0, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
    {DP_KIND_OTHER, "JPEG XL code stream", 0, 2, "\xff\x0a"},
    {DP_KIND_OTHER, "JPEG XR picture", 0, 3, "II\xbc"},
    {DP_KIND_OTHER, "GIF", 0, 4, "GIF8"},
    {DP_KIND_OTHER, "Radiance (HDR) picture", 0, 2, "#?"},
    {DP_KIND_OTHER, "OpenEXR picture", 0, 4, "\x76\x2f\x31\x01"},
    {DP_KIND_OTHER, "FITS picture", 0, 9, "SIMPLE  ="},
    {DP_KIND_OTHER, "Photoshop document", 0, 4, "8BPS"},
    {DP_KIND_OTHER, "GIMP document", 0, 9, "gimp xcf "},
    {DP_KIND_OTHER, "PDF document", 0, 4, "%PDF"},
    {DP_KIND_OTHER, "PostScript document", 0, 2, "%!"},
    {DP_KIND_OTHER, "DirectDraw surface", 0, 4, "DDS "},
    {DP_KIND_OTHER, "DICOM picture", 128, 4, "DICM"},
    {DP_KIND_OTHER, DP_TAR_NAME, 257, 5, "ustar"},
    {DP_KIND_OTHER, "QOI picture", 0, 4, "qoif"},
    {DP_KIND_OTHER, "farbfeld picture", 0, 8, "farbfeld"},
    {DP_KIND_OTHER, "Windows icon", 0, 4, "\0\0\1\0"},
    {DP_KIND_OTHER, "libvips picture", 0, 4, "\x08\xf2\xa6\xb6"},
    {DP_KIND_OTHER, "libvips picture", 0, 4, "\xb6\xa6\xf2\x08"},
    {DP_KIND_OTHER, "HDF5 file", 0, 8, "\x89HDF\r\n\x1a\n"},
    {DP_KIND_OTHER, "MATLAB file", 0, 6, "MATLAB"},
    {DP_KIND_OTHER, "NumPy array", 0, 6, "\x93NUMPY"},
    {DP_KIND_OTHER, "camera raw picture", 0, 4, "IIU\0"},
    {DP_KIND_OTHER, "camera raw picture", 0, 8, "FUJIFILM"},
};

/* The ISO container: its brand tells the content. */
static dp_kind container(const uint8_t *head, size_t bytes, const char **name)
{
    static const char brands[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"};
    for (size_t at = 8; at + 4 <= bytes && at < 64; at += at == 8 ? 8 : 4)
        for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
            if (memcmp(head + at, brands[i], 4) == 0) {
                *name = "HEIF";
                return DP_KIND_HEIF;
            }
    *name = memcmp(head + 8, "crx ", 4) == 0   ? "camera raw picture"
            : memcmp(head + 8, "jp2 ", 4) == 0 ? "JPEG 2000 picture"
                                               : "video";
    return DP_KIND_OTHER;
}

static dp_kind portable(const uint8_t *head, const char **name)
{
    static const char others[] = "7FfPp";
    bool blank = head[2] == ' ' || head[2] == '\t' || head[2] == '\n' || head[2] == '\r' || head[2] == '#'
                 || head[2] == '\v' || head[2] == '\f';
    if (!blank)
        return DP_KIND_NONE;
    if (head[1] >= '1' && head[1] <= '6') {
        *name = "PNM";
        return DP_KIND_PNM;
    }
    if (!strchr(others, head[1]) || !head[1])
        return DP_KIND_NONE;
    *name = head[1] == '7' ? "PAM picture" : "PFM picture";
    return DP_KIND_OTHER;
}

dp_kind dp_sniff(const uint8_t *head, size_t bytes, const char **name)
{
    *name = NULL;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const struct mark *mark = &marks[i];
        if (bytes < mark->at + mark->bytes || memcmp(head + mark->at, mark->mark, mark->bytes) != 0)
            continue;
        if (mark->kind == DP_KIND_WEBP && memcmp(head, "RIFF", 4) != 0)
            continue;
        *name = mark->name;
        return mark->kind;
    }
    if (bytes >= 12 && memcmp(head + 4, "ftyp", 4) == 0)
        return container(head, bytes, name);
    if (bytes >= 14 && head[0] == 'B' && head[1] == 'M') {
        *name = "BMP";
        return DP_KIND_BMP;
    }
    if (bytes >= 3 && head[0] == 'P')
        return portable(head, name);
    return DP_KIND_NONE;
}
