/* SPDX-License-Identifier: Apache-2.0 */
/* defects.c - finds defects in the delivered map.
 *
 * Only the pixels of the map decide. A defect is a group of connected (8) pixels above the threshold. Its box, area,
 * centroid and peak are those of its pixels, so they agree with the drawn contour and with the file of the map,
 * smoothed or not. The cell behind the peak gives the nearest good patch.
 *
 * Each row becomes runs of pixels above the threshold; runs of neighbouring rows that touch join their trees. */
#include "score/defects.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Pixels first .. end - 1 of row y. */
struct run {
    size_t y, first, end, parent;
};

struct region {
    size_t x0, y0, x1, y1, pixels; /* x1, y1: the last pixels */
    double sum_x, sum_y;
    size_t peak_x, peak_y;
    float peak;
};

static bool counts(const dp_delivered *m, size_t cell)
{
    return !m->valid || m->valid[cell];
}

/* Returns the cell behind a pixel: the valid cell with the largest distance of the four around it, else the nearest
 * valid cell. */
static size_t cell_behind(const dp_delivered *m, size_t x, size_t y)
{
    const dp_projection *p = m->projection;
    double u = p->u[0] * (double)x + p->u[1] * (double)y + p->u[2],
           v = p->v[0] * (double)x + p->v[1] * (double)y + p->v[2];
    u = fmin(fmax(u, 0), (double)(p->cols - 1));
    v = fmin(fmax(v, 0), (double)(p->rows - 1));
    size_t c = (size_t)u, r = (size_t)v, found = SIZE_MAX;
    for (size_t k = 0; k < 4; k++) {
        size_t row = r + k / 2, col = c + k % 2, cell = row * p->cols + col;
        if (row < p->rows && col < p->cols && counts(m, cell) && (found == SIZE_MAX || m->grid[cell] > m->grid[found]))
            found = cell;
    }
    size_t most = p->rows > p->cols ? p->rows : p->cols;
    for (size_t reach = 1; found == SIZE_MAX && reach <= most; reach++) {
        size_t top = r > reach ? r - reach : 0, left = c > reach ? c - reach : 0;
        for (size_t row = top; row <= r + reach && row < p->rows; row++)
            for (size_t col = left; col <= c + reach && col < p->cols; col++)
                if (counts(m, row * p->cols + col)
                    && (found == SIZE_MAX || m->grid[row * p->cols + col] > m->grid[found]))
                    found = row * p->cols + col;
    }
    return found;
}

static void add_pixels(struct region *region, const dp_delivered *m, size_t y, size_t first, size_t end)
{
    const float *row = m->map + y * m->width_px;
    if (region->pixels == 0)
        *region = (struct region){
            .x0 = first, .y0 = y, .x1 = end - 1, .y1 = y, .peak = row[first], .peak_x = first, .peak_y = y};
    region->x0 = first < region->x0 ? first : region->x0;
    region->x1 = end - 1 > region->x1 ? end - 1 : region->x1;
    region->y0 = y < region->y0 ? y : region->y0;
    region->y1 = y > region->y1 ? y : region->y1;
    region->pixels += end - first;
    region->sum_x += (double)(first + end - 1) * 0.5 * (double)(end - first);
    region->sum_y += (double)y * (double)(end - first);
    for (size_t x = first; x < end; x++)
        if (row[x] > region->peak) {
            region->peak = row[x];
            region->peak_x = x;
            region->peak_y = y;
        }
}

/* Describes a defect by `cell` if it is one, else by the cell behind the peak. */
static dp_defect defect_of(const dp_delivered *m, const struct region *region, size_t cell)
{
    cell = cell == SIZE_MAX ? cell_behind(m, region->peak_x, region->peak_y) : cell;
    bool known = cell != SIZE_MAX && m->nearest && m->nearest[cell] != UINT32_MAX;
    return (dp_defect){
        .x0_px = (double)region->x0,
        .y0_px = (double)region->y0,
        .x1_px = (double)region->x1 + 1,
        .y1_px = (double)region->y1 + 1,
        .centre_x_px = region->sum_x / (double)region->pixels,
        .centre_y_px = region->sum_y / (double)region->pixels,
        .area_px = (double)region->pixels,
        .peak = (double)region->peak,
        .peak_cell = cell == SIZE_MAX ? 0 : cell,
        .nearest_cell = SIZE_MAX,
        .nearest_x_px = NAN,
        .nearest_y_px = NAN,
        .nearest_picture = known ? m->nearest[cell] : SIZE_MAX,
    };
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

/* ---------------------------------------------------------------------------------------------------------------- runs */

/* Counts the runs of a row. Most rows have none, and this loop is one that compilers turn into vectors. */
static size_t count_runs(const float *row, size_t width, float threshold)
{
    unsigned n = row[0] > threshold;
    for (size_t x = 1; x < width; x++)
        n += (row[x] > threshold) & (!(row[x - 1] > threshold));
    return n;
}

static size_t count_all_runs(const dp_delivered *m, float threshold)
{
    size_t n = 0;
    for (size_t y = 0; y < m->height_px && m->width_px; y++)
        n += count_runs(m->map + y * m->width_px, m->width_px, threshold);
    return n;
}

static void list_runs(const dp_delivered *m, float threshold, struct run *runs)
{
    size_t n = 0;
    for (size_t y = 0; y < m->height_px; y++) {
        const float *row = m->map + y * m->width_px;
        for (size_t x = 0, left = count_runs(row, m->width_px, threshold); left; left--) {
            while (!(row[x] > threshold))
                x++;
            size_t first = x;
            while (x < m->width_px && row[x] > threshold)
                x++;
            runs[n] = (struct run){y, first, x, n};
            n++;
        }
    }
}

static size_t root_of(struct run *runs, size_t i)
{
    while (runs[i].parent != i)
        i = runs[i].parent = runs[runs[i].parent].parent;
    return i;
}

/* The smaller index stays the root, so groups are numbered in the order of the scan. */
static void join(struct run *runs, size_t a, size_t b)
{
    a = root_of(runs, a);
    b = root_of(runs, b);
    runs[a > b ? a : b].parent = a < b ? a : b;
}

static void join_all(struct run *runs, size_t n)
{
    for (size_t i = 0, above = 0; i < n; i++) {
        while (
            above < i
            && (runs[above].y + 1 < runs[i].y || (runs[above].y + 1 == runs[i].y && runs[above].end < runs[i].first)))
            above++;
        for (size_t k = above; k < i && runs[k].y + 1 == runs[i].y && runs[k].first <= runs[i].end; k++)
            join(runs, k, i);
    }
}

/* Returns the largest float that is not above a double, so that "above it" means the same for every float. */
static float not_above(double value)
{
    float rounded = (float)value;
    return (double)rounded > value ? nextafterf(rounded, -INFINITY) : rounded;
}

dp_status dp_defects_find(const dp_delivered *m, double threshold, dp_defect **defects, size_t *n_defects,
                          dp_error *err)
{
    const float limit = not_above(threshold > 0 ? threshold : 0);
    size_t n_runs = isnan(threshold) ? 0 : count_all_runs(m, limit), n = 0;
    if (!n_runs) {
        *defects = NULL;
        *n_defects = 0;
        return DP_OK;
    }
    struct run *runs = dp_malloc(n_runs, sizeof *runs);
    struct region *regions = NULL;
    size_t *numbers = dp_malloc(n_runs, sizeof *numbers);
    dp_defect *found = NULL;
    dp_status status = DP_OK;
    if (!runs || !numbers) {
        status = dp_fail_memory(err, "the defects", n_runs * sizeof *runs);
        goto done;
    }
    list_runs(m, limit, runs);
    join_all(runs, n_runs);
    for (size_t i = 0; i < n_runs; i++)
        numbers[i] = root_of(runs, i) == i ? n++ : numbers[root_of(runs, i)];
    regions = dp_calloc(n, sizeof *regions);
    found = dp_malloc(n, sizeof *found);
    if (!regions || !found) {
        status = dp_fail_memory(err, "the defects", n * (sizeof *regions + sizeof *found));
        goto done;
    }
    for (size_t i = 0; i < n_runs; i++)
        add_pixels(&regions[numbers[i]], m, runs[i].y, runs[i].first, runs[i].end);
    for (size_t i = 0; i < n; i++)
        found[i] = defect_of(m, &regions[i], SIZE_MAX);
    qsort(found, n, sizeof *found, larger_peak_first);
    *defects = found;
    *n_defects = n;
    found = NULL;
done:
    dp_memory_free(runs);
    dp_memory_free(numbers);
    dp_memory_free(regions);
    dp_memory_free(found);
    return status;
}

/* -------------------------------------------------------------------------------------------------------- the largest */

dp_status dp_defects_largest(const dp_delivered *m, dp_defect **defects, size_t *n_defects, dp_error *err)
{
    const dp_projection *p = m->projection;
    size_t cell = SIZE_MAX, box[4];
    for (size_t i = 0; i < p->rows * p->cols; i++)
        if (counts(m, i) && (cell == SIZE_MAX || m->grid[i] > m->grid[cell]))
            cell = i;
    if (cell == SIZE_MAX || !m->height_px || !m->width_px) {
        *defects = NULL;
        *n_defects = 0;
        return DP_OK;
    }
    dp_defect *found = dp_malloc(1, sizeof *found);
    if (!found)
        return dp_fail_memory(err, "the defects", sizeof *found);
    struct region region = {0};
    dp_projection_box(p, cell, m->height_px, m->width_px, box);
    for (size_t y = box[1]; y <= box[3]; y++)
        for (size_t x = box[0]; x <= box[2]; x++) {
            size_t at;
            if (dp_projection_cell(p, x, y, &at) && at == cell)
                add_pixels(&region, m, y, x, x + 1);
        }
    if (!region.pixels) { /* a cell smaller than a pixel: takes the pixel that it lies in */
        size_t x, y;
        dp_projection_pixel(p, cell, m->height_px, m->width_px, &x, &y);
        add_pixels(&region, m, y, x, x + 1);
    }
    *found = defect_of(m, &region, cell);
    *defects = found;
    *n_defects = 1;
    return DP_OK;
}
