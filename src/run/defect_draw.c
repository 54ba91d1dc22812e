/* defect_draw.c - a defect's patch beside the patch of the good pictures that it was compared with.
 *
 * Both are shown in the pose of the bank, so that what lies around them can be compared as well: aligned, turned or mirrored by the
 * polarity, and of a nominal picture that entered mirrored or turned, in that version. */
#include "base/error.h"
#include "bank/bank.h"
#include "map/patches.h"
#include "picture/picture.h"
#include "run/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAME_PX 1e-3 /* positions and spreads of the same picture differ by no more, on whatever machine they were found */

/* Whether a picture is not the one that the bank learned from, as far as the bank can tell: its size, and where it was aligned, its pose. */
static bool has_changed(const dp_bank *bank, size_t picture, const dp_picture *now, char *why, size_t room)
{
    const dp_pose *then = &bank->poses[picture];
    dp_pose found;
    if (now->width_px != then->picture_width_px || now->height_px != then->picture_height_px) {
        snprintf(why, room, "the picture has changed since the bank was made: it has %zux%zu pixels now, it had %zux%zu", now->width_px,
                 now->height_px, then->picture_width_px, then->picture_height_px);
        return true;
    }
    if (then->status != DP_ALIGN_OK || dp_pose_find(now, &bank->recipe, &found, NULL))
        return false;
    if (found.status == DP_ALIGN_OK && fabs(found.centre_x_px - then->centre_x_px) < SAME_PX
        && fabs(found.centre_y_px - then->centre_y_px) < SAME_PX && fabs(found.sigma_major_px - then->sigma_major_px) < SAME_PX)
        return false;
    snprintf(why, room, "the picture has changed since the bank was made: its object lies elsewhere");
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

dp_status dp_defect_draw(const dp_bank *bank, const dp_picture *picture, const dp_result *result, size_t defect,
                         const dp_picture *nearest, const char *missing, int captions, dp_picture **drawn, dp_error *err)
{
    if (defect >= result->n_defects)
        return dp_fail(err, DP_E_ARGUMENT, "defect %zu of %zu", defect + 1, result->n_defects);
    if (picture->width_px != result->width_px || picture->height_px != result->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "a result of %zux%zu pixels does not belong to a picture of %zux%zu", result->width_px,
                       result->height_px, picture->width_px, picture->height_px);
    const dp_recipe *recipe = &bank->recipe;
    const dp_defect *d = &result->defects[defect];
    const dp_recipe seen = dp_bank_recipe_for(bank, result->grid_rows, result->grid_cols);
    char title[96], where[96], whose[160] = "", why[256];
    double x, y;
    dp_patch_view views[2] = {{.picture = picture,
                               .cells_to_picture = dp_grid_transform(&seen, &result->pose, result->polarity, false, result->grid_rows,
                                                                     result->grid_cols),
                               .row = d->peak_cell / result->grid_cols,
                               .col = d->peak_cell % result->grid_cols,
                               .rows = result->grid_rows,
                               .cols = result->grid_cols,
                               .title = title,
                               .words = where}};
    dp_affine_apply(&views[0].cells_to_picture, (double)views[0].col, (double)views[0].row, &x, &y);
    snprintf(title, sizeof title, "defect %zu at (%.0f, %.0f)", defect + 1, x, y);
    if (isnan(result->cell_threshold))
        snprintf(where, sizeof where, "distance %.4g", d->peak);
    else
        snprintf(where, sizeof where, "distance %.4g, cell threshold %.4g", d->peak, result->cell_threshold);

    dp_patch_view *good = &views[1];
    dp_picture *turned = NULL;
    dp_status status = DP_OK;
    *good = (dp_patch_view){.title = "nearest good patch", .words = whose, .missing = missing};
    if (d->nearest_picture >= bank->n_pictures) {
        good->missing = "no single good picture: the bank holds means of several";
    } else if (d->nearest_cell == SIZE_MAX) {
        good->title = base_name(bank->names[d->nearest_picture]);
        good->missing = "the bank does not tell which of its patches it is";
    } else {
        size_t mirrors = recipe->mirror ? 1 : 0;
        bool mirrored = d->nearest_version == 1 && mirrors;
        double degrees = d->nearest_version > mirrors ? 360.0 * (double)(d->nearest_version - mirrors) / (double)recipe->rotations : 0;
        good->title = base_name(bank->names[d->nearest_picture]);
        if (nearest && has_changed(bank, d->nearest_picture, nearest, why, sizeof why)) {
            nearest = NULL;
            good->missing = why;
        }
        if (nearest && degrees > 0)
            status = dp_picture_rotate(nearest, degrees, &turned, err);
        dp_bank_picture_grid(bank, d->nearest_picture, &good->rows, &good->cols);
        good->picture = turned ? turned : nearest;
        good->row = d->nearest_cell / good->cols;
        good->col = d->nearest_cell % good->cols;
        const dp_recipe known = dp_bank_recipe_for(bank, good->rows, good->cols);
        good->cells_to_picture = dp_grid_transform(&known, &bank->poses[d->nearest_picture], bank->polarities[d->nearest_picture],
                                                   mirrored, good->rows, good->cols);
        dp_affine_apply(&good->cells_to_picture, (double)good->col, (double)good->row, &x, &y);
        if (degrees > 0)
            snprintf(whose, sizeof whose, "nearest good patch, turned by %.0f\xC2\xB0", degrees);
        else
            snprintf(whose, sizeof whose, "nearest good patch, at (%.0f, %.0f)%s", x, y, mirrored ? ", mirrored" : "");
    }
    if (!status)
        status = dp_patches_draw(views, captions, drawn, err);
    dp_picture_free(&turned);
    return status;
}
