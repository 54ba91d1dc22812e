/* SPDX-License-Identifier: Apache-2.0 */
/* white.c - finds the significant bits of 16-bit samples.
 *
 * Cameras of 10, 12 or 14 bits deliver them in 16-bit files: at the lower end (samples up to 1023, 4095, 16383), which
 * looks nearly black, or shifted to the upper end (the lowest bits are always zero).  No file says which.  Let M be the
 * largest sample of all good pictures, and t the number of low bits that are zero in all of them (at most 8).  A camera
 * of b bits is then the least of 8, 10, 12, 14 with
 *
 *     M >> t < 2^b  and  b <= 16 - t,   or else b = 16 - t
 *
 * and white is (2^b - 1) << t.  So the same picture gives the same result at either end, and a picture that uses all 16
 * bits stays as it is. */
#include "base/white.h"

void dp_depth_add(dp_depth *depth, const uint16_t *samples, size_t n, size_t bands)
{
    size_t colours = bands % 2 ? bands : bands == 4 || bands == 2 ? bands - 1 : bands;
    unsigned largest = depth->largest, any = depth->any;
    if (colours == bands) {
        for (size_t i = 0; i < n * bands; i++) {
            any |= samples[i];
            largest = samples[i] > largest ? samples[i] : largest;
        }
    } else {
        for (size_t i = 0; i < n; i++, samples += bands)
            for (size_t c = 0; c < colours; c++) {
                any |= samples[c];
                largest = samples[c] > largest ? samples[c] : largest;
            }
    }
    depth->largest = (uint16_t)largest;
    depth->any = (uint16_t)any;
}

size_t dp_depth_white(const dp_depth *depth)
{
    if (!depth->any)
        return 65535;
    unsigned shift = (unsigned)__builtin_ctz(depth->any), bits = 8;
    shift = shift < 8 ? shift : 8;
    while (bits <= 14 && (unsigned)depth->largest >> shift >= 1u << bits)
        bits += 2;
    if (bits > 14 || bits > 16 - shift)
        bits = 16 - shift;
    return (((size_t)1 << bits) - 1) << shift;
}

size_t dp_depth_bits(size_t white)
{
    size_t bits = 0;
    while (white && !(white & 1))
        white >>= 1;
    for (; white; white >>= 1)
        bits++;
    return bits;
}
