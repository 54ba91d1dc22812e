/* SPDX-License-Identifier: Apache-2.0 */
/* pose_draw.c - draws the paper's Figure 4: the principal axes over the picture, and the frame of the canvas.
 *
 * The axes reach two standard deviations from the centre to each side; the major axis is red, the minor axis blue.
 * The canvas is yellow, and its upper edge (v = 0) is dashed, because a turn would swap it with the lower one. A pose
 * that is not DP_ALIGN_OK has no canvas: its axes, if there are any, are dashed, and the caption gives the reason. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/draw.h"
#include "draw/affine.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CAIRO_MAX_SIDE 32767

struct colour {
    double r, g, b;
};

static const struct colour red = {0.93, 0.16, 0.16}, blue = {0.15, 0.45, 0.98}, yellow = {1, 0.84, 0.1},
                           dark = {0, 0, 0};

/* Pixel centres are at integers in picture coordinates, and at halves in cairo's. */
static void to_surface(const dp_picture *picture, cairo_surface_t *surface)
{
    unsigned char *pixels = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t y = 0; y < picture->height_px; y++) {
        const uint8_t *in = picture->rgb + 3 * y * picture->width_px;
        for (size_t x = 0; x < picture->width_px; x++, in += 3) {
            uint32_t pixel = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
            memcpy(pixels + y * stride + 4 * x, &pixel, 4);
        }
    }
    cairo_surface_mark_dirty(surface);
}

static void from_surface(cairo_surface_t *surface, dp_picture *picture)
{
    cairo_surface_flush(surface);
    const unsigned char *pixels = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (size_t y = 0; y < picture->height_px; y++) {
        uint8_t *out = picture->rgb + 3 * y * picture->width_px;
        for (size_t x = 0; x < picture->width_px; x++, out += 3) {
            uint32_t pixel;
            memcpy(&pixel, pixels + y * stride + 4 * x, 4);
            out[0] = (uint8_t)(pixel >> 16);
            out[1] = (uint8_t)(pixel >> 8);
            out[2] = (uint8_t)pixel;
        }
    }
}

/* Strokes the current path twice: first a dark rim, so that it shows on any background, then the colour. */
static void stroke(cairo_t *cr, const struct colour *colour, double line_px, int dashed)
{
    double dash[2] = {4 * line_px, 3 * line_px};
    cairo_set_dash(cr, dash, dashed ? 2 : 0, 0);
    cairo_set_line_cap(cr, dashed ? CAIRO_LINE_CAP_BUTT : CAIRO_LINE_CAP_ROUND);
    cairo_set_source_rgba(cr, dark.r, dark.g, dark.b, 0.55);
    cairo_set_line_width(cr, 2 * line_px);
    cairo_stroke_preserve(cr);
    cairo_set_source_rgb(cr, colour->r, colour->g, colour->b);
    cairo_set_line_width(cr, line_px);
    cairo_stroke(cr);
}

static void draw_axis(cairo_t *cr, const dp_pose *pose, double angle, double half, const struct colour *colour,
                      double line_px)
{
    double dx = half * cos(angle), dy = half * sin(angle);
    cairo_move_to(cr, pose->centre_x_px - dx, pose->centre_y_px - dy);
    cairo_line_to(cr, pose->centre_x_px + dx, pose->centre_y_px + dy);
    stroke(cr, colour, line_px, pose->status != DP_ALIGN_OK);
}

static void draw_canvas(cairo_t *cr, const dp_affine *map, size_t height, size_t width, double line_px)
{
    double right = (double)width - 0.5, bottom = (double)height - 0.5;
    const double corners[4][2] = {{-0.5, -0.5}, {-0.5, bottom}, {right, bottom}, {right, -0.5}};
    double x, y;
    for (int i = 0; i < 4; i++) {
        dp_draw_apply(map, corners[i][0], corners[i][1], &x, &y);
        cairo_line_to(cr, x, y);
    }
    stroke(cr, &yellow, line_px, 0);
    dp_draw_apply(map, -0.5, -0.5, &x, &y);
    cairo_move_to(cr, x, y);
    dp_draw_apply(map, right, -0.5, &x, &y);
    cairo_line_to(cr, x, y);
    stroke(cr, &yellow, line_px, 1);
}

static void draw_caption(cairo_t *cr, const dp_picture *picture, const dp_pose *pose, double line_px)
{
    char text[160];
    if (pose->n_points)
        snprintf(text, sizeof text, "%s   %.1f\302\260   \317\203 %.1f / %.1f px", dp_align_status_name(pose->status),
                 pose->angle_rad * 180 / M_PI, pose->sigma_major_px, pose->sigma_minor_px);
    else
        snprintf(text, sizeof text, "%s", dp_align_status_name(pose->status));
    double size = 8 * line_px > 9 ? 8 * line_px : 9;
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    double pad = 0.5 * size, width = extents.x_advance + 2 * pad, height = 1.9 * size;
    double y = (double)picture->height_px - height - pad;
    cairo_rectangle(cr, pad, y, width, height);
    cairo_set_source_rgba(cr, 0.08, 0.09, 0.11, 0.75);
    cairo_fill(cr);
    cairo_move_to(cr, 2 * pad, y + 1.3 * size);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_show_text(cr, text);
}

dp_status dp_pose_draw(const dp_picture *picture, const dp_pose *pose, double fill, size_t canvas_height,
                       size_t canvas_width, dp_picture **out, dp_error *err)
{
    size_t width = picture->width_px, height = picture->height_px;
    if (pose->status == DP_ALIGN_OK && (!(fill > 0) || !canvas_height || !canvas_width))
        return dp_fail(err, DP_E_ARGUMENT, "cannot draw a canvas of %zux%zu with fill %g", canvas_height, canvas_width,
                       fill);
    if (width > CAIRO_MAX_SIDE || height > CAIRO_MAX_SIDE)
        return dp_fail(err, DP_E_UNSUPPORTED, "cannot draw on a picture of %zux%zu; a side has at most %d pixels",
                       width, height, CAIRO_MAX_SIDE);
    dp_picture *drawn = NULL;
    dp_status status = dp_picture_new(width, height, &drawn, err);
    if (status != DP_OK)
        return status;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    cairo_t *cr = cairo_create(surface);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        status = dp_fail_memory(err, "drawing", 4 * width * height);
        goto done;
    }
    to_surface(picture, surface);
    double line_px = fmax(1.2, (double)(width < height ? width : height) / 240);
    cairo_save(cr);
    cairo_translate(cr, 0.5, 0.5);
    if (pose->status == DP_ALIGN_OK) {
        dp_affine map = dp_canvas_transform(pose, fill, 0, canvas_height, canvas_width, height, width);
        draw_canvas(cr, &map, canvas_height, canvas_width, line_px);
    }
    if (pose->n_points) {
        draw_axis(cr, pose, pose->angle_rad + M_PI / 2, 2 * pose->sigma_minor_px, &blue, 1.5 * line_px);
        draw_axis(cr, pose, pose->angle_rad, 2 * pose->sigma_major_px, &red, 1.5 * line_px);
        cairo_arc(cr, pose->centre_x_px, pose->centre_y_px, 2 * line_px, 0, 2 * M_PI);
        cairo_set_source_rgb(cr, 1, 1, 1);
        cairo_fill_preserve(cr);
        stroke(cr, &dark, 0.6 * line_px, 0);
    }
    cairo_restore(cr);
    draw_caption(cr, picture, pose, line_px);
    if (cairo_status(cr) != CAIRO_STATUS_SUCCESS) {
        status = dp_fail(err, DP_E_MEMORY, "cannot draw the pose: %s", cairo_status_to_string(cairo_status(cr)));
        goto done;
    }
    from_surface(surface, drawn);
    *out = drawn;
    drawn = NULL;
done:
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    dp_picture_free(&drawn);
    return status;
}
