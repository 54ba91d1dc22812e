/* SPDX-License-Identifier: Apache-2.0 */
/* pasta.c - a box full of penne: ridged tubes with slanted ends, thrown over each other until the frame is full.
 *
 * Tubes are painted from the top down, each a cylinder with its own shading: a pixel remembers how much of what lies
 * deeper still shows and how dark the shadows on it are.  The picture is painted at twice its size and averaged down.
 */
#include "plate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const pasta_defects[] = {"foreign_body", "burnt", "crushed", NULL};
enum defect { GOOD, FOREIGN_BODY, BURNT, CRUSHED };

#define FINE 2 /* painted pixels per picture pixel, in each direction */

struct pan {
    size_t size;
    float *light;           /* [size, size, 3] */
    float *mask;            /* [size, size] */
    float *through, *shade; /* [size, size] share of what lies deeper that shows; light left on it by the shadows */
    double lamp[3];
    double burn_x, burn_y, burn_size; /* a scorched place; size 0: none */
    uint64_t burn_grain;
};

struct tube {
    double x, y, cosine, sine; /* middle and direction */
    double half, radius;       /* half the length; in painted pixels */
    double slant, bow, roll;   /* cut of the ends; curvature along the length; turned about its own axis */
    double tint[3];
    uint64_t grain;
};

static void put(struct pan *pan, size_t i, const double colour[3], double cover, double mask)
{
    double share = cover * (double)pan->through[i];
    for (size_t k = 0; k < 3; k++)
        pan->light[3 * i + k] += (float)(share * (double)pan->shade[i] * colour[k]);
    pan->mask[i] += (float)(share * mask);
    pan->through[i] *= (float)(1 - cover);
}

/* Nothing of what is painted at pixel i from now on would show. */
static bool hidden(const struct pan *pan, size_t i)
{
    return pan->through[i] < 0.004f;
}

/* Pixels of the pan that a turned rectangle can reach. */
struct box {
    long left, right, top, bottom;
};

static struct box box_around(const struct pan *pan, double x, double y, double cosine, double sine, double half_length,
                             double half_width)
{
    double dx = fabs(cosine) * half_length + fabs(sine) * half_width, most = (double)pan->size - 1;
    double dy = fabs(sine) * half_length + fabs(cosine) * half_width;
    return (struct box){lround(fmax(0, x - dx)), lround(fmin(most, x + dx)), lround(fmax(0, y - dy)),
                        lround(fmin(most, y + dy))};
}

/* Darkens what lies under a body whose outline is a capsule: nearer and away from the lamp is darker. */
static void cast_shadow(struct pan *pan, double x, double y, double cosine, double sine, double half, double radius)
{
    double reach = 2.3 * radius, shift = 0.45 * radius;
    double cx = x - shift * pan->lamp[0], cy = y - shift * pan->lamp[1];
    const struct box box = box_around(pan, cx, cy, cosine, sine, half + reach, reach);
    for (long py = box.top; py <= box.bottom; py++)
        for (long px = box.left; px <= box.right; px++) {
            const size_t i = (size_t)py * pan->size + (size_t)px;
            if (hidden(pan, i))
                continue;
            double dx = (double)px - cx, dy = (double)py - cy, s = dx * cosine + dy * sine,
                   t = -dx * sine + dy * cosine;
            if (fabs(t) > reach || fabs(s) > half + reach)
                continue;
            double beyond = fmax(0, fabs(s) - half), out = sqrt(beyond * beyond + t * t) / radius;
            double dark = 0.62 * (1 - smoothstep(0.6, 2.3, out));
            pan->shade[i] *= (float)(1 - dark);
        }
}

/* The lamp's light on a matt, slightly shining surface. */
static double lit(const struct pan *pan, double nx, double ny, double nz, double shine)
{
    double length = sqrt(nx * nx + ny * ny + nz * nz);
    double cosine = (nx * pan->lamp[0] + ny * pan->lamp[1] + nz * pan->lamp[2]) / length;
    double wrapped = fmax(0, (cosine + 0.25) / 1.25);
    double up = 2 * nz / length * cosine - pan->lamp[2]; /* mirrored towards the camera */
    return 0.16 * (0.5 + 0.5 * nz / length) + 0.80 * wrapped + shine * pow(fmax(0, up), 18);
}

static const double brown[3] = {0.30, 0.105, 0.030}, charred[3] = {0.040, 0.026, 0.020};

/* How far the pasta is charred at a painted pixel: 1 black, 0 as it should be. */
static double burn_at(const struct pan *pan, double x, double y)
{
    if (pan->burn_size <= 0)
        return 0;
    double dx = (x - pan->burn_x) / pan->burn_size, dy = (y - pan->burn_y) / pan->burn_size;
    double d = hypot(dx, dy) + 0.30 * noise2(pan->burn_grain, 3 * dx, 3 * dy)
               + 0.12 * noise2(pan->burn_grain + 1, 11 * dx, 11 * dy);
    return 0.96 * (1 - smoothstep(0.35, 1, d));
}

static void draw_tube(struct pan *pan, const struct tube *b)
{
    const struct box box = box_around(pan, b->x, b->y, b->cosine, b->sine, b->half + 2 * b->radius, 1.2 * b->radius);
    for (long py = box.top; py <= box.bottom; py++)
        for (long px = box.left; px <= box.right; px++) {
            const size_t i = (size_t)py * pan->size + (size_t)px;
            if (hidden(pan, i))
                continue;
            double dx = (double)px - b->x, dy = (double)py - b->y, s = dx * b->cosine + dy * b->sine;
            double t = (-dx * b->sine + dy * b->cosine - b->bow * (s * s / b->half - b->half / 3)) / b->radius;
            if (fabs(t) >= 1)
                continue;
            double low = -b->half + b->slant * t * b->radius, high = b->half + b->slant * t * b->radius;
            double round = sqrt(1 - t * t), lip = 0.42 * b->radius * round; /* the open end, seen at a slant */
            if (s < low || s > high + lip)
                continue;
            double edge = fmin(fmin((1 - fabs(t)) * b->radius * 1.2, s - low), high + lip - s), cover = clamp01(edge);
            double colour[3], phi = asin(t) + b->roll, light;
            double speck =
                0.05 * noise2(b->grain, s * 0.35, phi * 9) + 0.06 * noise2(b->grain + 1, s * 0.05, phi * 1.5);
            bool inside = s > high;
            if (inside && pow((s - high) / (0.42 * b->radius), 2) < pow(0.70, 2) - pow(t, 2)) {
                light = 0.13 + 0.16 * (1 + t * (b->cosine * pan->lamp[1] - b->sine * pan->lamp[0])); /* the hole */
            } else if (inside) {
                light = 0.88 + 0.10 * (b->cosine * pan->lamp[0] + b->sine * pan->lamp[1]); /* the cut wall */
            } else {
                double ridge = 0.20 * sin(26 * phi), n_t = t + ridge * round, n_z = round;
                light = lit(pan, -n_t * b->sine, n_t * b->cosine, n_z, 0.14) * (1 + 0.05 * cos(26 * phi));
            }
            double burn = burn_at(pan, (double)px, (double)py);
            double browned = smoothstep(0, 0.55, burn), black = smoothstep(0.55, 0.95, burn);
            for (size_t k = 0; k < 3; k++) {
                double own = b->tint[k] * (1 + speck * (k == 2 ? 1.5 : 1));
                own += browned * (brown[k] - own);
                colour[k] = light * (own + black * (charred[k] - own));
            }
            put(pan, i, colour, cover, burn > 0.30 ? 1 : 0);
        }
    cast_shadow(pan, b->x, b->y, b->cosine, b->sine, b->half - b->radius, b->radius);
}

static struct tube make_tube(const struct pan *pan, struct chance *c, double x, double y)
{
    double unit = (double)pan->size, angle = uniform(c, 0, 2 * PI), ripe = normal(c) * 0.05;
    struct tube b = {.x = x,
                     .y = y,
                     .cosine = cos(angle),
                     .sine = sin(angle),
                     .radius = unit * 0.046 * uniform(c, 0.93, 1.07),
                     .half = unit * 0.145 * uniform(c, 0.88, 1.10),
                     .slant = (below(c, 2) ? 1 : -1) * uniform(c, 0.5, 0.9),
                     .bow = normal(c) * 0.02,
                     .roll = uniform(c, 0, 2 * PI),
                     .grain = (uint64_t)below(c, (size_t)1 << 31)};
    b.tint[0] = 0.90 * (1 + ripe);
    b.tint[1] = 0.62 * (1 + 1.1 * ripe + 0.02 * normal(c));
    b.tint[2] = 0.235 * (1 + 1.5 * ripe + 0.06 * normal(c));
    return b;
}

/* A body that does not belong: a steel nut, a pebble, or a shard of blue plastic. */
static void draw_foreign(struct pan *pan, struct chance *c, double x, double y)
{
    size_t sort = below(c, 3);
    double r = (double)pan->size * uniform(c, 0.022, 0.050), angle = uniform(c, 0, 2 * PI);
    double squeeze = sort == 1 ? uniform(c, 0.65, 0.95) : 1;
    uint64_t grain = (uint64_t)below(c, (size_t)1 << 31);
    size_t sides = sort == 0 ? 6 : 3 + below(c, 2);
    const struct box box = box_around(pan, x, y, 1, 0, 1.5 * r, 1.5 * r);
    for (long py = box.top; py <= box.bottom; py++)
        for (long px = box.left; px <= box.right; px++) {
            const size_t i = (size_t)py * pan->size + (size_t)px;
            if (hidden(pan, i))
                continue;
            double dx = (double)px - x, dy = (double)py - y;
            double a = (dx * cos(angle) + dy * sin(angle)) / r,
                   b = (-dx * sin(angle) + dy * cos(angle)) / (r * squeeze);
            double round = hypot(a, b), turn = atan2(b, a), wedge = 2 * PI / (double)sides;
            double flat = round * cos(fmod(turn + 4 * PI, wedge) - wedge / 2) / cos(wedge / 2);
            double out = sort == 1 ? round * (1 + 0.12 * noise2(grain, cos(turn) * 2, sin(turn) * 2)) : flat;
            if (out > 1 || (sort == 0 && round < 0.48))
                continue;
            double colour[3], light, mottle = noise2(grain + 1, a * 9, b * 9);
            if (sort == 0) {
                light = lit(pan, 0.25 * a, 0.25 * b, 1, 0.9) * (1 + 0.06 * mottle) * (out > 0.9 ? 0.6 : 0.75);
                colour[0] = 0.60 * light, colour[1] = 0.61 * light, colour[2] = 0.63 * light;
            } else if (sort == 1) {
                light = lit(pan, dx / r, dy / r, sqrt(fmax(0.05, 1 - out * out)), 0.05) * (1 + 0.22 * mottle);
                colour[0] = 0.36 * light, colour[1] = 0.31 * light, colour[2] = 0.26 * light;
            } else {
                light = lit(pan, 0.3, 0.2 + 0.1 * a, 1, 0.5) * (1 + 0.03 * mottle);
                colour[0] = 0.06 * light, colour[1] = 0.19 * light, colour[2] = 0.52 * light;
            }
            put(pan, i, colour, clamp01((1 - out) * r), 1);
        }
    cast_shadow(pan, x, y, cos(angle), sin(angle), 0, r);
}

/* One flat splinter with a broken edge and a pale face. */
static void draw_splinter(struct pan *pan, struct chance *c, double x, double y, double r)
{
    struct tube like = make_tube(pan, c, x, y);
    double tilt_x = normal(c) * 0.4, tilt_y = normal(c) * 0.4, stretch = uniform(c, 0.45, 1.0),
           pale = uniform(c, 0, 0.22);
    const struct box box = box_around(pan, x, y, 1, 0, 1.6 * r, 1.6 * r);
    for (long py = box.top; py <= box.bottom; py++)
        for (long px = box.left; px <= box.right; px++) {
            const size_t i = (size_t)py * pan->size + (size_t)px;
            if (hidden(pan, i))
                continue;
            double dx = (double)px - x, dy = (double)py - y;
            double s = (dx * like.cosine + dy * like.sine) / r,
                   t = (-dx * like.sine + dy * like.cosine) / (r * stretch);
            double turn = atan2(t, s),
                   out = hypot(s, t) * (1 + 0.45 * noise2(like.grain, 1.7 * cos(turn) + 9, 1.7 * sin(turn)));
            if (out > 1)
                continue;
            double light = lit(pan, tilt_x + 0.18 * sin(t * r * 0.5), tilt_y, 1, 0.05) * (out > 0.86 ? 1.12 : 1);
            light *= 1 + 0.07 * noise2(like.grain + 1, s * 6, t * 6);
            double colour[3];
            for (size_t k = 0; k < 3; k++)
                colour[k] = light * (like.tint[k] + pale * (0.9 - like.tint[k]));
            put(pan, i, colour, clamp01((1 - out) * r), 1);
        }
    cast_shadow(pan, x, y, like.cosine, like.sine, 0, 0.6 * r);
}

/* A tube that was run over: splinters and crumbs of it in a heap, the smallest on top. */
static void draw_crushed(struct pan *pan, struct chance *c, double x, double y)
{
    double spread = (double)pan->size * uniform(c, 0.015, 0.035), piece = (double)pan->size * 0.046;
    size_t n = 12 + below(c, 40);
    for (size_t i = 0; i < n; i++) {
        double r = piece * (0.10 + 0.75 * pow((double)i / (double)n, 2)) * uniform(c, 0.7, 1.2);
        draw_splinter(pan, c, x + spread * normal(c), y + spread * normal(c), r);
    }
}

/* Whether the bottom of the box still shows anywhere. */
static bool bottom_shows(const struct pan *pan)
{
    for (size_t i = 0; i < pan->size * pan->size; i++)
        if (!hidden(pan, i))
            return true;
    return false;
}

/* Throws tubes, the topmost first, until the bottom is hidden; the defect lies among the top ones, away from the
 * border. */
static void fill(struct pan *pan, struct chance *c, size_t kind)
{
    enum { MOST = 900, LOOK_EVERY = 30 };
    double size = (double)pan->size, x = size * uniform(c, 0.2, 0.8), y = size * uniform(c, 0.2, 0.8);
    size_t defect_at = 3 + below(c, 12);
    if (kind == BURNT) {
        pan->burn_x = x;
        pan->burn_y = y;
        pan->burn_size = size * uniform(c, 0.042, 0.09);
        pan->burn_grain = (uint64_t)below(c, (size_t)1 << 31);
    }
    for (size_t i = 0; i < MOST && (i % LOOK_EVERY || bottom_shows(pan)); i++) {
        struct tube b = make_tube(pan, c, uniform(c, -0.08, 1.08) * size, uniform(c, -0.08, 1.08) * size);
        if (kind && kind != BURNT && i < defect_at && hypot(b.x - x, b.y - y) < 0.17 * size)
            continue; /* it would hide the defect */
        if (i == defect_at && kind == FOREIGN_BODY)
            draw_foreign(pan, c, x, y);
        if (i == defect_at && kind == CRUSHED)
            draw_crushed(pan, c, x, y);
        draw_tube(pan, &b);
    }
}

bool draw_pasta(struct plate *p, struct chance *c, size_t kind)
{
    double lamp_angle = -2.2 + uniform(c, -0.3, 0.3), lamp_height = uniform(c, 0.85, 1.05);
    double exposure = uniform(c, 0.92, 1.08);
    struct pan pan = {
        .size = p->size * FINE,
        .lamp = {cos(lamp_height) * cos(lamp_angle), cos(lamp_height) * sin(lamp_angle), sin(lamp_height)}};
    size_t pixels = pan.size * pan.size;
    pan.light = calloc(6 * pixels, sizeof(float));
    if (!pan.light)
        return false;
    pan.mask = pan.light + 3 * pixels;
    pan.through = pan.mask + pixels;
    pan.shade = pan.through + pixels;
    for (size_t i = 0; i < pixels; i++)
        pan.through[i] = pan.shade[i] = 1;
    fill(&pan, c, kind);

    for (size_t row = 0; row < p->size; row++)
        for (size_t col = 0; col < p->size; col++) {
            double sum[4] = {0};
            for (size_t part = 0; part < (size_t)FINE * FINE; part++) {
                size_t i = (row * FINE + part / FINE) * pan.size + col * FINE + part % FINE;
                for (size_t k = 0; k < 3; k++)
                    sum[k] += (double)pan.light[3 * i + k];
                sum[3] += (double)pan.mask[i];
            }
            for (size_t k = 0; k < 3; k++)
                p->light[3 * (row * p->size + col) + k] = (float)(exposure * sum[k] / (FINE * FINE));
            p->mask[row * p->size + col] = sum[3] > 0.5 * FINE * FINE;
        }
    free(pan.light);
    return true;
}
