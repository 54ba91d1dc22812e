/* SPDX-License-Identifier: Apache-2.0 */
/* reference.h - what the part looks like in all its angles, learned from the good pictures: by it the part is found in a new one.
 *
 * The plane of the reference has its origin in the middle of the part, u along the part's longer side, v across it.  Its unit is
 * 1 / DP_PLANE_SIDE of the side of a square as large as a picture: pictures of one scene in different resolutions are alike in it. */
#ifndef DP_REGISTER_REFERENCE_H
#define DP_REGISTER_REFERENCE_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

#define DP_PLANE_SIDE 128.0
#define DP_LOOK_CELL_PX 8        /* canvas pixels to a cell of the network's features, `nano`'s layer 2 */
#define DP_COARSE_UNIT (4.0 / 3) /* units of the plane to a pixel of a coarse look: 96 pixels for a square picture */
#define DP_SLOPES 4              /* shift along u and v, turn, growth */

/* Features of the network in few numbers: basis (x - mean). */
typedef struct dp_basis {
    size_t dim_in, dim;
    float *mean, *rows; /* [dim_in], [dim, dim_in] */
} dp_basis;

/* A canvas on the plane of the reference, the origin in its middle. */
typedef struct dp_look {
    size_t rows, cols; /* cells; even numbers */
    double unit;       /* units of the plane to one canvas pixel */
} dp_look;

static inline size_t dp_look_cells(const dp_look *look)
{
    return look->rows * look->cols /* checked: at most MOST_CELLS each */;
}

typedef struct dp_reference {
    dp_basis basis;
    /* Coarse: the part turned by k 360 / n_angles degrees, side x side cells of DP_COARSE_UNIT. */
    size_t n_angles, side;
    float *turned;        /* [n_angles, side, side, dim], 0 where not known */
    float *turned_weight; /* [n_angles, side, side] 1: known, 0: not */
    /* Fine: the part upright. */
    dp_look look;
    float *mean; /* [rows, cols, dim] of the good pictures */
    float
        *slopes; /* [DP_SLOPES, rows, cols, dim] how it changes as a picture is moved by one canvas pixel (refine.c) */
    float *weight;             /* [rows, cols] 1 / variance over the good pictures, 0 where few of them reach */
    double width, height;      /* of the part, in units */
    bool round;                /* no angle makes it more like itself: it is not turned */
    double good_score;         /* the middle one of the good pictures, each against the others */
    double least_score;        /* below it a picture shows something else */
    struct dp_reference *next; /* another kind or side of the part, of the same basis, side and cells; NULL: none */
} dp_reference;

#define DP_MOST_KINDS 3

size_t dp_reference_kinds(const dp_reference *reference);
/* The most angles of any kind. */
size_t dp_reference_angles(const dp_reference *reference);
/* Closes all kinds. */
void dp_reference_close(dp_reference **reference);

/* Its arrays of floats one by one, and how many floats each has by its sizes. */
enum { DP_REFERENCE_ARRAYS = 7 };
typedef struct dp_reference_array {
    float **values;
    size_t n;
} dp_reference_array;
void dp_reference_arrays(dp_reference *reference, dp_reference_array arrays[DP_REFERENCE_ARRAYS]);
/* Memory for all of them, by its sizes; false: there is none. */
bool dp_reference_allocate(dp_reference *reference);
/* Of all kinds; NULL: no memory. */
dp_reference *dp_reference_copy(const dp_reference *reference);
bool dp_reference_equal(const dp_reference *a, const dp_reference *b);

#endif
