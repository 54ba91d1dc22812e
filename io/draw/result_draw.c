/* SPDX-License-Identifier: Apache-2.0 */
/* result_draw.c - the drawing for people: heat map, contour of the decision, boxes of defects, caption with legend.
 *
 * Scale. A picture is drawn with its longest side between MIN_SIDE and MAX_SIDE pixels, and the letters follow the
 * drawn width, so that a thumbnail and a picture of 20 megapixels are equally legible. If the picture shrinks, its
 * colours are averaged, but of the distances the largest is kept: a hot spot of one pixel must not vanish.
 *
 * Colour. t = (distance - low) / (high - low), clipped to [0,1]. The map runs from pale yellow over orange to deep red
 * with falling lightness, so its order is visible in grey and to colour-blind eyes. It covers the picture by ALPHA *
 * t^(3/4): at `low` the photograph is unchanged.
 *
 * Contour. To first order, a pixel is |d - threshold| / |grad d| pixels away from the contour. This distance gives the
 * coverage of a white line with a dark rim, with smooth edges and in one pass for any map. A step (border of the
 * canvas, a cell removed by post-processing) has no first order, so a contour is drawn only where the map really passes
 * the threshold. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/draw.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIN_SIDE 480
#define MAX_SIDE 1600
#define MIN_WIDTH 480 /* of the whole drawing: leaves room for the caption of a narrow picture */
#define ALPHA 0.85
#define MAX_BOXES 100
#define MAX_TAGS 20

struct drawing {
    size_t width, height; /* of the picture as drawn */
    size_t whole_width, whole_height;
    size_t left;           /* left edge of the picture in the whole drawing */
    double scale;          /* drawn pixels per picture pixel */
    double font;           /* height of the letters */
    float *distances;      /* [height, width] */
    unsigned char *pixels; /* [whole_height, stride] BGRx */
    size_t stride;
};

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* ColorBrewer's YlOrRd, five classes; CIE lightness 97, 85, 70, 55, 40. */
static void heat_colour(double t, double rgb[3])
{
    static const double stops[5][3] = {{255, 255, 178}, {254, 204, 92}, {253, 141, 60}, {240, 59, 32}, {189, 0, 38}};
    double position = clamp(t, 0, 1) * 4;
    int i = position < 4 ? (int)position : 3;
    for (int k = 0; k < 3; k++)
        rgb[k] = stops[i][k] + (stops[i + 1][k] - stops[i][k]) * (position - i);
}

/* Returns how much of the photograph the heat map covers. */
static double heat_cover(double t)
{
    return ALPHA * sqrt(t * sqrt(t));
}

static void blend_pixel(unsigned char *bgrx, const double rgb[3], double alpha)
{
    for (int k = 0; k < 3; k++)
        bgrx[2 - k] = (unsigned char)(bgrx[2 - k] + (rgb[k] - bgrx[2 - k]) * alpha + 0.5);
}

static void lay_out(struct drawing *d, size_t width_px, size_t height_px)
{
    size_t longest = width_px > height_px ? width_px : height_px;
    d->scale = 1;
    if (longest > MAX_SIDE)
        d->scale = (double)MAX_SIDE / (double)longest;
    else if (longest < MIN_SIDE)
        d->scale = ceil((double)MIN_SIDE / (double)longest);
    d->width = (size_t)fmax(1, round((double)width_px * d->scale));
    d->height = (size_t)fmax(1, round((double)height_px * d->scale));
    d->whole_width = d->width > MIN_WIDTH ? d->width : MIN_WIDTH;
    d->left = (d->whole_width - d->width) / 2;
    d->font = clamp((double)d->whole_width / 40, 14, 28);
    d->whole_height = d->height + (size_t)ceil(5.2 * d->font);
}

/* Returns the first of n_px picture rows or columns that belong to drawn row or column i of n. */
static size_t source(size_t i, size_t n, size_t n_px)
{
    return (size_t)(((unsigned long long)i * n_px) / n);
}

/* Shrinks picture and distances to the drawn size: mean and maximum over the block of each drawn pixel. */
static void shrink(struct drawing *d, const dp_picture *picture, const float *map)
{
    size_t width_px = picture->width_px;
    for (size_t y = 0; y < d->height; y++) {
        size_t y0 = source(y, d->height, picture->height_px), y1 = source(y + 1, d->height, picture->height_px);
        y1 = y1 > y0 ? y1 : y0 + 1;
        for (size_t x = 0; x < d->width; x++) {
            size_t x0 = source(x, d->width, width_px), x1 = source(x + 1, d->width, width_px);
            x1 = x1 > x0 ? x1 : x0 + 1;
            uint64_t sum[3] = {0};
            float largest = map[y0 * width_px + x0];
            for (size_t sy = y0; sy < y1; sy++) {
                const uint8_t *rgb = picture->rgb + (sy * width_px + x0) * 3;
                const float *values = map + sy * width_px;
                for (size_t sx = x0; sx < x1; sx++, rgb += 3) {
                    sum[0] += rgb[0];
                    sum[1] += rgb[1];
                    sum[2] += rgb[2];
                    largest = values[sx] > largest ? values[sx] : largest;
                }
            }
            uint64_t n = (y1 - y0) * (x1 - x0);
            unsigned char *out = d->pixels + y * d->stride + (d->left + x) * 4;
            for (int k = 0; k < 3; k++)
                out[2 - k] = (unsigned char)((sum[k] + n / 2) / n);
            d->distances[y * d->width + x] = largest;
        }
    }
}

/* Enlarges picture and distances to the drawn size: bilinear. */
static void enlarge(struct drawing *d, const dp_picture *picture, const float *map)
{
    size_t w = picture->width_px, h = picture->height_px;
    for (size_t y = 0; y < d->height; y++) {
        double sy = clamp(((double)y + 0.5) / d->scale - 0.5, 0, (double)(h - 1));
        size_t y0 = (size_t)sy, y1 = y0 + 1 < h ? y0 + 1 : y0;
        double fy = sy - (double)y0;
        for (size_t x = 0; x < d->width; x++) {
            double sx = clamp(((double)x + 0.5) / d->scale - 0.5, 0, (double)(w - 1));
            size_t x0 = (size_t)sx, x1 = x0 + 1 < w ? x0 + 1 : x0;
            double fx = sx - (double)x0;
            const size_t at[4] = {y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1};
            const double weight[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
            double sum[3] = {0}, value = 0;
            for (int i = 0; i < 4; i++) {
                for (int k = 0; k < 3; k++)
                    sum[k] += weight[i] * picture->rgb[at[i] * 3 + (size_t)k];
                value += weight[i] * (double)map[at[i]];
            }
            unsigned char *out = d->pixels + y * d->stride + (d->left + x) * 4;
            for (int k = 0; k < 3; k++)
                out[2 - k] = (unsigned char)(sum[k] + 0.5);
            d->distances[y * d->width + x] = (float)value;
        }
    }
}

/* Darkens what was not inspected: to half where nothing was inspected, a little where the background was masked. */
static void dim(struct drawing *d, const dp_result *result)
{
    static const double dark[3] = {20, 20, 24};
    for (size_t y = 0; result->inspected && y < d->height; y++)
        for (size_t x = 0; x < d->width; x++) {
            size_t row = source(y, d->height, result->height_px), col = source(x, d->width, result->width_px);
            uint8_t what = result->inspected[row * result->width_px + col];
            if (what != 1)
                blend_pixel(d->pixels + y * d->stride + (d->left + x) * 4, dark, what ? 0.25 : 0.5);
        }
}

static void draw_heat(struct drawing *d, double low, double high)
{
    for (size_t y = 0; y < d->height; y++)
        for (size_t x = 0; x < d->width; x++) {
            double t = clamp(((double)d->distances[y * d->width + x] - low) / (high - low), 0, 1), rgb[3];
            if (!(t > 0))
                continue;
            heat_colour(t, rgb);
            blend_pixel(d->pixels + y * d->stride + (d->left + x) * 4, rgb, heat_cover(t));
        }
}

static void draw_contour(struct drawing *d, double threshold)
{
    static const double dark[3] = {20, 20, 24}, light[3] = {255, 255, 255};
    const double line = clamp((double)(d->width > d->height ? d->width : d->height) / 1000, 0.7, 1.2);
    for (size_t y = 0; y < d->height; y++) {
        size_t up = y ? y - 1 : y, down = y + 1 < d->height ? y + 1 : y;
        for (size_t x = 0; x < d->width; x++) {
            size_t left = x ? x - 1 : x, right = x + 1 < d->width ? x + 1 : x;
            const float *v = d->distances;
            double gx = right > left ? ((double)v[y * d->width + right] - (double)v[y * d->width + left])
                                           / (double)(right - left)
                                     : 0;
            double gy =
                down > up ? ((double)v[down * d->width + x] - (double)v[up * d->width + x]) / (double)(down - up) : 0;
            double slope = sqrt(gx * gx + gy * gy);
            double away = fabs((double)v[y * d->width + x] - threshold);
            if (!(slope > 0) || away > slope * (line + 2))
                continue;
            away /= slope;
            double side = v[y * d->width + x] > threshold ? -1 : 1, reach = side * (away + 1.25) / slope;
            size_t beyond_x = (size_t)(clamp((double)x + gx * reach, 0, (double)(d->width - 1)) + 0.5);
            size_t beyond_y = (size_t)(clamp((double)y + gy * reach, 0, (double)(d->height - 1)) + 0.5);
            if (side * ((double)v[beyond_y * d->width + beyond_x] - threshold) < 0)
                continue;
            unsigned char *out = d->pixels + y * d->stride + (d->left + x) * 4;
            blend_pixel(out, dark, 0.6 * clamp(line + 1.5 - away, 0, 1));
            blend_pixel(out, light, clamp(line + 0.5 - away, 0, 1));
        }
    }
}

/* Writes "%.*g" with a decimal point in every locale. */
static void write_number(char *text, size_t bytes, double value, int digits)
{
    snprintf(text, bytes, "%.*g", digits, value);
    for (char *p = text; *p; p++)
        if (*p == ',')
            *p = '.';
}

static void draw_boxes(cairo_t *cr, const struct drawing *d, const dp_result *result)
{
    const double line = clamp(d->font / 10, 1.5, 2.5), font = d->font * 0.75;
    const size_t n = result->n_defects < MAX_BOXES ? result->n_defects : MAX_BOXES;
    cairo_set_font_size(cr, font);
    for (size_t i = n; i-- > 0;) {
        const dp_defect *defect = &result->defects[i];
        /* Leaves a gap around the contour, but stays inside the picture. */
        double gap = 3 * line, left = (double)d->left;
        double x0 = clamp(defect->x0_px * d->scale - gap, line, (double)d->width - line);
        double y0 = clamp(defect->y0_px * d->scale - gap, line, (double)d->height - line);
        double x1 = clamp(defect->x1_px * d->scale + gap, line, (double)d->width - line);
        double y1 = clamp(defect->y1_px * d->scale + gap, line, (double)d->height - line);
        cairo_rectangle(cr, left + x0, y0, x1 - x0, y1 - y0);
        cairo_set_source_rgba(cr, 0.05, 0.06, 0.08, 0.7);
        cairo_set_line_width(cr, 2.4 * line);
        cairo_stroke_preserve(cr);
        cairo_set_source_rgb(cr, 0.10, 0.83, 1.0);
        cairo_set_line_width(cr, line);
        cairo_stroke(cr);
        if (i >= MAX_TAGS)
            continue;
        char tag[32];
        snprintf(tag, sizeof tag, "%zu", i + 1);
        cairo_text_extents_t extents;
        cairo_text_extents(cr, tag, &extents);
        double w = extents.x_advance + 0.6 * font, h = 1.15 * font;
        double tx = clamp(x0 - line / 2, 0, fmax(0, (double)d->width - w));
        double ty = y0 - h >= 0 ? y0 - h : y1 + h <= (double)d->height ? y1 : y0;
        cairo_rectangle(cr, left + tx, ty, w, h);
        cairo_set_source_rgb(cr, 0.10, 0.83, 1.0);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, 0.03, 0.05, 0.08);
        cairo_move_to(cr, left + tx + 0.3 * font, ty + 0.93 * font);
        cairo_show_text(cr, tag);
    }
}

/* Returns 1, 2 or 5 times a power of ten, so that about four to eight steps fill the span. */
static double tick_step(double span)
{
    double power = pow(10, floor(log10(span / 4))), m = span / 4 / power;
    return (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10) * power;
}

static void draw_legend(cairo_t *cr, const struct drawing *d, double threshold, double low, double high)
{
    const double font = d->font, small = 0.8 * font;
    const double x0 = 1.2 * font, x1 = (double)d->whole_width - 1.2 * font;
    const double top = (double)d->height + 2.5 * font, height = 0.9 * font;
    /* Draws the scale over a mid grey, with the same coverage as in the picture. */
    for (double x = x0; x < x1; x++) {
        double t = (x - x0) / (x1 - x0), rgb[3];
        heat_colour(t, rgb);
        for (int k = 0; k < 3; k++)
            rgb[k] = (128 + (rgb[k] - 128) * heat_cover(t)) / 255;
        cairo_set_source_rgb(cr, rgb[0], rgb[1], rgb[2]);
        cairo_rectangle(cr, floor(x), top, 1, height);
        cairo_fill(cr);
    }
    cairo_set_font_size(cr, small);
    cairo_set_line_width(cr, 1);
    double step = tick_step(high - low), last_end = -1e9;
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
        double value = fabs(k) < 0.5 ? 0 : k * step, x = x0 + (value - low) / (high - low) * (x1 - x0);
        char text[32];
        cairo_text_extents_t extents;
        write_number(text, sizeof text, value, 6);
        cairo_text_extents(cr, text, &extents);
        double begin = clamp(x - extents.x_advance / 2, 2, (double)d->whole_width - extents.x_advance - 2);
        cairo_set_source_rgb(cr, 0.75, 0.77, 0.80);
        cairo_move_to(cr, floor(x) + 0.5, top + height);
        cairo_line_to(cr, floor(x) + 0.5, top + height + 0.3 * font);
        cairo_stroke(cr);
        if (begin < last_end + 0.4 * small)
            continue;
        cairo_move_to(cr, begin, top + height + 1.2 * font);
        cairo_show_text(cr, text);
        last_end = begin + extents.x_advance;
    }
    if (!isnan(threshold) && threshold >= low && threshold <= high) {
        double x = x0 + (threshold - low) / (high - low) * (x1 - x0);
        cairo_set_source_rgb(cr, 1, 1, 1);
        cairo_set_line_width(cr, 2);
        cairo_move_to(cr, x, top - 0.1 * font);
        cairo_line_to(cr, x, top + height);
        cairo_stroke(cr);
        cairo_move_to(cr, x - 0.35 * font, top - 0.5 * font);
        cairo_line_to(cr, x + 0.35 * font, top - 0.5 * font);
        cairo_line_to(cr, x, top - 0.02 * font);
        cairo_fill(cr);
    }
}

static void draw_caption(cairo_t *cr, const struct drawing *d, const dp_result *result, double low, double high)
{
    static const double pills[][3] = {{0.13, 0.55, 0.32}, {0.80, 0.14, 0.18}, {0.72, 0.45, 0.05}, {0.40, 0.43, 0.47}};
    static const char *const labels[] = {"good", "anomalous", "not inspected", "no threshold"};
    size_t which = result->label <= DP_LABEL_NONE ? result->label : DP_LABEL_NONE;
    const char *label = labels[which];
    char text[256 + DP_REASON_BYTES], score[32], threshold[32];
    write_number(score, sizeof score, result->score, 4);
    if (isnan(result->threshold))
        snprintf(threshold, sizeof threshold, "none");
    else
        write_number(threshold, sizeof threshold, result->threshold, 4);
    int used = snprintf(text, sizeof text, "score %s   threshold %s", score, threshold);
    if (!isnan(result->cell_threshold)) {
        write_number(threshold, sizeof threshold, result->cell_threshold, 4);
        used += snprintf(text + used, sizeof text - (size_t)used, "   cells %s", threshold);
    }
    if (result->n_defects)
        used += snprintf(text + used, sizeof text - (size_t)used, "   %zu defect%s", result->n_defects,
                         result->n_defects == 1 ? "" : "s");
    if (*result->reason)
        snprintf(text + used, sizeof text - (size_t)used, "   %s", result->reason);

    double font = d->font;
    cairo_set_source_rgb(cr, 0.10, 0.11, 0.13);
    cairo_rectangle(cr, 0, (double)d->height, (double)d->whole_width, (double)(d->whole_height - d->height));
    cairo_fill(cr);

    cairo_text_extents_t pill, words;
    for (int attempt = 0; attempt < 2; attempt++) {
        cairo_set_font_size(cr, font);
        cairo_text_extents(cr, label, &pill);
        cairo_text_extents(cr, text, &words);
        double wide = pill.x_advance + words.x_advance + 3.6 * font, room = (double)d->whole_width;
        if (wide <= room)
            break;
        font *= room / wide;
    }
    double x = 1.2 * d->font, y = (double)d->height + 0.55 * d->font;
    const double *colour = pills[which];
    cairo_rectangle(cr, x, y, pill.x_advance + 0.9 * font, 1.35 * font);
    cairo_set_source_rgb(cr, colour[0], colour[1], colour[2]);
    cairo_fill(cr);
    cairo_set_font_size(cr, font);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_move_to(cr, x + 0.45 * font, y + font);
    cairo_show_text(cr, label);
    cairo_set_source_rgb(cr, 0.92, 0.93, 0.95);
    cairo_move_to(cr, x + pill.x_advance + 1.6 * font, y + font);
    cairo_show_text(cr, text);
    draw_legend(cr, d, result->cell_threshold, low, high);
}

dp_status dp_result_draw(const dp_picture *picture, const dp_result *result, double low, double high,
                         dp_picture **drawn, dp_error *err)
{
    if (!(high > low) || !isfinite(low) || !isfinite(high))
        return dp_fail(err, DP_E_ARGUMENT,
                       "the scale of the heat map runs from %g to %g; give a low end below the high end", low, high);
    if (!picture->width_px || !picture->height_px || result->width_px != picture->width_px
        || result->height_px != picture->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "a map of %zux%zu does not fit a picture of %zux%zu pixels",
                       result->width_px, result->height_px, picture->width_px, picture->height_px);
    struct drawing d = {0};
    lay_out(&d, picture->width_px, picture->height_px);

    dp_status status = DP_OK;
    dp_picture *out = NULL;
    cairo_t *cr = NULL;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)d.whole_width, (int)d.whole_height);
    d.distances = dp_malloc_2d(d.width, d.height, sizeof *d.distances);
    if (!d.distances || cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        status = dp_fail_memory(err, "the drawing of the heat map", d.whole_width * d.whole_height * 4);
        goto done;
    }
    cairo_surface_flush(surface);
    d.pixels = cairo_image_surface_get_data(surface);
    d.stride = (size_t)cairo_image_surface_get_stride(surface);
    memset(d.pixels, 0x1a, d.stride * d.whole_height);
    if (d.scale < 1)
        shrink(&d, picture, result->map);
    else
        enlarge(&d, picture, result->map);
    dim(&d, result);
    draw_heat(&d, low, high);
    if (result->label == DP_LABEL_ANOMALOUS && !isnan(result->cell_threshold))
        draw_contour(&d, result->cell_threshold);
    cairo_surface_mark_dirty(surface);

    cr = cairo_create(surface);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    draw_boxes(cr, &d, result);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    draw_caption(cr, &d, result, low, high);
    cairo_surface_flush(surface);
    if (cairo_status(cr) != CAIRO_STATUS_SUCCESS) {
        status = cairo_status(cr) == CAIRO_STATUS_NO_MEMORY
                     ? dp_fail_memory(err, "the drawing of the heat map", d.whole_width * d.whole_height * 4)
                     : dp_fail(err, DP_E_UNSUPPORTED, "cannot draw the heat map: %s",
                               cairo_status_to_string(cairo_status(cr)));
        goto done;
    }
    status = dp_picture_new(d.whole_width, d.whole_height, &out, err);
    if (status != DP_OK)
        goto done;
    for (size_t y = 0; y < d.whole_height; y++)
        for (size_t x = 0; x < d.whole_width; x++) {
            const unsigned char *bgrx = d.pixels + y * d.stride + x * 4;
            uint8_t *rgb = out->rgb + (y * d.whole_width + x) * 3;
            rgb[0] = bgrx[2];
            rgb[1] = bgrx[1];
            rgb[2] = bgrx[0];
        }
    *drawn = out;
done:
    if (cr)
        cairo_destroy(cr);
    cairo_surface_destroy(surface);
    dp_memory_free(d.distances);
    return status;
}
