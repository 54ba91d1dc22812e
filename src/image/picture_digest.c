/* digest.c - what makes two pictures the same picture: their size and every pixel as the library sees it, whatever the
 * file was called, in which format it was written, and what else it said.
 *
 *     SHA-256( "dinopatch picture" , width , height , pixels )      width and height as 8 bytes each, little endian;
 * docs/bank-format.md */
#include "base/hash.h"
#include "dinopatch.h"

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
