/* SPDX-License-Identifier: Apache-2.0 */
/* finder.c - what the network sees of a picture in a pose.
 *
 * The network is `nano` whatever the bank's own is: small, the same everywhere, in floats; a pose does not depend on the precision of a
 * bank.  Of it layers 2 and 3, each cell of each layer brought to length 1 (so both count alike, and the contrast of the picture does
 * not), layer 3 brought to the grid of layer 2:
 *
 *     f(c) = ( b(c) / |b(c)| ,  k(c) / |k(c)| ) */
#include "register/finder.h"
#include "register/basis.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/layer_grid.h"
#include "geometry/spaces.h"
#include "geometry/warp.h"
#include "network/nano.h"
#include "network/session.h"

#include <math.h>
#include <string.h>

static const size_t layers[2] = {2, 3};

dp_status dp_finder_open(dp_session *work, dp_finder *out, dp_error *err)
{
    dp_finder finder = {0};
    dp_network_info info;
    dp_status status = DP_OK;
    dp_network_get_info(dp_session_network(work), &info);
    if (!dp_is_nano(info.path))
        status = dp_network_open(DP_NETWORK_NANO, &finder.network, err);
    if (!status)
        status = dp_session_open(finder.network ? finder.network : dp_session_network(work), DP_FP32,
                                 dp_session_run(work), &finder.session, err);
    for (size_t l = 0; l < 2 && !status; l++)
        finder.dims[l] = dp_session_layer_shape(finder.session, layers[l], 32, 32).dim;
    if (status)
        dp_finder_close(&finder);
    else
        *out = finder;
    return status;
}

void dp_finder_close(dp_finder *finder)
{
    dp_session_close(&finder->session);
    dp_network_close(&finder->network);
    dp_memory_free(finder->rgb);
    dp_memory_free(finder->inside);
    dp_memory_free(finder->layers[0]);
    dp_memory_free(finder->layers[1]);
    dp_memory_free(finder->features);
    *finder = (dp_finder){0};
}

dp_pool *dp_finder_pool(const dp_finder *finder)
{
    return dp_session_pool(finder->session);
}

static dp_status make_room(dp_finder *f, size_t cells, dp_error *err)
{
    if (cells <= f->room)
        return DP_OK;
    void *const old[] = {f->rgb, f->inside, f->layers[0], f->layers[1], f->features};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        dp_memory_free(old[i]);
    f->room = 0;
    f->rgb = dp_malloc_2d(cells, DP_LOOK_CELL_PX * DP_LOOK_CELL_PX, 3 * sizeof(float));
    f->inside = dp_malloc_2d(cells, DP_LOOK_CELL_PX, DP_LOOK_CELL_PX);
    f->layers[0] = dp_malloc_2d(cells, f->dims[0], sizeof(float));
    f->layers[1] = dp_malloc_2d(cells, f->dims[1], sizeof(float));
    f->features = dp_malloc_2d(cells, dp_finder_dim(f), sizeof(float));
    if (!f->rgb || !f->inside || !f->layers[0] || !f->layers[1] || !f->features)
        return dp_fail_memory(err, "what is seen of a picture", cells * dp_finder_dim(f) * sizeof(float));
    f->room = cells;
    return DP_OK;
}

static void to_length_1(float *x, size_t cells, size_t dim)
{
    for (size_t i = 0; i < cells; i++, x += dim) {
        float square = 0;
        for (size_t d = 0; d < dim; d++)
            square += x[d] * x[d];
        float factor = square > 0 ? 1 / sqrtf(square) : 0;
        for (size_t d = 0; d < dim; d++)
            x[d] *= factor;
    }
}

/* The canvas of a look as a pose: the canvas shows cols cells of scale_px pixels to a unit. */
static dp_pose pose_of(const dp_picture *picture, const dp_placement *at, const dp_look *look)
{
    return (dp_pose){.status = DP_ALIGN_OK,
                     .centre_x_px = at->x_px,
                     .centre_y_px = at->y_px,
                     .angle_rad = at->angle_rad,
                     .sigma_major_px =
                         at->scale_px * look->unit * (double)(look->cols * DP_LOOK_CELL_PX) / (2 * sqrt(3.0)),
                     .picture_width_px = picture->width_px,
                     .picture_height_px = picture->height_px};
}

/* The canvas goes on where the picture ends: with the pixel at its border, not, as in a warp, with the opposite side. */
static void extend(const dp_picture *picture, const dp_pose *pose, size_t height, size_t width, float *rgb,
                   const uint8_t *inside)
{
    const dp_affine map = dp_canvas_transform(pose, 1, 0, height, width, picture->height_px, picture->width_px);
    for (size_t v = 0; v < height; v++)
        for (size_t u = 0; u < width; u++) {
            if (inside[v * width + u])
                continue;
            double x, y;
            dp_affine_apply(&map, (double)u, (double)v, &x, &y);
            const size_t column = (size_t)fmax(0, fmin(dp_nearest_element(x), (double)picture->width_px - 1)),
                         row = (size_t)fmax(0, fmin(dp_nearest_element(y), (double)picture->height_px - 1));
            for (size_t c = 0; c < 3; c++)
                rgb[3 * (v * width + u) + c] = (float)picture->rgb[3 * (row * picture->width_px + column) + c];
        }
}

dp_status dp_finder_see(dp_finder *finder, const dp_placed *views, size_t n, const dp_look *look, uint8_t *valid,
                        dp_error *err)
{
    const size_t height = look->rows * DP_LOOK_CELL_PX, width = look->cols * DP_LOOK_CELL_PX, pixels = height * width,
                 cells = dp_look_cells(look), dim = dp_finder_dim(finder);
    dp_status status = make_room(finder, n * cells /* checked: few */, err);
    for (size_t i = 0; i < n && !status; i++) {
        const dp_pose pose = pose_of(views[i].picture, &views[i].at, look);
        float *rgb = finder->rgb + 3 * i * pixels;
        uint8_t *inside = finder->inside + i * pixels;
        status = dp_canvas_warp(views[i].picture, &pose, 1, 0, height, width, rgb, inside, err);
        if (!status)
            extend(views[i].picture, &pose, height, width, rgb, inside);
    }
    const dp_inputs inputs = {finder->rgb, n, height, width};
    if (!status)
        status = dp_session_layers(finder->session, &inputs, layers, 2, finder->layers, err);
    for (size_t l = 0, first = 0; l < 2 && !status; first += finder->dims[l++]) {
        const dp_layer_shape shape = dp_session_layer_shape(finder->session, layers[l], height, width);
        const size_t its = shape.rows * shape.cols;
        to_length_1(finder->layers[l], n * its, shape.dim);
        for (size_t i = 0; i < n; i++) {
            const dp_grid_slot slot = {finder->features + i * cells * dim + first, look->rows, look->cols, dim};
            dp_grid_resample(finder->layers[l] + i * its * shape.dim, shape.rows, shape.cols, shape.dim, &slot);
        }
    }
    for (size_t i = 0; i < n && !status; i++)
        dp_canvas_to_valid_cells(finder->inside + i * pixels, height, width, DP_LOOK_CELL_PX, valid + i * cells);
    return status;
}

dp_status dp_finder_look(dp_finder *finder, const dp_basis *basis, const dp_placed *views, size_t n,
                         const dp_look *look, float *features, uint8_t *valid, dp_error *err)
{
    const size_t cells = dp_look_cells(look);
    dp_status status = DP_OK;
    for (size_t first = 0; first < n && !status; first += DP_MOST_SEEN) {
        const size_t most = n - first < DP_MOST_SEEN ? n - first : DP_MOST_SEEN;
        status = dp_finder_see(finder, views + first, most, look, valid + first * cells, err);
        if (!status)
            status = dp_basis_apply(basis, finder->features, most * cells, dp_finder_pool(finder),
                                    features + first * cells * basis->dim, err);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- small */

#define SMALL_PX 384 /* of the shorter side, at least: three pixels to one of a coarse look */

static void average(const dp_picture *picture, size_t f, dp_picture *out)
{
    for (size_t y = 0; y < out->height_px; y++)
        for (size_t x = 0; x < out->width_px; x++)
            for (size_t c = 0; c < 3; c++) {
                size_t sum = 0;
                for (size_t i = 0; i < f; i++)
                    for (size_t j = 0; j < f; j++)
                        sum += picture->rgb[3 * ((y * f + i) * picture->width_px + x * f + j) + c];
                out->rgb[3 * (y * out->width_px + x) + c] = (uint8_t)((sum + f * f / 2) / (f * f));
            }
}

dp_status dp_small_make(const dp_picture *picture, dp_small *small, dp_error *err)
{
    const size_t shorter = picture->width_px < picture->height_px ? picture->width_px : picture->height_px,
                 f = shorter >= 2 * SMALL_PX ? shorter / SMALL_PX : 1;
    dp_small made = {.picture = picture,
                     .f = f,
                     .unit_px =
                         sqrt((double)picture->width_px * (double)picture->height_px) / (double)f / DP_PLANE_SIDE};
    if (f > 1) {
        dp_status status = dp_picture_new(picture->width_px / f, picture->height_px / f, &made.own, err);
        if (status)
            return status;
        average(picture, f, made.own);
        made.picture = made.own;
    }
    *small = made;
    return DP_OK;
}

void dp_small_free(dp_small *small)
{
    dp_picture_free(&small->own);
    *small = (dp_small){0};
}
