/* SPDX-License-Identifier: Apache-2.0 */
/* flip.c - reverses the order of rows or columns. */
#include "geometry/flip.h"

#include <string.h>

static void swap(char *a, char *b, size_t bytes)
{
    char kept[256];
    for (size_t n; bytes; a += n, b += n, bytes -= n) {
        n = bytes < sizeof kept ? bytes : sizeof kept;
        memcpy(kept, a, n);
        memcpy(a, b, n);
        memcpy(b, kept, n);
    }
}

void dp_flip(void *elements, size_t bytes, size_t height, size_t width, bool rows)
{
    char *all = elements;
    size_t row = width * bytes;
    for (size_t y = 0; rows && y < height / 2; y++)
        swap(all + y * row, all + (height - 1 - y) * row, row);
    for (size_t y = 0; !rows && y < height; y++)
        for (size_t x = 0; x < width / 2; x++)
            swap(all + y * row + x * bytes, all + y * row + (width - 1 - x) * bytes, bytes);
}
