/* SPDX-License-Identifier: Apache-2.0 */
/* pose.c - finds where the object lies: principal components of its border points.
 *
 * With n border points (x_i, y_i), each counted as often as the borders visit it:
 *     centre      (sum x / n, sum y / n)
 *     covariance  a = var x, b = cov(x, y), c = var y, over n (population)
 *     variances   (a + c) / 2 +- sqrt(((a - c) / 2)^2 + b^2): the eigenvalues of [a b; b c]
 *     angle       atan2(2 b, a - c) / 2, moved into [0, pi)
 * Source: Pearson 1901; the closed form of the symmetric 2x2 eigenproblem. The sums are integers, so the order of the
 * points does not change a bit of the result.
 *
 * The status says why an object cannot be aligned:
 *     FEW_EDGES   fewer than MIN_POINTS border points: the outline of less than about 15 x 5 pixels
 *     CUT         contours within RIM_PX of the picture's border hold more than MAX_TOUCHING of all points: part of the
 *                 object lies outside the picture (or the background has structure up to the border); centre and axis
 *                 are those of the visible part. Specks of dust at the border hold too few points to matter.
 *     ROUND       sigma_minor / sigma_major above MAX_ROUNDNESS: the axis is random
 * docs/method-align.md has the measurements behind these bounds. */
#include "align/edges.h"
#include "base/error.h"
#include "base/memory.h"
#include "options/check.h"

#include <math.h>
#include <string.h>

#define MIN_POINTS 64
#define RIM_PX 3
#define MAX_TOUCHING 0.25
#define MAX_ROUNDNESS 0.9

#define BINS_PER_PX 32 /* of the histogram behind extent_minor_px */

__extension__ typedef unsigned __int128 wide; /* sums of squared coordinates exceed 64 bits in large pictures */

static dp_status check_picture(const dp_picture *picture, dp_error *err)
{
    if (!picture || !picture->rgb || !picture->width_px || !picture->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "the picture has no pixels");
    return DP_OK;
}

dp_status dp_edges_find(const dp_picture *picture, const dp_recipe *recipe, uint8_t **edges, dp_error *err)
{
    dp_status status = check_picture(picture, err);
    if (status == DP_OK)
        status = dp_check_edges(recipe, err);
    if (status != DP_OK)
        return status;
    size_t height = picture->height_px, width = picture->width_px, n = height * width;
    uint8_t *gray = dp_malloc(n, 1), *blurred = dp_malloc(n, 1);
    if (!gray || !blurred) {
        status = dp_fail_memory(err, "finding edges", 2 * n);
        goto fail;
    }
    dp_gray_u8(picture->rgb, n, gray);
    status = dp_blur_u8(gray, height, width, recipe->blur_px, blurred, err);
    if (status != DP_OK)
        goto fail;
    status = dp_canny_u8(blurred, height, width, (int)recipe->canny_low, (int)recipe->canny_high, gray,
                         err); /* gray is no longer needed */
    if (status != DP_OK)
        goto fail;
    dp_memory_free(blurred);
    *edges = gray;
    return DP_OK;
fail:
    dp_memory_free(gray);
    dp_memory_free(blurred);
    return status;
}

/* Runs a statement for every visited pixel of visits [height + 2, width + 2]. */
/* NOLINTBEGIN(bugprone-macro-parentheses): x, y and count are declared by it */
#define FOR_EACH_VISITED(visits, height, width, x, y, count)                                                           \
    for (size_t y = 0; y < (height); y++)                                                                              \
        for (size_t x = 0, count; x < (width); x++)                                                                    \
            if ((count = (visits)[(y + 1) * ((width) + 2) + x + 1]) != 0)
/* NOLINTEND(bugprone-macro-parentheses) */

/* (n sum_ab - sum_a sum_b) / n^2: the covariance, rounded once on the way to double. */
static double covariance(wide n, wide sum_a, wide sum_b, wide sum_ab)
{
    wide left = n * sum_ab, right = sum_a * sum_b;
    double difference = left >= right ? (double)(left - right) : -(double)(right - left);
    return difference / ((double)n * (double)n);
}

static void principal_axes(const uint8_t *visits, size_t height, size_t width, dp_pose *pose)
{
    wide n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    FOR_EACH_VISITED(visits, height, width, x, y, count)
    {
        n += count;
        sx += (wide)count * x;
        sy += (wide)count * y;
        sxx += (wide)count * x * x;
        sxy += (wide)count * x * y;
        syy += (wide)count * y * y;
    }
    if (n == 0)
        return;
    double a = covariance(n, sx, sx, sxx), b = covariance(n, sx, sy, sxy), c = covariance(n, sy, sy, syy);
    double middle = (a + c) / 2, radius = hypot((a - c) / 2, b), minor = middle - radius;
    pose->centre_x_px = (double)sx / (double)n;
    pose->centre_y_px = (double)sy / (double)n;
    pose->sigma_major_px = sqrt(middle + radius);
    pose->sigma_minor_px = minor > 0 ? sqrt(minor) : 0;
    double angle = radius > 0 ? atan2(2 * b, a - c) / 2 : 0;
    if (angle < 0)
        angle += M_PI;
    pose->angle_rad = angle < M_PI ? angle : 0;
}

/* Finds the distance from the axis within which 99 % of the border points lie, in steps of 1 / BINS_PER_PX. */
static dp_status find_extent(const uint8_t *visits, size_t height, size_t width, dp_pose *pose, dp_error *err)
{
    double c = cos(pose->angle_rad), s = sin(pose->angle_rad);
    size_t bins = (size_t)(hypot((double)width, (double)height) * BINS_PER_PX) + 2, total = 0;
    size_t *histogram = dp_calloc(bins, sizeof *histogram);
    if (!histogram)
        return dp_fail_memory(err, "the extent of the object", bins * sizeof *histogram);
    FOR_EACH_VISITED(visits, height, width, x, y, count)
    {
        double across = ((double)y - pose->centre_y_px) * c - ((double)x - pose->centre_x_px) * s;
        histogram[(size_t)(fabs(across) * BINS_PER_PX)] += count;
        total += count;
    }
    size_t wanted = total - total / 100, bin = 0;
    for (size_t inside = 0; bin + 1 < bins && (inside += histogram[bin]) < wanted; bin++) {
    }
    pose->extent_minor_px = (double)(bin + 1) / BINS_PER_PX;
    dp_memory_free(histogram);
    return DP_OK;
}

static dp_align_status status_of(const dp_pose *pose, size_t n_touching)
{
    if (pose->n_points < MIN_POINTS)
        return DP_ALIGN_FEW_EDGES;
    if ((double)n_touching > MAX_TOUCHING * (double)pose->n_points)
        return DP_ALIGN_CUT;
    if (pose->sigma_minor_px > MAX_ROUNDNESS * pose->sigma_major_px)
        return DP_ALIGN_ROUND;
    return DP_ALIGN_OK;
}

dp_status dp_pose_find(const dp_picture *picture, const dp_recipe *recipe, dp_pose *pose, dp_error *err)
{
    if (recipe->align == DP_ALIGN_NONE) {
        *pose = (dp_pose){
            .status = DP_ALIGN_OFF, .picture_width_px = picture->width_px, .picture_height_px = picture->height_px};
        return DP_OK;
    }
    if (recipe->align == DP_ALIGN_FEATURES)
        return dp_fail(
            err, DP_E_ARGUMENT,
            "align=features finds the part that a bank has learned: inspect with the bank; align=pca finds an "
            "object by its edges alone");
    uint8_t *edges = NULL;
    dp_status status = dp_edges_find(picture, recipe, &edges, err);
    if (status != DP_OK)
        return status;
    size_t height = picture->height_px, width = picture->width_px;
    uint8_t *visits = dp_malloc(height + 2, width + 2);
    if (!visits) {
        status = dp_fail_memory(err, "following borders", (height + 2) * (width + 2));
        goto done;
    }
    dp_borders borders;
    dp_borders_follow(edges, height, width, RIM_PX, visits, &borders);
    dp_pose found = {.picture_width_px = width, .picture_height_px = height, .n_points = borders.n_points};
    for (size_t i = 0; i < height * width; i++)
        found.n_edge_pixels += edges[i] != 0;
    principal_axes(visits, height, width, &found);
    if (found.n_points) {
        status = find_extent(visits, height, width, &found, err);
        if (status != DP_OK)
            goto done;
    }
    found.status = status_of(&found, borders.n_touching);
    *pose = found;
done:
    dp_memory_free(edges);
    dp_memory_free(visits);
    return status;
}
