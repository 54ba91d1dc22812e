/* SPDX-License-Identifier: Apache-2.0 */
/* warp.c - turns, shifts and scales the picture into the canvas in one step, directly from the source pixels.
 *
 * Canvas pixel (u, v) shows the picture at (x, y) of dp_canvas_transform. The picture continues periodically on all
 * sides (wrap padding), so coordinates are taken modulo its size. With s picture pixels per canvas pixel:
 *
 *     s <= 1    bilinear
 *     s <= 4    the mean of k x k bilinear samples spread evenly over the canvas pixel, k = ceil(5/4 s)
 *     s > 4     the same on means of f x f picture pixels, f = floor(s / 2), k = ceil(s / f) <= 3
 *
 * This is area averaging. The samples lie along the canvas axes, so the object looks the same however it lay in the
 * picture. They are closer together than the pixels (or means) they are taken from: at 45 degrees the finest pattern
 * that pixels can hold has a period of 1.4 pixels, and samples one pixel apart would show moire.
 *
 * The work is divided into squares of the canvas. Each square copies the box of the picture that it needs, wrapped and
 * averaged, into a small array of four floats per pixel. Memory does not grow with the picture.
 *
 * A canvas pixel is valid if none of its k x k samples takes a pixel (or a mean) that is not wholly inside the
 * picture. */
#include "geometry/warp.h"
#include "geometry/spaces.h"
#include "base/border.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "simd/float4.h"

#include <math.h>
#include <string.h>

#define SQUARE ((size_t)32)
#define MAX_CANVAS_PX 32768
#define MIN_FILL 0.1
#define MAX_FILL 10

typedef dp_float4 pixel; /* red, green, blue, unused */

/* The number and spacing of samples in a canvas pixel. */
struct sampling {
    size_t k, f;
};

static struct sampling choose_sampling(const dp_affine *map)
{
    double scale = hypot(map->xu, map->yu);
    size_t f = scale > 4 ? (size_t)(scale / 2) : 1;
    double k = ceil(scale > 1 && f == 1 ? 1.25 * scale : scale / (double)f);
    return (struct sampling){k < 1 ? 1 : (size_t)k, f};
}

/* A box of the picture on the grid of its f x f means; mean (i, j) has its centre at f i + (f - 1) / 2. */
struct patch {
    const dp_picture *picture;
    ptrdiff_t f;
    ptrdiff_t left, top; /* index of the first mean */
    size_t width, height;
    pixel *pixels; /* [height, width] */
    size_t capacity;
    uint32_t *sums; /* [f width, 3]: sums of f rows per column */
    size_t sums_capacity;
};

/* Steps through the range [from, from + count) of a periodic row of `length` pixels, piece by piece. */
/* NOLINTBEGIN(bugprone-macro-parentheses): at, done and n are declared by it */
#define FOR_PIECES(from, count, length, at, done, n)                                                                   \
    for (size_t done = 0, n, at = dp_border_wrap(from, length);                                                        \
         done < (count) && (n = (length)-at < (count)-done ? (length)-at : (count)-done, 1); done += n, at = 0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void fill_row(const struct patch *patch, size_t row, pixel *restrict out)
{
    const dp_picture *picture = patch->picture;
    const uint8_t *line =
        picture->rgb + 3 * picture->width_px * dp_border_wrap(patch->top + (ptrdiff_t)row, picture->height_px);
    FOR_PIECES(patch->left, patch->width, picture->width_px, at, done, n)
    {
        const uint8_t *restrict in = line + 3 * at;
        for (size_t i = 0; i < n; i++)
            out[done + i] = (pixel){in[3 * i], in[3 * i + 1], in[3 * i + 2], 0};
    }
}

static void fill_row_of_means(struct patch *patch, size_t row, pixel *restrict out)
{
    const dp_picture *picture = patch->picture;
    size_t f = (size_t)patch->f, columns = f * patch->width;
    memset(patch->sums, 0, 3 * columns * sizeof *patch->sums);
    for (size_t j = 0; j < f; j++) {
        ptrdiff_t y = (patch->top + (ptrdiff_t)row) * patch->f + (ptrdiff_t)j;
        const uint8_t *line = picture->rgb + 3 * picture->width_px * dp_border_wrap(y, picture->height_px);
        FOR_PIECES(patch->left * patch->f, columns, picture->width_px, at, done, n)
        {
            const uint8_t *restrict in = line + 3 * at;
            uint32_t *restrict sums = patch->sums + 3 * done;
            for (size_t i = 0; i < 3 * n; i++)
                sums[i] += in[i];
        }
    }
    float share = (float)(1 / ((double)f * (double)f));
    const uint32_t *sums = patch->sums;
    for (size_t i = 0; i < patch->width; i++) {
        uint64_t r = 0, g = 0, b = 0;
        for (size_t j = 0; j < f; j++, sums += 3) {
            r += sums[0];
            g += sums[1];
            b += sums[2];
        }
        out[i] = (pixel){(float)r * share, (float)g * share, (float)b * share, 0};
    }
}

static int reserve(void **memory, size_t *capacity, size_t wanted, size_t bytes)
{
    if (*memory && wanted <= *capacity)
        return 1;
    dp_memory_free(*memory);
    *memory = dp_malloc(wanted, bytes);
    *capacity = *memory ? wanted : 0;
    return *memory != NULL;
}

/* Fills the patch with the pixels that bilinear samples in the box [x0, x1] x [y0, y1] of the picture need. */
static int patch_fill(struct patch *patch, double x0, double y0, double x1, double y1)
{
    double f = (double)patch->f, middle = (f - 1) / 2;
    patch->left = (ptrdiff_t)floor((x0 - middle) / f);
    patch->top = (ptrdiff_t)floor((y0 - middle) / f);
    patch->width = (size_t)((ptrdiff_t)floor((x1 - middle) / f) - patch->left) + 2;
    patch->height = (size_t)((ptrdiff_t)floor((y1 - middle) / f) - patch->top) + 2;
    void *pixels = patch->pixels, *sums = patch->sums;
    int enough = reserve(&pixels, &patch->capacity, patch->width * patch->height, sizeof *patch->pixels)
                 && reserve(&sums, &patch->sums_capacity, 3 * patch->width * (size_t)patch->f, sizeof *patch->sums);
    patch->pixels = pixels;
    patch->sums = sums;
    if (!enough)
        return 0;
    for (size_t row = 0; row < patch->height; row++) {
        if (patch->f == 1)
            fill_row(patch, row, patch->pixels + row * patch->width);
        else
            fill_row_of_means(patch, row, patch->pixels + row * patch->width);
    }
    return 1;
}

static inline pixel sample(const pixel *restrict pixels, size_t width, float x, float y)
{
    int ix = (int)x, iy = (int)y; /* never negative inside the patch */
    float fx = x - (float)ix, fy = y - (float)iy;
    const pixel *p = pixels + (size_t)iy * width + (size_t)ix;
    pixel above = p[0] + (p[1] - p[0]) * fx, below = p[width] + (p[width + 1] - p[width]) * fx;
    return above + (below - above) * fy;
}

/* Pixels `from` of a square, whose first is at rgb, with rows `stride` pixels apart. map: from the pixels of the square
 * into the patch. */
static void sample_square(const struct patch *patch, const dp_affine *map, size_t k, const dp_area *from, float *rgb,
                          size_t stride)
{
    const pixel *pixels = patch->pixels;
    float share = 1 / (float)(k * k);
    for (size_t v = from->top; v < from->top + from->height; v++)
        for (size_t u = from->left; u < from->left + from->width; u++) {
            pixel sum = {0};
            for (size_t j = 0; j < k; j++) {
                double su = (double)u - 0.5 + 0.5 / (double)k, sv = (double)v - 0.5 + ((double)j + 0.5) / (double)k;
                double x, y;
                dp_affine_apply(map, su, sv, &x, &y);
                float fx = (float)x, fy = (float)y;
                float dx = (float)(map->xu / (double)k), dy = (float)(map->yu / (double)k);
                for (size_t i = 0; i < k; i++)
                    sum += sample(pixels, patch->width, fx + dx * (float)i, fy + dy * (float)i);
            }
            sum *= share;
            float *out = rgb + 3 * ((v - from->top) * stride + u - from->left);
            out[0] = sum[0];
            out[1] = sum[1];
            out[2] = sum[2];
        }
}

struct box {
    double x0, y0, x1, y1;
};

/* Returns the box of the picture that the samples of a square fall into, with a small margin for rounding. */
static struct box box_of_square(const dp_affine *map, const dp_area *square)
{
    struct box box = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    for (int corner = 0; corner < 4; corner++) {
        double x, y;
        dp_affine_apply(map, (double)square->left - 0.5 + (corner & 1 ? (double)square->width : 0),
                        (double)square->top - 0.5 + (corner & 2 ? (double)square->height : 0), &x, &y);
        box.x0 = fmin(box.x0, x), box.x1 = fmax(box.x1, x);
        box.y0 = fmin(box.y0, y), box.y1 = fmax(box.y1, y);
    }
    double spare = 0.01 + 0.001 * (box.x1 - box.x0 + box.y1 - box.y0);
    return (struct box){box.x0 - spare, box.y0 - spare, box.x1 + spare, box.y1 + spare};
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The squares lie on a raster of the whole canvas, so that a pixel is the same bits in any part. */
static dp_status warp_rgb(const dp_picture *picture, const dp_affine *map, const dp_canvas *canvas, const dp_area *part,
                          float *rgb, dp_error *err)
{
    struct sampling sampling = choose_sampling(map);
    struct patch patch = {.picture = picture, .f = (ptrdiff_t)sampling.f};
    size_t bottom = part->top + part->height, right = part->left + part->width;
    dp_status status = DP_OK;
    for (size_t v0 = part->top / SQUARE * SQUARE; v0 < bottom; v0 += SQUARE)
        for (size_t u0 = part->left / SQUARE * SQUARE; u0 < right; u0 += SQUARE) {
            const double f = (double)patch.f;
            const dp_area square = {v0, u0, smaller(canvas->height_px - v0, SQUARE),
                                    smaller(canvas->width_px - u0, SQUARE)};
            const struct box box = box_of_square(map, &square);
            if (!patch_fill(&patch, box.x0, box.y0, box.x1, box.y1)) {
                status = dp_fail_memory(err, "warping", patch.width * patch.height * sizeof(pixel));
                goto done;
            }
            dp_affine local = {map->xu / f, map->xv / f, 0, map->yu / f, map->yv / f, 0};
            dp_affine_apply(map, (double)u0, (double)v0, &local.x0, &local.y0);
            local.x0 = (local.x0 - (f - 1) / 2) / f - (double)patch.left;
            local.y0 = (local.y0 - (f - 1) / 2) / f - (double)patch.top;
            size_t top = v0 < part->top ? part->top - v0 : 0, left = u0 < part->left ? part->left - u0 : 0;
            const dp_area from = {top, left, smaller(bottom - v0, SQUARE) - top, smaller(right - u0, SQUARE) - left};
            sample_square(&patch, &local, sampling.k, &from,
                          rgb + 3 * ((v0 + top - part->top) * part->width + u0 + left - part->left), part->width);
        }
done:
    dp_memory_free(patch.pixels);
    dp_memory_free(patch.sums);
    return status;
}

/* The samples of a canvas pixel at x reach from x - e to x + e, e = (|xu| + |xv|) / 2 * (k - 1) / k. Bilinear
 * interpolation between means i and i + 1 of f pixels takes pixels f i to f i + 2 f - 1. If the weight at the far end
 * is 0, it takes one mean less. */
static void valid_range(double along, double across, size_t length, struct sampling sampling, double *low, double *high)
{
    /* If the canvas shows the picture pixel by pixel, rounding must not remove its border. */
    const double tolerance = 1e-6;
    double reach = (fabs(along) + fabs(across)) / 2 * (double)(sampling.k - 1) / (double)sampling.k;
    size_t means = length / sampling.f;
    double middle = ((double)sampling.f - 1) / 2, last = (double)means - 1;
    *low = middle + reach - tolerance;
    *high = middle + last * (double)sampling.f - reach + tolerance;
}

static void mark_valid(const dp_picture *picture, const dp_affine *map, const dp_area *part, uint8_t *valid)
{
    struct sampling sampling = choose_sampling(map);
    double low_x, high_x, low_y, high_y;
    valid_range(map->xu, map->xv, picture->width_px, sampling, &low_x, &high_x);
    valid_range(map->yu, map->yv, picture->height_px, sampling, &low_y, &high_y);
    for (size_t v = 0; v < part->height; v++)
        for (size_t u = 0; u < part->width; u++) {
            double x, y;
            dp_affine_apply(map, (double)(part->left + u), (double)(part->top + v), &x, &y);
            valid[v * part->width + u] = x >= low_x && x <= high_x && y >= low_y && y <= high_y;
        }
}

/* part: a part of the canvas, after the turn if there is one. */
static dp_status resize_whole(const dp_picture *picture, int turn, size_t height, size_t width, const dp_area *part,
                              float *rgb, dp_error *err)
{
    dp_area from = *part;
    if (turn) {
        from.top = height - part->top - part->height;
        from.left = width - part->left - part->width;
    }
    size_t pixels = part->height * part->width;
    dp_status status = dp_picture_resize(picture, height, width, &from, rgb, err);
    if (status != DP_OK || !turn)
        return status;
    for (size_t i = 0, j = pixels - 1; i < j; i++, j--)
        for (size_t c = 0; c < 3; c++) {
            float kept = rgb[3 * i + c];
            rgb[3 * i + c] = rgb[3 * j + c];
            rgb[3 * j + c] = kept;
        }
    return DP_OK;
}

static dp_status check(const dp_picture *picture, const dp_pose *pose, double fill, size_t height, size_t width,
                       dp_error *err)
{
    if (!picture || !picture->rgb || !picture->width_px || !picture->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "the picture has no pixels");
    if (!height || !width || height > MAX_CANVAS_PX || width > MAX_CANVAS_PX)
        return dp_fail(err, DP_E_ARGUMENT,
                       "a canvas of %zux%zu pixels (height x width) is impossible; a side has 1 to %d pixels", height,
                       width, MAX_CANVAS_PX);
    if (!(fill >= MIN_FILL && fill <= MAX_FILL))
        return dp_fail(err, DP_E_ARGUMENT, "align.fill is %g; give a number from %g to %d", fill, MIN_FILL, MAX_FILL);
    if (!dp_pose_is_placed(pose))
        return DP_OK;
    double diagonal = hypot((double)picture->width_px, (double)picture->height_px);
    if (!(pose->sigma_major_px > 0 && pose->sigma_major_px <= diagonal) || !isfinite(pose->angle_rad)
        || !(fabs(pose->centre_x_px) <= 2 * diagonal) || !(fabs(pose->centre_y_px) <= 2 * diagonal))
        return dp_fail(err, DP_E_ARGUMENT, "the pose lies outside the picture");
    return DP_OK;
}

dp_status dp_canvas_warp(const dp_picture *picture, const dp_pose *pose, double fill, int turn, size_t height,
                         size_t width, float *rgb, uint8_t *valid, dp_error *err)
{
    const dp_canvas canvas = {pose, fill, turn, height, width};
    return dp_canvas_warp_part(picture, &canvas, &(dp_area){0, 0, height, width}, rgb, valid, err);
}

dp_status dp_canvas_warp_part(const dp_picture *picture, const dp_canvas *canvas, const dp_area *part, float *rgb,
                              uint8_t *valid, dp_error *err)
{
    const dp_pose *pose = canvas->pose;
    const size_t height = canvas->height_px, width = canvas->width_px;
    dp_status status = check(picture, pose, canvas->fill, height, width, err);
    if (status != DP_OK)
        return status;
    if (!dp_pose_is_placed(pose)) {
        if (rgb)
            status = resize_whole(picture, canvas->turn, height, width, part, rgb, err);
        if (status == DP_OK && valid)
            memset(valid, 1, part->height * part->width);
        return status;
    }
    dp_affine map =
        dp_canvas_transform(pose, canvas->fill, canvas->turn, height, width, picture->height_px, picture->width_px);
    if (rgb)
        status = warp_rgb(picture, &map, canvas, part, rgb, err);
    if (status == DP_OK && valid)
        mark_valid(picture, &map, part, valid);
    return status;
}
