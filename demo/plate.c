/* SPDX-License-Identifier: Apache-2.0 */
#include "plate.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* splitmix64 */
static uint64_t draw(struct chance *c)
{
    return mix(c->state += UINT64_C(0x9e3779b97f4a7c15));
}

double uniform(struct chance *c, double low, double high)
{
    return low + (high - low) * (double)(draw(c) >> 11) * 0x1p-53;
}

double normal(struct chance *c)
{
    double radius = sqrt(-2 * log(1 - uniform(c, 0, 1))), angle = uniform(c, 0, 2 * PI);
    return radius * cos(angle);
}

size_t below(struct chance *c, size_t n)
{
    return (size_t)(draw(c) % n);
}

static double lattice(uint64_t seed, int64_t x, int64_t y)
{
    uint64_t h = mix(seed ^ mix((uint64_t)x * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)y));
    return (double)(h >> 11) * 0x1p-52 - 1;
}

double noise2(uint64_t seed, double x, double y)
{
    double fx = floor(x), fy = floor(y), sx = smoothstep(0, 1, x - fx), sy = smoothstep(0, 1, y - fy);
    int64_t ix = (int64_t)fx, iy = (int64_t)fy;
    double top = lattice(seed, ix, iy) * (1 - sx) + lattice(seed, ix + 1, iy) * sx;
    double bottom = lattice(seed, ix, iy + 1) * (1 - sx) + lattice(seed, ix + 1, iy + 1) * sx;
    return top * (1 - sy) + bottom * sy;
}

/* One pass along one axis: n lines of size values, `step` apart, borders repeated. */
static void blur_lines(const float *in, float *out, size_t size, size_t line, size_t step, size_t channels,
                       const double *weight, long reach)
{
    for (size_t l = 0; l < size; l++)
        for (long i = 0; i < (long)size; i++)
            for (size_t c = 0; c < channels; c++) {
                double sum = 0;
                for (long k = -reach; k <= reach; k++) {
                    long at = i + k < 0 ? 0 : i + k >= (long)size ? (long)size - 1 : i + k;
                    sum += weight[k + reach] * (double)in[l * line + (size_t)at * step + c];
                }
                out[l * line + (size_t)i * step + c] = (float)sum;
            }
}

void blur(float *data, float *work, size_t size, size_t channels, double sigma)
{
    double weight[129] = {0}, sum = 0;
    long reach = lround(ceil(3 * sigma));
    reach = reach > 64 ? 64 : reach;
    for (long k = -reach; k <= reach; k++)
        sum += weight[k + reach] = exp(-(double)(k * k) / (2 * sigma * sigma));
    for (long k = 0; k <= 2 * reach; k++)
        weight[k] /= sum;
    blur_lines(data, work, size, size * channels, channels, channels, weight, reach);
    blur_lines(work, data, size, channels, size * channels, channels, weight, reach);
}
