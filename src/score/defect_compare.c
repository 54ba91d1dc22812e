/* SPDX-License-Identifier: Apache-2.0 */
/* defect_compare.c - shows the patch of a defect beside the patch of the good pictures that it was compared with.
 *
 * Both are shown in the pose of the bank, so that their surroundings can be compared too: aligned, and turned or
 * mirrored by the polarity. If the bank holds the good picture mirrored or turned, that version is shown. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "options/recipe_facts.h"
#include "score/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAME_PX 1e-3 /* on any machine, positions and spreads of one picture differ by less */

/* Returns whether a picture is no longer the one that the bank learned from: its size, or the pose of an aligned
 * picture, has changed. */
static bool has_changed(const dp_bank *bank, size_t picture, const dp_picture *now, char *why, size_t room)
{
    const dp_pose *then = &bank->pictures.poses[picture];
    dp_pose found;
    if (now->width_px != then->picture_width_px || now->height_px != then->picture_height_px) {
        snprintf(why, room,
                 "the picture has changed since the bank was made: it has %zux%zu pixels now, and had %zux%zu",
                 now->width_px, now->height_px, then->picture_width_px, then->picture_height_px);
        return true;
    }
    if (then->status != DP_ALIGN_OK || bank->recipe.align != DP_ALIGN_PCA
        || dp_pose_find(now, &bank->recipe, &found, NULL))
        return false;
    if (found.status == DP_ALIGN_OK && fabs(found.centre_x_px - then->centre_x_px) < SAME_PX
        && fabs(found.centre_y_px - then->centre_y_px) < SAME_PX
        && fabs(found.sigma_major_px - then->sigma_major_px) < SAME_PX)
        return false;
    snprintf(why, room, "the picture has changed since the bank was made: the part lies elsewhere");
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* What the caller sees, with the memory of its texts and of its turned picture. */
struct comparison {
    dp_comparison shown; /* the first */
    char title[96], where[96], whose[160], why[256];
    dp_picture *turned;
};

void dp_comparison_free(dp_comparison **comparison)
{
    if (!comparison || !*comparison)
        return;
    struct comparison *c = (struct comparison *)*comparison;
    dp_picture_free(&c->turned);
    dp_memory_free(c);
    *comparison = NULL;
}

/* Fills the good side, if the bank records which patch it is: of the picture itself, of its mirror image, or of one of
 * its rotations. */
static dp_status show_good(const dp_bank *bank, const dp_defect *d, const dp_picture *nearest, struct comparison *c,
                           dp_error *err)
{
    const dp_recipe *recipe = &bank->recipe;
    dp_patch_view *good = &c->shown.good;
    dp_status status = DP_OK;
    double x, y;
    const bool mirrored = dp_version_is_mirrored(recipe, d->nearest_version),
               brighter = recipe->brightness > 0 && d->nearest_version == dp_version_brightness(recipe);
    const double degrees = 360.0 * dp_version_turn(recipe, d->nearest_version);
    if (nearest && has_changed(bank, d->nearest_picture, nearest, c->why, sizeof c->why)) {
        nearest = NULL;
        good->missing = c->why;
    }
    if (nearest && degrees > 0)
        status = dp_picture_rotate(nearest, degrees, &c->turned, err);
    dp_rows_picture_grid(&bank->rows, d->nearest_picture, &good->rows, &good->cols);
    good->picture = c->turned ? c->turned : nearest;
    good->row = d->nearest_cell / good->cols;
    good->col = d->nearest_cell % good->cols;
    const dp_recipe known = dp_bank_recipe_for(bank, good->rows, good->cols);
    good->cells_to_picture = dp_grid_to_picture(&(dp_frame){&known, &bank->pictures.poses[d->nearest_picture],
                                                            bank->pictures.polarities[d->nearest_picture], mirrored,
                                                            good->rows, good->cols});
    dp_affine_apply(&good->cells_to_picture, (double)good->col, (double)good->row, &x, &y);
    if (degrees > 0)
        snprintf(c->whose, sizeof c->whose, "nearest good patch, turned by %.0f\xC2\xB0", degrees);
    else
        snprintf(c->whose, sizeof c->whose, "nearest good patch, at (%.0f, %.0f)%s", x, y,
                 mirrored   ? ", mirrored"
                 : brighter ? ", in another brightness"
                            : "");
    return status;
}

dp_status dp_defect_compare(const dp_bank *bank, const dp_picture *picture, const dp_result *result, size_t defect,
                            const dp_picture *nearest, const char *missing, dp_comparison **comparison, dp_error *err)
{
    if (defect >= result->n_defects)
        return dp_fail(err, DP_E_ARGUMENT, "defect %zu of %zu", defect + 1, result->n_defects);
    if (picture->width_px != result->width_px || picture->height_px != result->height_px)
        return dp_fail(err, DP_E_ARGUMENT, "a result of %zux%zu pixels cannot belong to a picture of %zux%zu",
                       result->width_px, result->height_px, picture->width_px, picture->height_px);
    struct comparison *c = dp_calloc(1, sizeof *c);
    if (!c)
        return dp_fail_memory(err, "a comparison", sizeof *c);
    const dp_defect *d = &result->defects[defect];
    const dp_recipe seen = dp_bank_recipe_for(bank, result->grid_rows, result->grid_cols);
    dp_patch_view *bad = &c->shown.defect, *good = &c->shown.good;
    double x, y;
    *bad = (dp_patch_view){.picture = picture,
                           .cells_to_picture = dp_grid_to_picture(&(dp_frame){
                               &seen, &result->pose, result->polarity, false, result->grid_rows, result->grid_cols}),
                           .row = d->peak_cell / result->grid_cols,
                           .col = d->peak_cell % result->grid_cols,
                           .rows = result->grid_rows,
                           .cols = result->grid_cols,
                           .title = c->title,
                           .words = c->where};
    dp_affine_apply(&bad->cells_to_picture, (double)bad->col, (double)bad->row, &x, &y);
    snprintf(c->title, sizeof c->title, "defect %zu at (%.0f, %.0f)", defect + 1, x, y);
    if (isnan(result->cell_threshold))
        snprintf(c->where, sizeof c->where, "distance %.4g", d->peak);
    else
        snprintf(c->where, sizeof c->where, "distance %.4g, cell threshold %.4g", d->peak, result->cell_threshold);

    dp_status status = DP_OK;
    *good = (dp_patch_view){.title = "nearest good patch", .words = c->whose, .missing = missing};
    if (d->nearest_picture >= bank->pictures.n) {
        good->missing = "no single good picture: the bank holds means of several pictures";
    } else {
        good->title = base_name(bank->pictures.names[d->nearest_picture]);
        if (d->nearest_cell == SIZE_MAX)
            good->missing = "the bank does not record which of its patches it is";
        else
            status = show_good(bank, d, nearest, c, err);
    }
    dp_comparison *made = &c->shown;
    if (status)
        dp_comparison_free(&made);
    else
        *comparison = made;
    return status;
}
