/* SPDX-License-Identifier: Apache-2.0 */
/* aupro.c - area under the per-region-overlap curve (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV
 * 2021).
 *
 * At a threshold, y is the mean over all regions of the share of the region's pixels with distance >= threshold, and
 * x is the share of all good pixels with distance >= threshold. The curve connects the points of all distinct
 * distances, from (0,0) to (1,1), by straight lines (a step with ties is a slope). The result is the area left of x =
 * limit, divided by limit; the curve is cut there between its points. */
#include "eval/aupro.h"

#include <math.h>

/* Adds the part of the trapezoid from (x0, y0) to (x1, y1) that lies left of limit. */
static void add_trapezoid(double x0, double y0, double x1, double y1, double limit, double *area)
{
    if (x0 >= limit || x1 <= x0)
        return;
    if (x1 > limit) {
        y1 = y0 + (y1 - y0) * ((limit - x0) / (x1 - x0));
        x1 = limit;
    }
    *area += (x1 - x0) * 0.5 * (y0 + y1);
}

double dp_aupro(const dp_step *steps, size_t n_steps, const dp_region_pixel *pixels, size_t n_pixels,
                const uint64_t *areas, size_t n_regions, double limit)
{
    uint64_t good = 0, seen = 0;
    for (size_t i = 0; i < n_steps; i++)
        good += steps[i].good + steps[i].good_below;
    if (!good || !n_regions)
        return (double)NAN;
    double area = 0, x = 0, y = 0, sum = 0;
    size_t next = n_pixels;
    for (size_t i = 0; i < n_steps && x < limit; i++) {
        for (uint64_t k = 0; k < steps[i].bad; k++)
            sum += 1 / (double)areas[pixels[--next] & UINT32_MAX];
        seen += steps[i].good;
        double x1 = (double)seen / (double)good, y1 = sum / (double)n_regions;
        add_trapezoid(x, y, x1, y1, limit, &area);
        seen += steps[i].good_below;
        x = (double)seen / (double)good;
        y = y1;
        add_trapezoid(x1, y, x, y, limit, &area);
    }
    return area / limit;
}
