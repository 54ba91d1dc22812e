/* SPDX-License-Identifier: Apache-2.0 */
/* patches.c - draws one patch beside another, for a person to compare.
 *
 * Spaces: panel (i right, j down, pixels of the drawing), grid (column c, row r, cell centres at integers), and picture
 * (x, y). A panel shows a square piece of the picture around the patch, in the pose of the grid. Both axes have the
 * same scale in pixels of the picture, so a picture that was stretched onto its canvas is shown unstretched. The piece
 * is AROUND cells wide, or a SHARE of the whole canvas if that is more.
 *
 * If the picture has more pixels than the panel, each drawn pixel is the mean of n x n samples, where n is the ratio
 * rounded up. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/draw.h"
#include "draw/affine.h"

#include <cairo.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PANEL 300
#define GAP 10
#define AROUND 7.0
#define SHARE 0.3
#define FONT 15.0
#define MOST_SAMPLES 8 /* along a side */

static const double paper[3] = {0.10, 0.11, 0.13}, nothing[3] = {0.20, 0.22, 0.25};
static const double ink[3] = {0.92, 0.93, 0.95}, soft[3] = {0.68, 0.71, 0.75}, mark[3] = {0.10, 0.83, 1.0};

/* The position of a panel on its grid. */
struct frame {
    double cols_per_px, rows_per_px; /* grid steps of one panel pixel */
    double picture_px;               /* picture pixels under one panel pixel */
};

static struct frame frame_of(const dp_patch_view *view)
{
    const dp_affine *m = &view->cells_to_picture;
    double cell_w = hypot(m->xu, m->yu), cell_h = hypot(m->xv, m->yv);
    double cell = fmax(cell_w, cell_h), whole = fmax(cell_w * (double)view->cols, cell_h * (double)view->rows);
    double side = fmax(AROUND * cell, SHARE * whole);
    return (struct frame){side / PANEL / cell_w, side / PANEL / cell_h, side / PANEL};
}

/* Samples bilinearly; false outside the picture. */
static bool sample(const dp_picture *picture, double x, double y, double rgb[3])
{
    size_t w = picture->width_px, h = picture->height_px;
    if (x < -0.5 || y < -0.5 || x > (double)w - 0.5 || y > (double)h - 0.5)
        return false;
    x = fmin(fmax(x, 0), (double)(w - 1));
    y = fmin(fmax(y, 0), (double)(h - 1));
    size_t x0 = (size_t)x, y0 = (size_t)y, x1 = x0 + 1 < w ? x0 + 1 : x0, y1 = y0 + 1 < h ? y0 + 1 : y0;
    double fx = x - (double)x0, fy = y - (double)y0;
    const uint8_t *p = picture->rgb;
    for (size_t k = 0; k < 3; k++) {
        double north = p[(y0 * w + x0) * 3 + k] * (1 - fx) + p[(y0 * w + x1) * 3 + k] * fx;
        double south = p[(y1 * w + x0) * 3 + k] * (1 - fx) + p[(y1 * w + x1) * 3 + k] * fx;
        rgb[k] = north * (1 - fy) + south * fy;
    }
    return true;
}

static void draw_piece(const dp_patch_view *view, const struct frame *frame, unsigned char *bgrx, size_t stride)
{
    const dp_affine *m = &view->cells_to_picture;
    const size_t n = (size_t)fmin(fmax(ceil(frame->picture_px), 1), MOST_SAMPLES);
    const double middle = (PANEL - 1) / 2.0;
    for (size_t j = 0; j < PANEL; j++)
        for (size_t i = 0; i < PANEL; i++) {
            double sum[3] = {0};
            for (size_t s = 0; s < n * n; s++) {
                size_t down = s / n, across = s % n;
                double di = ((double)across + 0.5) / (double)n - 0.5, dj = ((double)down + 0.5) / (double)n - 0.5, x, y;
                double c = (double)view->col + ((double)i + di - middle) * frame->cols_per_px;
                double r = (double)view->row + ((double)j + dj - middle) * frame->rows_per_px;
                double rgb[3] = {255 * nothing[0], 255 * nothing[1], 255 * nothing[2]};
                dp_draw_apply(m, c, r, &x, &y);
                (void)sample(view->picture, x, y, rgb);
                for (int k = 0; k < 3; k++)
                    sum[k] += rgb[k];
            }
            for (int k = 0; k < 3; k++)
                bgrx[j * stride + i * 4 + 2 - (size_t)k] = (unsigned char)(sum[k] / (double)(n * n) + 0.5);
        }
}

/* Outlines the patch, outside its own pixels. */
static void outline(cairo_t *cr, double left, const struct frame *frame)
{
    double w = 1 / frame->cols_per_px, h = 1 / frame->rows_per_px;
    for (int pass = 0; pass < 2; pass++) {
        const double *colour = pass ? mark : paper;
        double line = pass ? 2 : 5;
        cairo_rectangle(cr, left + (PANEL - w) / 2 - 2, (PANEL - h) / 2 - 2, w + 4, h + 4);
        cairo_set_source_rgba(cr, colour[0], colour[1], colour[2], pass ? 1 : 0.75);
        cairo_set_line_width(cr, line);
        cairo_stroke(cr);
    }
}

static double width_of(cairo_t *cr, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

/* Returns the next letter of UTF-8. */
static const char *next_letter(const char *p)
{
    for (p++; ((unsigned char)*p & 0xc0) == 0x80; p++)
        ;
    return p;
}

/* Writes one line. Of a line that is too long it shows the end, because names differ there. */
static void line(cairo_t *cr, const char *text, double x, double y, double room)
{
    char shown[512];
    for (const char *from = text; snprintf(shown, sizeof shown, "%s%s", from == text ? "" : "\xE2\x80\xA6", from) >= 0
                                  && width_of(cr, shown) > room && *from;
         from = next_letter(from))
        ;
    cairo_move_to(cr, x, y);
    cairo_show_text(cr, shown);
}

/* Writes words over several lines, broken at spaces, or inside a word that is too long. */
static void paragraph(cairo_t *cr, const char *text, double x, double y, double room)
{
    char shown[512];
    for (int lines = 0; *text && lines < 10; lines++) {
        size_t used = 0, at_space = 0;
        for (const char *end = text; *end;) {
            end = next_letter(end);
            size_t length = (size_t)(end - text);
            if (length >= sizeof shown)
                break;
            memcpy(shown, text, length);
            shown[length] = 0;
            if (width_of(cr, shown) > room)
                break;
            used = length;
            if (*end == ' ' || !*end)
                at_space = length;
        }
        size_t take = text[used] && at_space ? at_space : used;
        if (!take)
            break;
        memcpy(shown, text, take);
        shown[take] = 0;
        cairo_move_to(cr, x, y + lines * 1.3 * FONT);
        cairo_show_text(cr, shown);
        text += take + (text[take] == ' ');
    }
}

static void draw_words(cairo_t *cr, const dp_patch_view *view, double left)
{
    cairo_set_font_size(cr, FONT);
    if (!view->picture) {
        cairo_rectangle(cr, left, 0, PANEL, PANEL);
        cairo_set_source_rgb(cr, nothing[0], nothing[1], nothing[2]);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, ink[0], ink[1], ink[2]);
        paragraph(cr, view->missing ? view->missing : "no picture", left + FONT, PANEL / 3.0, PANEL - 2 * FONT);
    }
    cairo_set_source_rgb(cr, ink[0], ink[1], ink[2]);
    line(cr, view->title, left + 4, PANEL + 1.5 * FONT, PANEL - 8);
    cairo_set_source_rgb(cr, soft[0], soft[1], soft[2]);
    line(cr, view->words, left + 4, PANEL + 2.9 * FONT, PANEL - 8);
}

static dp_status draw_patches(const dp_patch_view views[2], int captions, dp_picture **drawn, dp_error *err)
{
    const size_t width = 2 * PANEL + GAP, height = PANEL + (captions ? (size_t)(3.6 * FONT) : 0);
    struct frame frames[2];
    for (int k = 0; k < 2; k++) {
        const dp_affine *m = &views[k].cells_to_picture;
        double det = m->xu * m->yv - m->xv * m->yu;
        if (views[k].picture && (!views[k].rows || !views[k].cols || !(fabs(det) > 1e-12) || !isfinite(det)))
            return dp_fail(err, DP_E_ARGUMENT, "cannot draw a patch of a grid of %zux%zu cells", views[k].rows,
                           views[k].cols);
        if (views[k].picture)
            frames[k] = frame_of(&views[k]);
    }
    dp_picture *out = NULL;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    cairo_t *cr = cairo_create(surface);
    dp_status status = DP_OK;
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_source_rgb(cr, paper[0], paper[1], paper[2]);
    cairo_paint(cr);
    cairo_surface_flush(surface);
    if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
        size_t stride = (size_t)cairo_image_surface_get_stride(surface);
        for (size_t k = 0; k < 2; k++)
            if (views[k].picture)
                draw_piece(&views[k], &frames[k], cairo_image_surface_get_data(surface) + k * (PANEL + GAP) * 4,
                           stride);
        cairo_surface_mark_dirty(surface);
    }
    for (int k = 0; k < 2; k++) {
        double left = k * (PANEL + GAP);
        draw_words(cr, &views[k], left);
        if (views[k].picture)
            outline(cr, left, &frames[k]);
    }
    cairo_surface_flush(surface);
    if (cairo_status(cr) != CAIRO_STATUS_SUCCESS)
        status = dp_fail(err, cairo_status(cr) == CAIRO_STATUS_NO_MEMORY ? DP_E_MEMORY : DP_E_UNSUPPORTED,
                         "cannot draw the patches: %s", cairo_status_to_string(cairo_status(cr)));
    if (!status)
        status = dp_picture_new(width, height, &out, err);
    if (!status) {
        const unsigned char *pixels = cairo_image_surface_get_data(surface);
        size_t stride = (size_t)cairo_image_surface_get_stride(surface);
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                for (size_t k = 0; k < 3; k++)
                    out->rgb[(y * width + x) * 3 + k] = pixels[y * stride + x * 4 + 2 - k];
        *drawn = out;
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return status;
}

dp_status dp_defect_draw(const dp_bank *bank, const dp_picture *picture, const dp_result *result, size_t defect,
                         const dp_picture *nearest, const char *missing, int captions, dp_picture **drawn,
                         dp_error *err)
{
    dp_comparison *comparison = NULL;
    dp_status status = dp_defect_compare(bank, picture, result, defect, nearest, missing, &comparison, err);
    if (status)
        return status;
    const dp_patch_view views[2] = {comparison->defect, comparison->good};
    status = draw_patches(views, captions, drawn, err);
    dp_comparison_free(&comparison);
    return status;
}
