/* SPDX-License-Identifier: Apache-2.0 */
/* plate.h - what the two pictures of the demo are drawn on: a square of light, a mask of the defect, a seeded source of
 * chance.  Everything a picture shows follows from its seed. */
#ifndef DINOPATCH_DEMO_PLATE_H
#define DINOPATCH_DEMO_PLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PI 3.14159265358979323846

struct chance {
    uint64_t state;
};

double uniform(struct chance *c, double low, double high);
double normal(struct chance *c); /* mean 0, variance 1 */
size_t below(struct chance *c, size_t n);

static inline double clamp01(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* 0 below a, 1 above b, smooth between. */
static inline double smoothstep(double a, double b, double x)
{
    double t = clamp01((x - a) / (b - a));
    return t * t * (3 - 2 * t);
}

/* Smooth noise in [-1, 1] that changes over a distance of 1; seed chooses the pattern. */
double noise2(uint64_t seed, double x, double y);

struct plate {
    size_t size;
    float *light; /* [size, size, 3] linear, 0 black, 1 white */
    float *mask;  /* [size, size] 1 where the defect is */
};

/* Gaussian blur of data [size, size, channels] in place; work is as large. */
void blur(float *data, float *work, size_t size, size_t channels, double sigma);

/* The two subjects.  kind 0: a good one; else one of the defects, counted from 1.  plate comes in black.
 * false: not enough memory. */
extern const char *const screw_defects[], *const pasta_defects[]; /* NULL ends */
bool draw_screw(struct plate *plate, struct chance *c, size_t kind);
bool draw_pasta(struct plate *plate, struct chance *c, size_t kind);

#endif
