/* SPDX-License-Identifier: Apache-2.0 */
/* picture_digest.c - computes the digest of a picture: two pictures are the same if their sizes and all their pixels
 * are equal, whatever their files are called, which format they have and what else they hold.
 *
 *     SHA-256( "dinopatch picture" , width , height , pixels )
 *
 * Width and height are 8 bytes each, little endian: docs/bank-format.md. */
#include "image/picture.h"
#include "base/hash.h"
#include "dinopatch/experimental.h"

static void put_size(unsigned char out[8], size_t size)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)size >> 8 * i);
}

dp_status dp_picture_digest(const dp_picture *picture, unsigned char digest[32], dp_error *err)
{
    static const char mark[] = {'d', 'i', 'n', 'o', 'p', 'a', 't', 'c', 'h', ' ', 'p', 'i', 'c', 't', 'u', 'r', 'e'};
    unsigned char sizes[16];
    put_size(sizes, picture->width_px);
    put_size(sizes + 8, picture->height_px);
    const dp_bytes pieces[] = {
        {mark, sizeof mark}, {sizes, sizeof sizes}, {picture->rgb, picture->width_px * picture->height_px * 3}};
    return dp_sha256_raw(pieces, sizeof pieces / sizeof *pieces, digest, err);
}
