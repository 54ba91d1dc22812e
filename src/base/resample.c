/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resample.h"

#include <math.h>

double dp_cubic(double t, double a)
{
    t = fabs(t);
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2)
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
    return 0;
}

size_t dp_cubic_taps(double scale)
{
    return (size_t)ceil(2 * (scale > 1 ? scale : 1)) * 2 + 1;
}

size_t dp_cubic_weights(double scale, size_t i, size_t n, double *weights, size_t *first)
{
    double stretch = scale > 1 ? scale : 1, centre = scale * ((double)i + 0.5), total = 0;
    ptrdiff_t from = (ptrdiff_t)(centre - 2 * stretch + 0.5), to = (ptrdiff_t)(centre + 2 * stretch + 0.5);
    from = from < 0 ? 0 : from;
    to = to > (ptrdiff_t)n ? (ptrdiff_t)n : to;
    size_t count = (size_t)(to - from);
    for (size_t j = 0; j < count; j++)
        total += weights[j] = dp_cubic(((double)((size_t)from + j) - centre + 0.5) / stretch, -0.5);
    for (size_t j = 0; j < count; j++)
        weights[j] /= total;
    *first = (size_t)from;
    return count;
}
