/* SPDX-License-Identifier: Apache-2.0 */
/* screw.c - a steel screw with a washer, lying on a bright table at any angle.
 *
 * The screw is a surface around its axis: radius(u, phi), u from 0 at the tip to 1 at the top of the head, phi around
 * the axis.  Its points are thrown into a height field (the sheet) in the screw's own frame, normals and shading are
 * taken from the heights, and the shaded sheet is laid into the picture at the pose wanted.  The light stays with the
 * picture, not with the screw: turned screws look different, as under a camera. */
#include "plate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const screw_defects[] = {"missing_washer", "misplaced_washer", "bent_tip", "thread_damage",
                                     "neck_scratch",   "broken_tip",       NULL};
enum defect { GOOD, MISSING_WASHER, MISPLACED_WASHER, BENT_TIP, THREAD_DAMAGE, NECK_SCRATCH, BROKEN_TIP };

/* Along the axis, in lengths of the screw. */
#define TIP_END 0.11
#define THREAD_BEGIN 0.025
#define THREAD_END 0.60
#define PITCH 0.036
#define WASHER_AT 0.800
#define WASHER_THICK 0.024
#define WASHER_RADIUS 0.135
#define HEAD_BEGIN 0.826
#define HEAD_RADIUS 0.112
#define NECK_RADIUS 0.047

#define SAMPLES 3       /* sheet cells per picture pixel, in each direction */
#define HALF_WIDTH 0.22 /* of the sheet */
#define MARGIN 0.04     /* of the sheet beyond tip and head */
#define DENTS 5

struct screw {
    double roll;                   /* turned about its own axis */
    double washer_at, washer_tilt; /* washer_at < 0: none */
    double bend;                   /* curvature of the tip */
    double bend_from, cut;         /* where the bend begins; everything below cut is broken off */
    double cut_slope;
    double dent_u[DENTS], dent_phi[DENTS], dent_size[DENTS], dent_depth[DENTS];
    double scratch_u[2], scratch_phi[2], scratch_width; /* width 0: none */
    uint64_t grain;                                     /* seed of the surface's texture */
    double tint;
};

struct sheet {
    size_t cols, rows;
    double cells;                               /* per length of the screw */
    float *height, *u, *phi, *occlusion, *mask; /* [rows, cols]; height < 0: table */
    float *colour;                              /* [rows, cols, 4], alpha last, premultiplied */
};

static double core_radius(double u)
{
    if (u < TIP_END)
        return 0.005 + 0.038 * pow(u / TIP_END, 0.85);
    if (u < THREAD_END)
        return 0.043;
    if (u < HEAD_BEGIN)
        return 0.043 + (NECK_RADIUS - 0.043) * smoothstep(THREAD_END, THREAD_END + 0.01, u);
    double x = (u - HEAD_BEGIN) / (1 - HEAD_BEGIN);
    return HEAD_RADIUS * sqrt(fmax(0, 1 - pow(x, 3.6))) * smoothstep(-0.06, 0.08, x);
}

/* How far a point of the surface lies inside dent i: 1 in its middle, 0 outside. */
static double dent(const struct screw *s, size_t i, double u, double phi)
{
    double du = (u - s->dent_u[i]) / s->dent_size[i], dphi = (phi - s->dent_phi[i]) * 0.055 / s->dent_size[i];
    double d = du * du + dphi * dphi;
    return d < 6 ? exp(-d) : 0;
}

static double radius(const struct screw *s, double u, double phi)
{
    double r = core_radius(u);
    if (u > THREAD_BEGIN && u < THREAD_END) {
        double turn = u / PITCH - (phi + s->roll) / (2 * PI), f = turn - floor(turn);
        double height = 0.020 * smoothstep(THREAD_BEGIN, 0.13, u) * (1 - smoothstep(THREAD_END - 0.02, THREAD_END, u));
        double ridge = pow(1 - fabs(2 * f - 1), 1.7), worn = 1;
        for (size_t i = 0; i < DENTS; i++)
            if (s->dent_depth[i] > 0)
                worn *= 1 - s->dent_depth[i] * dent(s, i, u, phi);
        r += height * ridge * worn;
    }
    return r;
}

/* Distance of a surface point from the scratch, in widths; large where there is none. */
static double scratch_distance(const struct screw *s, double u, double phi)
{
    if (s->scratch_width <= 0)
        return 1e9;
    double ax = s->scratch_u[0], ay = s->scratch_phi[0] * NECK_RADIUS, bx = s->scratch_u[1];
    double by = s->scratch_phi[1] * NECK_RADIUS, x = u, y = phi * NECK_RADIUS;
    double t = clamp01(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) * (bx - ax) + (by - ay) * (by - ay)));
    y += 0.002 * noise2(s->grain, u * 60, 0.5);
    return hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)) / s->scratch_width;
}

/* Throws the point (u, phi) at distance r from the axis into the sheet; the highest one stays. */
static void throw_point(const struct screw *s, struct sheet *sheet, double u, double phi, double r, double tilt)
{
    double x = u, y = r * sin(phi), z = r * cos(phi);
    x += tilt * y;
    if (s->bend != 0 && u < s->bend_from) {
        double a = s->bend * (s->bend_from - u);
        x = s->bend_from - sin(a) / s->bend + sin(a) * y;
        y = (1 - cos(a)) / s->bend + cos(a) * y;
    }
    if (z < 0)
        return;
    long col = lround((x + MARGIN) * sheet->cells), row = lround((y + HALF_WIDTH) * sheet->cells);
    if (col < 0 || row < 0 || col >= (long)sheet->cols || row >= (long)sheet->rows)
        return;
    size_t at = (size_t)row * sheet->cols + (size_t)col;
    if (sheet->height[at] < (float)z) {
        sheet->height[at] = (float)z;
        sheet->u[at] = (float)u;
        sheet->phi[at] = (float)phi;
    }
}

static void throw_surface(const struct screw *s, struct sheet *sheet)
{
    double step = 0.55 / sheet->cells;
    for (double u = s->cut; u < 1; u += step) {
        double most = core_radius(u) + 0.021, dphi = step / most;
        for (double phi = -PI / 2; phi <= PI / 2; phi += dphi) {
            if (s->cut > 0 && u < s->cut + fabs(s->cut_slope * sin(phi) + 0.006 * noise2(s->grain + 5, phi * 3, 0)))
                continue;
            throw_point(s, sheet, u, phi, radius(s, u, phi), 0);
        }
    }
    if (s->washer_at < 0)
        return;
    for (double t = 0; t < 1; t += step / WASHER_THICK) {
        double round = WASHER_RADIUS - 0.004 * pow(fabs(2 * t - 1), 3);
        for (double phi = -PI / 2; phi <= PI / 2; phi += step / WASHER_RADIUS)
            for (double r = round; r > NECK_RADIUS; r -= t < 0.06 || t > 0.94 ? step : WASHER_RADIUS)
                throw_point(s, sheet, s->washer_at + t * WASHER_THICK, phi, r, s->washer_tilt);
    }
}

static float at(const struct sheet *sheet, const float *plane, long row, long col)
{
    row = row < 0 ? 0 : row >= (long)sheet->rows ? (long)sheet->rows - 1 : row;
    col = col < 0 ? 0 : col >= (long)sheet->cols ? (long)sheet->cols - 1 : col;
    return plane[(size_t)row * sheet->cols + (size_t)col];
}

/* How much of the sky the surroundings hide: mean excess height over a ring of neighbours. */
static void find_occlusion(struct sheet *sheet)
{
    enum { DIRECTIONS = 12 };
    long rows[DIRECTIONS], cols[DIRECTIONS];
    double far[DIRECTIONS];
    for (int k = 0; k < DIRECTIONS; k++) {
        far[k] = (k % 2 ? 0.022 : 0.011) * sheet->cells;
        rows[k] = lround(far[k] * sin(k * 2 * PI / DIRECTIONS));
        cols[k] = lround(far[k] * cos(k * 2 * PI / DIRECTIONS));
    }
    for (long row = 0; row < (long)sheet->rows; row++)
        for (long col = 0; col < (long)sheet->cols; col++) {
            float own = at(sheet, sheet->height, row, col);
            double hidden = 0;
            for (int k = 0; own >= 0 && k < DIRECTIONS; k++) {
                float other = at(sheet, sheet->height, row + rows[k], col + cols[k]);
                hidden += fmax(0, (double)(other - own) * sheet->cells / far[k]);
            }
            sheet->occlusion[(size_t)row * sheet->cols + (size_t)col] = (float)fmin(0.75, hidden / DIRECTIONS);
        }
}

/* Slope of the surface at a cell, from the neighbours on the surface; step in lengths of the screw. */
static double slope(double before, double own, double after, double step)
{
    double left = before < 0 ? NAN : (own - before) / step, right = after < 0 ? NAN : (after - own) / step;
    double both = isnan(left) ? (isnan(right) ? 0 : right) : isnan(right) ? left : (left + right) / 2;
    return fmax(-8, fmin(8, both));
}

/* Light that a mirror of steel sends up: the lamp's panel, the hall, and near the horizon the bright table. */
static double mirrored(const double n[3], const double lamp[3], double gloss)
{
    double r[3] = {2 * n[2] * n[0], 2 * n[2] * n[1], 2 * n[2] * n[2] - 1};
    double toward = r[0] * lamp[0] + r[1] * lamp[1] + r[2] * lamp[2];
    double panel = 0.95 * smoothstep(gloss, 0.97, toward), hall = 0.22 + 0.18 * r[2];
    double table = 0.55 * smoothstep(-0.05, -0.75, r[2]);
    return hall + panel + table;
}

/* lamp: direction of the light in the screw's frame. */
static void shade(const struct screw *s, struct sheet *sheet, const double lamp[3])
{
    double step = 1 / sheet->cells;
    for (long row = 0; row < (long)sheet->rows; row++)
        for (long col = 0; col < (long)sheet->cols; col++) {
            size_t i = (size_t)row * sheet->cols + (size_t)col;
            float *colour = sheet->colour + 4 * i;
            double z = (double)sheet->height[i], u = (double)sheet->u[i], phi = (double)sheet->phi[i] + s->roll;
            if (z < 0)
                continue;
            double dx = slope((double)at(sheet, sheet->height, row, col - 1), z,
                              (double)at(sheet, sheet->height, row, col + 1), step);
            double dy = slope((double)at(sheet, sheet->height, row - 1, col), z,
                              (double)at(sheet, sheet->height, row + 1, col), step);
            /* turning marks run around the axis */
            dx += 0.10 * noise2(s->grain, u * 420, phi * 1.2) + 0.05 * noise2(s->grain + 1, u * 130, phi * 4);
            double length = sqrt(dx * dx + dy * dy + 1), n[3] = {-dx / length, -dy / length, 1 / length};
            double light =
                0.74 * mirrored(n, lamp, 0.42) + 0.22 * fmax(0, n[0] * lamp[0] + n[1] * lamp[1] + n[2] * lamp[2]);
            light *= 1 + 0.10 * noise2(s->grain + 2, u * 16, phi * 2) + 0.05 * noise2(s->grain + 3, u * 90, phi * 14);
            double d = scratch_distance(s, u, (double)sheet->phi[i]);
            if (d < 2)
                light =
                    light * (1 - 0.75 * exp(-d * d)) + 0.9 * exp(-(d - 0.9) * (d - 0.9) * 8) * (phi > 0 ? 0.5 : 0.35);
            light *= 1 - (double)sheet->occlusion[i];
            colour[0] = (float)(light * (0.97 + 0.04 * s->tint));
            colour[1] = (float)(light * 0.98);
            colour[2] = (float)(light * (1.0 - 0.05 * s->tint));
            colour[3] = 1;
        }
}

/* The defect's mask in the screw's frame: what differs from the same screw without it, or where it was put. */
static void mark(const struct screw *s, const struct sheet *sheet, const struct sheet *whole, size_t kind, float *mask)
{
    for (size_t i = 0; i < sheet->rows * sheet->cols; i++) {
        bool here = sheet->height[i] >= 0, there = whole->height[i] >= 0;
        double u = (double)sheet->u[i], phi = (double)sheet->phi[i];
        double deepest = 0;
        switch ((enum defect)kind) {
        case MISSING_WASHER:
        case MISPLACED_WASHER:
        case BROKEN_TIP:
            mask[i] = here != there || (here && fabsf(sheet->height[i] - whole->height[i]) > 0.004f);
            break;
        case BENT_TIP: mask[i] = here && u < s->bend_from - 0.02; break;
        case THREAD_DAMAGE:
            for (size_t k = 0; here && k < DENTS; k++)
                if (s->dent_depth[k] > 0)
                    deepest = fmax(deepest, dent(s, k, u, phi));
            mask[i] = deepest > 0.3;
            break;
        case NECK_SCRATCH:
            mask[i] = here && u > THREAD_END && u < WASHER_AT && scratch_distance(s, u, phi) < 1.6;
            break;
        case GOOD: break;
        }
    }
}

static struct screw make_screw(struct chance *c, size_t kind, struct screw *whole)
{
    struct screw s = {.roll = uniform(c, 0, 2 * PI),
                      .washer_at = WASHER_AT,
                      .washer_tilt = uniform(c, -0.03, 0.03),
                      .cut = 0,
                      .grain = (uint64_t)below(c, (size_t)1 << 31),
                      .tint = uniform(c, -0.5, 1)};
    *whole = s;
    switch ((enum defect)kind) {
    case GOOD: break;
    case MISSING_WASHER: s.washer_at = -1; break;
    case MISPLACED_WASHER:
        s.washer_at = uniform(c, 0.64, 0.745);
        s.washer_tilt = uniform(c, -0.22, 0.22);
        break;
    case BENT_TIP:
        s.bend_from = uniform(c, 0.16, 0.28);
        s.bend = (below(c, 2) ? 1 : -1) * uniform(c, 1.2, 2.8);
        break;
    case THREAD_DAMAGE: {
        double u = uniform(c, 0.22, 0.50), phi = uniform(c, -0.7, 0.7);
        size_t n = 2 + below(c, DENTS - 1);
        for (size_t i = 0; i < n; i++) {
            s.dent_u[i] = u + uniform(c, -0.05, 0.05);
            s.dent_phi[i] = phi + uniform(c, -0.5, 0.5);
            s.dent_size[i] = uniform(c, 0.016, 0.030);
            s.dent_depth[i] = uniform(c, 0.75, 1.0);
        }
        break;
    }
    case NECK_SCRATCH:
        s.scratch_u[0] = uniform(c, 0.625, 0.68);
        s.scratch_u[1] = uniform(c, 0.72, 0.785);
        s.scratch_phi[0] = uniform(c, -0.9, 0.9);
        s.scratch_phi[1] = s.scratch_phi[0] * -uniform(c, 0.2, 1);
        s.scratch_width = uniform(c, 0.0045, 0.0075);
        break;
    case BROKEN_TIP:
        s.cut = uniform(c, 0.06, 0.14);
        s.cut_slope = uniform(c, -0.02, 0.02);
        break;
    }
    return s;
}

static void sheet_free(struct sheet *sheet)
{
    free(sheet->height);
    free(sheet->colour);
    *sheet = (struct sheet){0};
}

static bool sheet_new(struct sheet *sheet, double cells)
{
    *sheet = (struct sheet){
        .cells = cells, .cols = (size_t)ceil(cells * (1 + 2 * MARGIN)), .rows = (size_t)ceil(cells * 2 * HALF_WIDTH)};
    size_t n = sheet->cols * sheet->rows;
    sheet->height = calloc(n * 5, sizeof(float));
    sheet->colour = calloc(n * 4, sizeof(float));
    if (!sheet->height || !sheet->colour) {
        sheet_free(sheet);
        return false;
    }
    sheet->u = sheet->height + n;
    sheet->phi = sheet->u + n;
    sheet->occlusion = sheet->phi + n;
    sheet->mask = sheet->occlusion + n;
    for (size_t i = 0; i < n; i++)
        sheet->height[i] = -1;
    return true;
}

/* The table: bright, a little uneven, with a speck of dust here and there. */
static void draw_table(struct plate *p, struct chance *c)
{
    double level = uniform(c, 0.68, 0.78), slope_x = uniform(c, -0.07, 0.07), slope_y = uniform(c, -0.07, 0.07);
    uint64_t seed = (uint64_t)below(c, (size_t)1 << 31);
    double size = (double)p->size;
    for (size_t y = 0; y < p->size; y++)
        for (size_t x = 0; x < p->size; x++) {
            double fx = (double)x / size - 0.5, fy = (double)y / size - 0.5;
            double light = level * (1 + slope_x * fx + slope_y * fy - 0.25 * (fx * fx + fy * fy));
            light *= 1 + 0.012 * noise2(seed, fx * 14, fy * 14) + 0.012 * noise2(seed + 1, fx * 120, fy * 120);
            float *out = p->light + 3 * (y * p->size + x);
            out[0] = (float)light;
            out[1] = (float)(light * 0.995);
            out[2] = (float)(light * 0.975);
        }
    for (size_t i = 0, n = below(c, 7); i < n; i++) {
        double cx = uniform(c, 0, size), cy = uniform(c, 0, size), r = uniform(c, 0.5, 1.0) * size / 448,
               dark = uniform(c, 0.1, 0.3);
        for (long y = lround(cy - 3 * r); y <= lround(cy + 3 * r); y++)
            for (long x = lround(cx - 3 * r); x <= lround(cx + 3 * r); x++)
                if (x >= 0 && y >= 0 && x < (long)p->size && y < (long)p->size) {
                    double d = hypot((double)x - cx, (double)y - cy) / r;
                    for (size_t k = 0; k < 3; k++)
                        p->light[3 * ((size_t)y * p->size + (size_t)x) + k] *= (float)(1 - dark * exp(-d * d));
                }
    }
}

struct placing {
    double centre_x, centre_y, cosine, sine, length_px;
};

/* Mean of a sheet's colour and mask over the picture pixel (x, y). */
static void look_up(const struct sheet *sheet, const struct placing *at_, double x, double y, double rgba[4],
                    double *mask)
{
    memset(rgba, 0, 4 * sizeof *rgba);
    *mask = 0;
    for (int sy = 0; sy < SAMPLES; sy++)
        for (int sx = 0; sx < SAMPLES; sx++) {
            double dx = x + (sx + 0.5) / SAMPLES - 0.5 - at_->centre_x,
                   dy = y + (sy + 0.5) / SAMPLES - 0.5 - at_->centre_y;
            double u = (dx * at_->cosine + dy * at_->sine) / at_->length_px + 0.5;
            double v = (-dx * at_->sine + dy * at_->cosine) / at_->length_px;
            long col = lround((u + MARGIN) * sheet->cells), row = lround((v + HALF_WIDTH) * sheet->cells);
            if (col < 0 || row < 0 || col >= (long)sheet->cols || row >= (long)sheet->rows)
                continue;
            size_t i = (size_t)row * sheet->cols + (size_t)col;
            for (size_t k = 0; k < 4; k++)
                rgba[k] += (double)sheet->colour[4 * i + k];
            *mask += (double)sheet->mask[i];
        }
    for (size_t k = 0; k < 4; k++)
        rgba[k] /= SAMPLES * SAMPLES;
    *mask /= SAMPLES * SAMPLES;
}

bool draw_screw(struct plate *p, struct chance *c, size_t kind)
{
    double size = (double)p->size, angle = uniform(c, 0, 2 * PI);
    struct placing place = {.length_px = size * 0.66 * uniform(c, 0.93, 1.07),
                            .centre_x = size * (0.5 + uniform(c, -0.06, 0.06)),
                            .centre_y = size * (0.5 + uniform(c, -0.06, 0.06)),
                            .cosine = cos(angle),
                            .sine = sin(angle)};
    double lamp_angle = -2.2 + uniform(c, -0.35, 0.35), lamp_height = uniform(c, 0.95, 1.1);
    double around = lamp_angle - angle;
    double lamp[3] = {cos(lamp_height) * cos(around), cos(lamp_height) * sin(around), sin(lamp_height)};
    draw_table(p, c);
    double exposure = uniform(c, 0.92, 1.08);
    struct screw whole_screw, s = make_screw(c, kind, &whole_screw);

    size_t pixels = p->size * p->size;
    struct sheet sheet = {0}, whole = {0};
    float *shadow = pixels ? calloc(pixels * 2, sizeof *shadow) : NULL;
    bool good = shadow && sheet_new(&sheet, place.length_px * SAMPLES) && sheet_new(&whole, sheet.cells);
    if (good) {
        throw_surface(&s, &sheet);
        if (kind) {
            throw_surface(&whole_screw, &whole);
            mark(&s, &sheet, &whole, kind, sheet.mask);
        }
        find_occlusion(&sheet);
        shade(&s, &sheet, lamp);
        /* the shadow falls away from the lamp; the screw lies on the table, so it is short and soft */
        double shift = 0.022 * size, rgba[4], mask;
        for (size_t y = 0; y < p->size; y++)
            for (size_t x = 0; x < p->size; x++) {
                look_up(&sheet, &place, (double)x + shift * cos(lamp_angle), (double)y + shift * sin(lamp_angle), rgba,
                        &mask);
                shadow[y * p->size + x] = (float)rgba[3];
            }
        blur(shadow, shadow + pixels, p->size, 1, 0.016 * size);
        for (size_t y = 0; y < p->size; y++)
            for (size_t x = 0; x < p->size; x++) {
                size_t i = y * p->size + x;
                look_up(&sheet, &place, (double)x, (double)y, rgba, &mask);
                for (size_t k = 0; k < 3; k++)
                    p->light[3 * i + k] =
                        (float)(exposure
                                * ((1 - rgba[3]) * (double)p->light[3 * i + k] * (1 - 0.5 * (double)shadow[i])
                                   + rgba[k]));
                p->mask[i] = mask > 0.5;
            }
    }
    free(shadow);
    sheet_free(&sheet);
    sheet_free(&whole);
    return good;
}
