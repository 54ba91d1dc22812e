/* SPDX-License-Identifier: Apache-2.0 */
/* refine.c - Gauss-Newton on features.
 *
 * R is the mean of the good pictures' features in the pose, J_k its change as the canvas is moved by a pixel in direction k, measured on the
 * good pictures moved by STEP_PX to both sides (learn_reference.c).  What a picture shows near the pose is
 *
 *     f = a R + sum_k J_k m_k + noise,      a and m from the least squares over valid cells, each by its weight w
 *
 * m is the motion that leads from the pose to the canvas f was seen on; undone, it gives a better canvas.  The network is not invariant to
 * turns, and what a turn changes in its features is in J: so no picture need be turned in small steps.
 * Source: Lucas, Kanade 1981, with slopes as in Cootes, Edwards, Taylor 2001 (active appearance models).
 *
 *     score = sum w f . R / sqrt( sum w |f|^2  sum w |R|^2 )      over valid cells */
#include "register/refine.h"
#include "geometry/spaces.h"

#include <math.h>

#define UNKNOWNS (DP_SLOPES + 1)

/* Pixels from the middle of a canvas where a turn or growth is measured: half its mean side. */
static double reach_of(const dp_look *look)
{
    return (double)(look->rows + look->cols) * DP_LOOK_CELL_PX / 4;
}

/* q of the moved canvas -> at: shift + growth (turn q), composed with the placement. */
static dp_placement compose(const dp_placement *at, const dp_look *look, double du, double dv, double turn,
                            double growth)
{
    const double c = cos(at->angle_rad), s = sin(at->angle_rad), px = at->scale_px * look->unit;
    return (dp_placement){at->x_px + px * (c * du - s * dv), at->y_px + px * (s * du + c * dv),
                          remainder(at->angle_rad + turn, 2 * M_PI), at->scale_px * growth};
}

dp_placement dp_placement_move(const dp_placement *at, const dp_look *look, const dp_motion *motion)
{
    const double reach = reach_of(look);
    return compose(at, look, motion->by[0], motion->by[1], motion->by[2] / reach, exp(motion->by[3] / reach));
}

dp_placement dp_placement_unmove(const dp_placement *at, const dp_look *look, const dp_motion *motion)
{
    const double reach = reach_of(look), turn = -motion->by[2] / reach, growth = exp(-motion->by[3] / reach),
                 c = growth * cos(turn), s = growth * sin(turn);
    return compose(at, look, -(c * motion->by[0] - s * motion->by[1]), -(s * motion->by[0] + c * motion->by[1]), turn,
                   growth);
}

static double dot(const float *a, const float *b, size_t dim)
{
    float sum[8] = {0};
    size_t d = 0;
    for (; d + 8 <= dim; d += 8)
        for (size_t i = 0; i < 8; i++)
            sum[i] += a[d + i] * b[d + i];
    double all = 0;
    for (; d < dim; d++)
        all += (double)a[d] * (double)b[d];
    for (size_t i = 0; i < 8; i++)
        all += (double)sum[i];
    return all;
}

double dp_look_score(const dp_reference *reference, const float *mean, const float *features, const uint8_t *valid)
{
    const size_t cells = dp_look_cells(&reference->look), dim = reference->basis.dim;
    double product = 0, own = 0, its = 0;
    for (size_t i = 0; i < cells; i++) {
        const double w = valid[i] ? (double)reference->weight[i] : 0;
        if (w == 0)
            continue;
        product += w * dot(features + i * dim, mean + i * dim, dim);
        own += w * dot(features + i * dim, features + i * dim, dim);
        its += w * dot(mean + i * dim, mean + i * dim, dim);
    }
    return own > 0 && its > 0 ? product / sqrt(own * its) : 0;
}

/* a [n, n] x = b by elimination with pivots on the diagonal: a is positive definite.  false: it is not. */
static bool solve(double a[UNKNOWNS][UNKNOWNS], double b[UNKNOWNS], size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (!(a[k][k] > 0))
            return false;
        for (size_t i = k + 1; i < n; i++) {
            const double factor = a[i][k] / a[k][k];
            for (size_t j = k; j < n; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
    return true;
}

#define RIDGE 1e-3

bool dp_look_motion(const dp_reference *reference, const float *features, const uint8_t *valid, dp_motion *motion)
{
    const size_t cells = dp_look_cells(&reference->look), dim = reference->basis.dim;
    const float *columns[UNKNOWNS] = {reference->mean};
    size_t of[UNKNOWNS] = {0}, n = 1;
    for (size_t k = 0; k < DP_SLOPES; k++)
        if (k != 2 || !reference->round) {
            of[n] = k;
            columns[n++] = reference->slopes + k * cells * dim;
        }
    double a[UNKNOWNS][UNKNOWNS] = {{0}}, b[UNKNOWNS] = {0};
    for (size_t i = 0; i < cells; i++) {
        const double w = valid[i] ? (double)reference->weight[i] : 0;
        for (size_t j = 0; j < n && w != 0; j++) {
            b[j] += w * dot(columns[j] + i * dim, features + i * dim, dim);
            for (size_t k = 0; k <= j; k++)
                a[j][k] += w * dot(columns[j] + i * dim, columns[k] + i * dim, dim);
        }
    }
    double trace = 0;
    for (size_t j = 1; j < n; j++)
        trace += a[j][j];
    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < j; k++)
            a[k][j] = a[j][k];
        a[j][j] += j ? RIDGE * trace / (double)(n - 1) : 0; /* a direction that shows nothing is not moved along */
    }
    *motion = (dp_motion){{0}};
    if (!solve(a, b, n))
        return false;
    for (size_t j = 1; j < n; j++)
        motion->by[of[j]] = b[j] / fmax(b[0], 0.25); /* a fainter picture changes less, too */
    return true;
}
