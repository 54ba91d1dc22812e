/* SPDX-License-Identifier: Apache-2.0 */
/* region.c - the cells of any picture that lie in a mask drawn by a person.
 *
 * Fixed: the mask covers the picture's pixels, wherever the part is. Object: the mask was drawn on one good picture.
 * The pose of that picture, and the turn or mirror that the bank gave it, carry the mask into the canvas (nearest
 * pixel). The pose of another picture leads from there to that picture's pixels.
 *
 * A cell is inspected if at least half of it is marked, tested at 8x8 points spread evenly over it. */
#include "score/region.h"
#include "geometry/spaces.h"
#include "base/error.h"
#include "score/nearest.h"

#include <math.h>
#include <string.h>

static const size_t points = 8; /* test points along each side of a cell */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Finds a picture by its whole name, or else by its file name if only one picture has it. */
static dp_status find_picture(const dp_bank_pictures *pictures, const char *name, size_t *picture, dp_error *err)
{
    size_t same = 0;
    for (size_t p = 0; p < pictures->n; p++)
        if (!strcmp(pictures->names[p], name)) {
            *picture = p;
            return DP_OK;
        }
    for (size_t p = 0; p < pictures->n; p++)
        if (!strcmp(file_name(pictures->names[p]), file_name(name))) {
            *picture = p;
            same++;
        }
    if (same == 1)
        return DP_OK;
    return dp_fail(err, DP_E_ARGUMENT,
                   "%s: %s of the bank; name the good picture that the region to inspect was drawn on", name,
                   same ? "is the name of several pictures" : "is not one of the good pictures");
}

static uint8_t at(const dp_roi *roi, double x, double y)
{
    x = dp_nearest_element(x);
    y = dp_nearest_element(y);
    if (!(x >= 0 && y >= 0 && x < (double)roi->width && y < (double)roi->height))
        return 0;
    return roi->mask[(size_t)y * roi->width + (size_t)x];
}

/* Finds the good picture that a mask was drawn on, and checks that the part was found in it. */
static dp_status find_drawn_on(const dp_roi *given, const dp_bank_pictures *pictures, size_t *picture, dp_error *err)
{
    dp_status status = find_picture(pictures, given->picture, picture, err);
    if (status)
        return status;
    const dp_pose *pose = &pictures->poses[*picture];
    if (pose->status != DP_ALIGN_OK)
        return dp_fail(err, DP_E_ARGUMENT,
                       "%s: is not aligned, but a region that follows the object needs align=pca or align=features",
                       given->picture);
    if (pose->picture_width_px != given->width || pose->picture_height_px != given->height)
        return dp_fail(err, DP_E_ARGUMENT,
                       "%s: is %zux%zu pixels (width x height), but the picture it was drawn on is %zux%zu",
                       given->path, given->width, given->height, pose->picture_width_px, pose->picture_height_px);
    return DP_OK;
}

dp_status dp_region_make(const dp_roi *given, const dp_recipe *recipe, const dp_bank_pictures *pictures,
                         dp_roi **settled, dp_error *err)
{
    *settled = NULL;
    if (!given)
        return DP_OK;
    /* carried into the canvas by the pose of its picture */
    const bool carried = given->frame == DP_ROI_OBJECT && !given->settled;
    const size_t height = carried ? recipe->canvas_height_px : given->height,
                 width = carried ? recipe->canvas_width_px : given->width;
    size_t p = 0, white = 0;
    dp_status status = carried ? find_drawn_on(given, pictures, &p, err) : DP_OK;
    if (!status)
        status = dp_roi_new(given->frame, carried || given->settled, height, width, carried ? NULL : given->mask,
                            settled, err);
    if (status || !carried)
        return status;
    const dp_affine map = dp_grid_to_picture(&(dp_frame){recipe, &pictures->poses[p], pictures->polarities[p], false,
                                                         height, width}); /* treat each pixel as a cell */
    for (size_t v = 0; v < height; v++)
        for (size_t u = 0; u < width; u++) {
            double x, y;
            dp_affine_apply(&map, (double)u, (double)v, &x, &y);
            white += (*settled)->mask[v * width + u] = at(given, x, y);
        }
    return white ? DP_OK
                 : dp_fail(err, DP_E_ARGUMENT,
                           "%s: its white area does not touch the canvas of the part in %s; draw it on the part",
                           given->path, given->picture);
}

dp_status dp_regions_open(const dp_bank *bank, const dp_roi *narrower, dp_regions *regions, dp_error *err)
{
    *regions = (dp_regions){.own = bank->roi};
    return dp_region_make(narrower, &bank->recipe, &bank->pictures, &regions->narrower, err);
}

void dp_regions_close(dp_regions *regions)
{
    dp_roi_close(&regions->narrower);
}

dp_status dp_region_fits(const dp_roi *roi, size_t height_px, size_t width_px, const char *path, dp_error *err)
{
    if (!roi || roi->frame != DP_ROI_FIXED || (roi->width == width_px && roi->height == height_px))
        return DP_OK;
    return dp_fail(err, DP_E_PICTURE, "%s: is %zux%zu pixels (width x height), but the region to inspect is %zux%zu",
                   path, width_px, height_px, roi->width, roi->height);
}

static dp_status narrow_cells(const dp_roi *roi, const dp_frame *frame, const char *path, uint8_t *cells, dp_error *err)
{
    const dp_pose *pose = frame->pose;
    const size_t rows = frame->rows, cols = frame->cols;
    if (!roi)
        return DP_OK;
    dp_status status = dp_region_fits(roi, pose->picture_height_px, pose->picture_width_px, path, err);
    if (status)
        return status;
    if (roi->frame == DP_ROI_OBJECT && !dp_pose_is_placed(pose))
        return dp_fail(err, DP_E_PICTURE, "%s: the region to inspect follows the part, but no part was found (%s)",
                       path, dp_align_status_name(pose->status));
    dp_affine map = dp_grid_to_picture(frame);
    double wide = (double)roi->width / (double)cols, high = (double)roi->height / (double)rows;
    for (size_t i = 0; i < rows * cols; i++) {
        size_t white = 0;
        for (size_t k = 0; k < points * points && cells[i]; k++) {
            size_t row = i / cols, point_row = k / points;
            double c = (double)(i % cols) + dp_scale_place((double)(k % points), 1 / (double)points);
            double r = (double)row + dp_scale_place((double)point_row, 1 / (double)points), x, y;
            if (roi->frame == DP_ROI_OBJECT) { /* the mask is in the pixels of the canvas */
                x = dp_scale_place(c, wide);
                y = dp_scale_place(r, high);
            } else {
                dp_affine_apply(&map, c, r, &x, &y);
            }
            white += at(roi, x, y);
        }
        cells[i] = cells[i] && 2 * white >= points * points;
    }
    return DP_OK;
}

dp_status dp_regions_cells(const dp_regions *regions, const dp_frame *frame, const char *path, uint8_t *cells,
                           dp_error *err)
{
    dp_status status = narrow_cells(regions->own, frame, path, cells, err);
    return status ? status : narrow_cells(regions->narrower, frame, path, cells, err);
}

void dp_regions_pixels(const dp_regions *regions, const dp_recipe *recipe, const dp_pose *pose, int polarity,
                       uint8_t *pixels)
{
    for (int k = 0; k < 2; k++) {
        const dp_roi *roi = k ? regions->narrower : regions->own;
        if (!roi)
            continue;
        dp_affine back = {.xu = 1, .yv = 1};
        if (roi->frame == DP_ROI_OBJECT) {
            dp_affine map = dp_grid_to_picture(&(dp_frame){recipe, pose, polarity, false, roi->height, roi->width});
            back = dp_affine_invert(&map);
        }
        for (size_t y = 0; y < pose->picture_height_px; y++)
            for (size_t x = 0; x < pose->picture_width_px; x++) {
                double u, v;
                dp_affine_apply(&back, (double)x, (double)y, &u, &v);
                if (!at(roi, u, v))
                    pixels[y * pose->picture_width_px + x] = 0;
            }
    }
}
