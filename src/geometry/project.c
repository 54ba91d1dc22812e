/* SPDX-License-Identifier: Apache-2.0 */
/* project.c - P -> G, and a grid of distances as a map in the picture.
 *
 *     P -> C   the inverse of the map that the canvas was warped with
 *     C -> G   the canvas scaled to the cells; then the mirror of the polarity
 * Both are affine, so P -> G is one affine map, and a row of the picture is a straight line through the grid.
 *
 * The value at (u, v) is bilinear between the four cell centres around it, with the weights divided by the sum of
 * those of valid cells; it is 0 if none of them is valid. Between the outermost centres and the border of the canvas,
 * the outermost cells continue. Outside the canvas the value is 0, because nothing is known there.
 *
 * Speed: the four corners of each square between centres are copied side by side (16 bytes, one load). The part of a
 * row that lies in the canvas is found once per row. A division happens only beside invalid cells. Where the picture
 * was not turned and all cells are valid, a row of squares is blended along u once for all its pixel rows. */
#include "geometry/project.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define BAND_ROWS 16 /* picture rows of one task */
#define CHUNK 128    /* pixels whose coordinates are computed together */

dp_status dp_projection_init(dp_projection *projection, const dp_affine *canvas_to_picture, size_t canvas_height_px,
                             size_t canvas_width_px, size_t rows, size_t cols, int mirror, dp_error *err)
{
    if (!rows || !cols || !canvas_height_px || !canvas_width_px)
        return dp_fail(err, DP_E_ARGUMENT, "a map of %zux%zu cells does not fit a canvas of %zux%zu pixels", rows, cols,
                       canvas_height_px, canvas_width_px);
    double det = canvas_to_picture->xu * canvas_to_picture->yv - canvas_to_picture->xv * canvas_to_picture->yu;
    if (!(fabs(det) > 1e-12) || !isfinite(det))
        return dp_fail(err, DP_E_ARGUMENT, "the transform from canvas to picture has no inverse");
    const dp_affine m = dp_affine_invert(canvas_to_picture); /* P -> C */
    /* C -> G */
    double su = (double)cols / (double)canvas_width_px, sv = (double)rows / (double)canvas_height_px;
    dp_projection p = {
        .u = {m.xu * su, m.xv * su, dp_scale_place(m.x0, su)},
        .v = {m.yu * sv, m.yv * sv, dp_scale_place(m.y0, sv)},
        .rows = rows,
        .cols = cols,
    };
    if (mirror) {
        p.u[0] = -p.u[0];
        p.u[1] = -p.u[1];
        p.u[2] = (double)(cols - 1) - p.u[2];
    }
    *projection = p;
    return DP_OK;
}

bool dp_projection_cell(const dp_projection *p, size_t x, size_t y, size_t *cell)
{
    double u = dp_nearest_element(p->u[0] * (double)x + p->u[1] * (double)y + p->u[2]);
    double v = dp_nearest_element(p->v[0] * (double)x + p->v[1] * (double)y + p->v[2]);
    if (!(u >= 0 && v >= 0 && u < (double)p->cols && v < (double)p->rows))
        return false;
    *cell = (size_t)v * p->cols + (size_t)u;
    return true;
}

/* G -> P. */
static void place_in_picture(const dp_projection *p, double col, double row, double *x, double *y)
{
    double det = p->u[0] * p->v[1] - p->u[1] * p->v[0], u = col - p->u[2], v = row - p->v[2];
    *x = (p->v[1] * u - p->u[1] * v) / det;
    *y = (p->u[0] * v - p->v[0] * u) / det;
}

void dp_projection_pixel(const dp_projection *p, size_t cell, size_t height_px, size_t width_px, size_t *x, size_t *y)
{
    double px, py;
    place_in_picture(p, (double)(cell % p->cols), (double)(size_t)(cell / p->cols), &px, &py);
    *x = (size_t)fmin(fmax(round(px), 0), (double)(width_px - 1));
    *y = (size_t)fmin(fmax(round(py), 0), (double)(height_px - 1));
}

void dp_projection_box(const dp_projection *p, size_t cell, size_t height_px, size_t width_px, size_t box[4])
{
    double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY, x, y;
    for (int k = 0; k < 4; k++) {
        place_in_picture(p, (double)(cell % p->cols) + (k % 2 ? 0.5 : -0.5),
                         (double)(size_t)(cell / p->cols) + (k / 2 ? 0.5 : -0.5), &x, &y);
        low_x = fmin(low_x, x), high_x = fmax(high_x, x);
        low_y = fmin(low_y, y), high_y = fmax(high_y, y);
    }
    const double last_x = (double)width_px - 1, last_y = (double)height_px - 1;
    box[0] = (size_t)fmin(fmax(floor(low_x), 0), last_x);
    box[1] = (size_t)fmin(fmax(floor(low_y), 0), last_y);
    box[2] = (size_t)fmin(fmax(ceil(high_x), 0), last_x);
    box[3] = (size_t)fmin(fmax(ceil(high_y), 0), last_y);
}

/* Values of the cells around one square: north-west, north-east, south-west, south-east. */
struct square {
    float v[4];
};

struct job {
    const dp_projection *projection;
    const struct square *squares, *weights; /* [square_rows, square_cols]; weights 1 for a valid corner, else 0 */
    const uint8_t *mixed;                   /* [square_rows, square_cols] 1: a corner is not valid */
    size_t square_rows, square_cols;
    size_t height_px, width_px;
    bool straight; /* all corners are valid, and a row of the picture stays in a row of squares */
    float *map;
};

/* Narrows [*begin, *end) to the x with low <= a x + b <= high. */
static void narrow(double a, double b, double low, double high, size_t *begin, size_t *end)
{
    if (fabs(a) < 1e-15) {
        if (!(b >= low && b <= high))
            *end = *begin;
        return;
    }
    double first = (low - b) / a, last = (high - b) / a;
    if (a < 0) {
        double swap = first;
        first = last;
        last = swap;
    }
    first = ceil(first);
    last = floor(last) + 1;
    if (first > (double)*begin)
        *begin = first < (double)*end ? (size_t)first : *end;
    if (last < (double)*end)
        *end = last > (double)*begin ? (size_t)last : *begin;
}

static inline float blend(const float *v, float fu, float fv)
{
    float north = v[0] + (v[1] - v[0]) * fu, south = v[2] + (v[3] - v[2]) * fu;
    return north + (south - north) * fv;
}

/* The part of picture row y whose pixels lie in the grid; both ends are the width where none does. */
static void find_part(const struct job *job, size_t y, size_t *begin, size_t *end)
{
    const dp_projection *p = job->projection;
    *begin = 0, *end = job->width_px;
    narrow(p->u[0], p->u[1] * (double)y + p->u[2], -0.5, (double)p->cols - 0.5, begin, end);
    narrow(p->v[0], p->v[1] * (double)y + p->v[2], -0.5, (double)p->rows - 0.5, begin, end);
    if (*begin >= *end)
        *begin = *end = job->width_px;
}

/* Along one axis of the grid: the square that pixel i = 0 .. n - 1 at start + i step lies in, and its place in it. */
static inline void place_pixels(float start, float step, size_t centres, size_t squares, int n, int *square,
                                float *place)
{
    const float most = (float)(centres - 1);
    const int last = (int)squares - 1;
    for (int i = 0; i < n; i++) {
        float at = start + step * (float)i;
        at = at > 0 ? at : 0;
        at = at < most ? at : most;
        int low = (int)at;
        low = low < last ? low : last;
        place[i] = at - (float)low;
        square[i] = low;
    }
}

static void project_row(const struct job *job, size_t y, float *out)
{
    const dp_projection *p = job->projection;
    const double u0 = p->u[1] * (double)y + p->u[2], v0 = p->v[1] * (double)y + p->v[2];
    size_t begin, end;
    find_part(job, y, &begin, &end);
    memset(out, 0, begin * sizeof *out);
    memset(out + end, 0, (job->width_px - end) * sizeof *out);
    for (size_t x = begin; x < end; x += CHUNK) {
        const int n = end - x < CHUNK ? (int)(end - x) : CHUNK;
        int iu[CHUNK], iv[CHUNK];
        float fu[CHUNK], fv[CHUNK];
        place_pixels((float)(u0 + p->u[0] * (double)x), (float)p->u[0], p->cols, job->square_cols, n, iu, fu);
        place_pixels((float)(v0 + p->v[0] * (double)x), (float)p->v[0], p->rows, job->square_rows, n, iv, fv);
        for (int i = 0; i < n; i++) {
            const size_t at = (size_t)iv[i] * job->square_cols + (size_t)iu[i];
            float value = blend(job->squares[at].v, fu[i], fv[i]);
            if (__builtin_expect(job->mixed[at], 0)) {
                /* Invalid corners hold 0, so the blend is already the sum over the valid ones. */
                float weight = blend(job->weights[at].v, fu[i], fv[i]);
                value = weight > 1e-6f ? value / weight : 0;
            }
            out[x + (size_t)i] = value;
        }
    }
}

/* project_row for the rows from top to bottom - 1, if rows and columns of the picture run along those of the grid. It
 * adds the same terms in the same order, but computes the blend along u once for all pixel rows of a row of squares. */
static void project_straight(const struct job *job, size_t top, size_t bottom)
{
    const dp_projection *p = job->projection;
    size_t first = job->width_px, after = 0; /* the columns of a row inside the grid; the same for all rows */
    bool seen[BAND_ROWS];
    for (size_t y = top; y < bottom; y++) {
        float *out = job->map + y * job->width_px;
        size_t begin, end;
        find_part(job, y, &begin, &end);
        memset(out, 0, begin * sizeof *out);
        memset(out + end, 0, (job->width_px - end) * sizeof *out);
        seen[y - top] = begin < end;
        if (begin < end)
            first = begin, after = end;
    }
    for (size_t x = first; x < after; x += CHUNK) {
        const int n = after - x < CHUNK ? (int)(after - x) : CHUNK;
        int iu[CHUNK], row = -1;
        float fu[CHUNK], north[CHUNK], south[CHUNK];
        place_pixels((float)(p->u[2] + p->u[0] * (double)x), (float)p->u[0], p->cols, job->square_cols, n, iu, fu);
        for (size_t y = top; y < bottom; y++) {
            float *restrict out = job->map + y * job->width_px + x, fv;
            int iv;
            if (!seen[y - top])
                continue;
            place_pixels((float)(p->v[1] * (double)y + p->v[2]), 0, p->rows, job->square_rows, 1, &iv, &fv);
            if (iv != row) {
                const struct square *squares = job->squares + (size_t)iv * job->square_cols;
                for (int i = 0; i < n; i++) {
                    const float *v = squares[iu[i]].v;
                    north[i] = v[0] + (v[1] - v[0]) * fu[i];
                    south[i] = v[2] + (v[3] - v[2]) * fu[i];
                }
                row = iv;
            }
            for (int i = 0; i < n; i++)
                out[i] = north[i] + (south[i] - north[i]) * fv;
        }
    }
}

static void project_band(void *context, size_t index, size_t worker)
{
    (void)worker;
    const struct job *job = context;
    size_t top = index * BAND_ROWS, bottom = top + BAND_ROWS < job->height_px ? top + BAND_ROWS : job->height_px;
    if (job->straight) {
        project_straight(job, top, bottom);
        return;
    }
    for (size_t y = top; y < bottom; y++)
        project_row(job, y, job->map + y * job->width_px);
}

dp_status dp_project(const dp_projection *projection, const float *grid, const uint8_t *valid, size_t height_px,
                     size_t width_px, dp_pool *pool, float *map, dp_error *err)
{
    size_t rows = projection->rows, cols = projection->cols;
    size_t square_rows = rows > 1 ? rows - 1 : 1, square_cols = cols > 1 ? cols - 1 : 1, n;
    if (!dp_mul_size(square_rows, square_cols, &n) || n > INT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "a grid of %zux%zu cells is too large", rows, cols);
    struct square *squares = dp_malloc(n, 2 * sizeof *squares);
    uint8_t *mixed = dp_malloc(n, 1);
    if (!squares || !mixed) {
        dp_memory_free(squares);
        dp_memory_free(mixed);
        return dp_fail_memory(err, "the interpolation table of the map", n * (2 * sizeof *squares + 1));
    }
    struct square *weights = squares + n;
    bool straight = projection->u[1] == 0 && projection->v[0] == 0;
    for (size_t r = 0; r < square_rows; r++)
        for (size_t c = 0; c < square_cols; c++) {
            size_t i = r * square_cols + c;
            mixed[i] = 0;
            for (size_t k = 0; k < 4; k++) {
                size_t row = r + k / 2 < rows ? r + k / 2 : rows - 1, col = c + k % 2 < cols ? c + k % 2 : cols - 1;
                size_t cell = row * cols + col;
                int good = !valid || valid[cell];
                squares[i].v[k] = good ? grid[cell] : 0;
                weights[i].v[k] = good ? 1 : 0;
                mixed[i] |= !good;
            }
            straight = straight && !mixed[i];
        }
    struct job job = {projection,  squares,   weights,  mixed,    square_rows,
                      square_cols, height_px, width_px, straight, map};
    size_t bands = (height_px + BAND_ROWS - 1) / BAND_ROWS;
    dp_pool_run(pool, bands, project_band, &job);
    dp_memory_free(squares);
    dp_memory_free(mixed);
    return DP_OK;
}
