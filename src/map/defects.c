/* defects.c - cells decide what belongs together, pixels how large it is.
 *
 * Valid cells with a distance above the threshold form groups (8-connected).  A pixel of the map is a weighted mean of
 * the at most four valid cells around it, so a pixel above the threshold has at least one such cell among them, and all of
 * those are neighbours of each other: the pixel belongs to exactly one group.  Box, area and centroid are those of
 * the group's pixels, and agree with the contour that is drawn; peak and nearest picture are those of its cells.
 * Where the picture is so coarse that a group has no pixel of its own, the pixel under its peak stands for it. */
#include "map/defects.h"
#include "base/error.h"
#include "base/memory.h"
#include "map/components.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct region {
    size_t x0, y0, x1, y1, pixels;
    double sum_x, sum_y;
    size_t peak_cell;
};

/* The group of the pixel at grid coordinates (u, v): that of the nearest of the four cells around it which has one. */
static uint32_t group_at(const dp_projection *p, const uint32_t *labels, double u, double v)
{
    u = fmin(fmax(u, 0), (double)(p->cols - 1));
    v = fmin(fmax(v, 0), (double)(p->rows - 1));
    size_t c = (size_t)u, r = (size_t)v;
    double fu = u - (double)c, fv = v - (double)r, best_weight = -1;
    uint32_t best = 0;
    for (size_t k = 0; k < 4; k++) {
        size_t row = r + k / 2, col = c + k % 2;
        if (row >= p->rows || col >= p->cols || !labels[row * p->cols + col])
            continue;
        double weight = (k % 2 ? fu : 1 - fu) * (k / 2 ? fv : 1 - fv);
        if (weight > best_weight) {
            best_weight = weight;
            best = labels[row * p->cols + col];
        }
    }
    return best;
}

static void add_pixel(struct region *region, size_t x, size_t y)
{
    if (region->pixels++ == 0) {
        region->x0 = region->x1 = x;
        region->y0 = region->y1 = y;
    }
    region->x0 = x < region->x0 ? x : region->x0;
    region->x1 = x > region->x1 ? x : region->x1;
    region->y0 = y < region->y0 ? y : region->y0;
    region->y1 = y > region->y1 ? y : region->y1;
    region->sum_x += (double)x;
    region->sum_y += (double)y;
}

/* The pixel nearest to the centre of a cell, inside the picture. */
static void pixel_of_cell(const dp_projection *p, size_t cell, size_t height_px, size_t width_px, size_t *x, size_t *y)
{
    double det = p->u[0] * p->v[1] - p->u[1] * p->v[0];
    size_t row = cell / p->cols, col = cell % p->cols;
    double u = (double)col - p->u[2], v = (double)row - p->v[2];
    double px = round((p->v[1] * u - p->u[1] * v) / det), py = round((p->u[0] * v - p->v[0] * u) / det);
    *x = (size_t)fmin(fmax(px, 0), (double)(width_px - 1));
    *y = (size_t)fmin(fmax(py, 0), (double)(height_px - 1));
}

static int larger_peak_first(const void *a, const void *b)
{
    const dp_defect *x = a, *y = b;
    if (x->peak != y->peak)
        return x->peak > y->peak ? -1 : 1;
    if (x->area_px != y->area_px)
        return x->area_px > y->area_px ? -1 : 1;
    if (x->y0_px != y->y0_px)
        return x->y0_px < y->y0_px ? -1 : 1;
    return x->x0_px < y->x0_px ? -1 : x->x0_px > y->x0_px;
}

dp_status dp_defects_find(const dp_projection *p, const float *grid, const uint8_t *valid, const uint32_t *nearest,
                          double threshold, const float *map, size_t height_px, size_t width_px, dp_defect **defects,
                          size_t *n_defects, dp_error *err)
{
    size_t cells = p->rows * p->cols;
    if (isnan(threshold)) {
        *defects = NULL;
        *n_defects = 0;
        return DP_OK;
    }
    dp_status status = DP_OK;
    struct region *regions = NULL;
    dp_defect *found = NULL;
    uint8_t *above = dp_malloc(cells, 1);
    uint32_t *labels = dp_malloc(cells, sizeof *labels);
    uint32_t *scratch = dp_malloc(dp_components_scratch(p->rows, p->cols), sizeof *scratch);
    if (!above || !labels || !scratch) {
        status = dp_fail_memory(err, "the defects' labels", cells * 9);
        goto done;
    }
    for (size_t i = 0; i < cells; i++)
        above[i] = (!valid || valid[i]) && (double)grid[i] > threshold;
    size_t n = dp_components_label(above, p->rows, p->cols, DP_CONNECT_8, labels, scratch);
    if (n == 0) {
        *defects = NULL;
        *n_defects = 0;
        goto done;
    }
    regions = dp_calloc(n, sizeof *regions);
    found = dp_calloc(n, sizeof *found);
    if (!regions || !found) {
        status = dp_fail_memory(err, "the defects", n * (sizeof *regions + sizeof *found));
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        regions[i].peak_cell = SIZE_MAX;
    for (size_t i = 0; i < cells; i++)
        if (labels[i]) {
            struct region *region = &regions[labels[i] - 1];
            if (region->peak_cell == SIZE_MAX || grid[i] > grid[region->peak_cell])
                region->peak_cell = i;
        }
    for (size_t y = 0; y < height_px; y++) {
        const float *row = map + y * width_px;
        for (size_t x = 0; x < width_px; x++) {
            if (!((double)row[x] > threshold))
                continue;
            double u = p->u[0] * (double)x + p->u[1] * (double)y + p->u[2];
            double v = p->v[0] * (double)x + p->v[1] * (double)y + p->v[2];
            /* Outside the canvas the map is 0, which a threshold below 0 would let in. */
            if (u < -0.5 || v < -0.5 || u > (double)p->cols - 0.5 || v > (double)p->rows - 0.5)
                continue;
            uint32_t group = group_at(p, labels, u, v);
            if (group)
                add_pixel(&regions[group - 1], x, y);
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct region *region = &regions[i];
        if (region->pixels == 0) {
            size_t x, y;
            pixel_of_cell(p, region->peak_cell, height_px, width_px, &x, &y);
            add_pixel(region, x, y);
        }
        found[i] = (dp_defect){
            .x0_px = (double)region->x0,
            .y0_px = (double)region->y0,
            .x1_px = (double)region->x1 + 1,
            .y1_px = (double)region->y1 + 1,
            .centre_x_px = region->sum_x / (double)region->pixels,
            .centre_y_px = region->sum_y / (double)region->pixels,
            .area_px = (double)region->pixels,
            .peak = (double)grid[region->peak_cell],
            .peak_cell = region->peak_cell,
            .nearest_cell = SIZE_MAX,
            .nearest_x_px = NAN,
            .nearest_y_px = NAN,
            .nearest_picture = nearest && nearest[region->peak_cell] != UINT32_MAX ? nearest[region->peak_cell] : SIZE_MAX,
        };
    }
    qsort(found, n, sizeof *found, larger_peak_first);
    *defects = found;
    *n_defects = n;
    found = NULL;
done:
    dp_memory_free(above);
    dp_memory_free(labels);
    dp_memory_free(scratch);
    dp_memory_free(regions);
    dp_memory_free(found);
    return status;
}
