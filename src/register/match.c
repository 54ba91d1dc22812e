/* SPDX-License-Identifier: Apache-2.0 */
/* match.c - the pose of the part of a reference in one picture.
 *
 * Coarse: the whole picture upright, in ZOOMS, is correlated with the reference in all its angles.  Of the angles the best TRIED that are
 * no neighbours are refined; the one with the best score is the pose.  So a part that looks nearly the same turned by 180 degrees is told
 * by the fine look. */
#include "register/basis.h"
#include "register/correlate.h"
#include "register/match.h"
#include "register/refine.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define TRIED 3
#define CLOSE 0.1       /* coarse scores that differ by more leave no doubt */
#define STEPS 3         /* of refinement, at most */
#define DONE_PX 0.1     /* no further step below it */
#define LONGEST_PX 12.0 /* of one step */
static const double zooms[] = {1 / 1.2, 1, 1.2};

/* The whole picture on a canvas of whole cells. */
static dp_look look_at_whole(const dp_small *small, double unit)
{
    const double cell_px = 2 * DP_LOOK_CELL_PX * unit * small->unit_px;
    return (dp_look){2 * (size_t)fmax(ceil((double)small->picture->height_px / cell_px - 0.01), 1),
                     2 * (size_t)fmax(ceil((double)small->picture->width_px / cell_px - 0.01), 1), unit};
}

/* A guess for each angle, in one zoom; better [n_angles] are replaced where it fits better. */
static dp_status guess(dp_finder *finder, const dp_basis *basis, const dp_templates *templates, const dp_small *small,
                       double zoom, dp_match *better, dp_error *err)
{
    const dp_look look = look_at_whole(small, zoom * DP_COARSE_UNIT);
    const dp_placement middle = {((double)small->picture->width_px - 1) / 2,
                                 ((double)small->picture->height_px - 1) / 2, 0, small->unit_px};
    const size_t cells = dp_look_cells(&look);
    float *grid = dp_malloc_2d(cells, basis->dim, sizeof *grid);
    uint8_t *valid = dp_malloc(cells, 1);
    dp_fit_place *best = dp_malloc(templates->n, sizeof *best);
    dp_status status = grid && valid && best ? dp_finder_see(finder, small->picture, &middle, &look, valid, err)
                                             : dp_fail_memory(err, "a look at a picture", cells * basis->dim);
    if (!status)
        status = dp_basis_apply(basis, finder->features, cells, dp_finder_pool(finder), grid, err);
    for (size_t i = 0; i < cells && !status; i++)
        if (!valid[i])
            memset(grid + i * basis->dim, 0, basis->dim * sizeof *grid);
    if (!status)
        status = dp_correlate(templates, grid, look.rows, look.cols, dp_finder_pool(finder), best, err);
    for (size_t k = 0; k < templates->n && !status; k++) {
        if (best[k].score <= better[k].score)
            continue;
        const double px = look.unit * small->unit_px * DP_LOOK_CELL_PX;
        better[k] = (dp_match){.at = {middle.x_px + px * (best[k].col - ((double)look.cols - 1) / 2),
                                      middle.y_px + px * (best[k].row - ((double)look.rows - 1) / 2),
                                      2 * M_PI * (double)k / (double)templates->n, zoom * small->unit_px},
                               .score = best[k].score};
    }
    dp_memory_free(grid);
    dp_memory_free(valid);
    dp_memory_free(best);
    return status;
}

dp_status dp_coarse_guess(dp_finder *finder, const dp_basis *basis, const dp_templates *templates,
                          const dp_small *small, bool one_zoom, dp_match *guesses, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t k = 0; k < templates->n; k++)
        guesses[k] = (dp_match){.score = -INFINITY};
    for (size_t z = 0; z < sizeof zooms / sizeof *zooms && !status; z++)
        if (!one_zoom || zooms[z] == 1)
            status = guess(finder, basis, templates, small, zooms[z], guesses, err);
    return status;
}

dp_status dp_refine(dp_finder *finder, const dp_reference *reference, const dp_small *small, size_t steps,
                    dp_match *match, dp_error *err)
{
    const size_t cells = dp_look_cells(&reference->look), dim = reference->basis.dim;
    float *features = dp_malloc_2d(cells, dim, sizeof *features);
    uint8_t *valid = dp_malloc(cells, 1);
    dp_placement at = match->at;
    dp_match best = {.score = -INFINITY};
    dp_status status = features && valid ? DP_OK : dp_fail_memory(err, "a look at a picture", cells * dim);
    for (size_t step = 0; step <= steps && !status; step++) {
        dp_motion motion;
        double longest = 0;
        status = dp_finder_see(finder, small->picture, &at, &reference->look, valid, err);
        if (!status)
            status = dp_basis_apply(&reference->basis, finder->features, cells, dp_finder_pool(finder), features, err);
        if (status)
            break;
        const double score = dp_look_score(reference, reference->mean, features, valid);
        if (score > best.score)
            best = (dp_match){.at = at, .score = score};
        if (!dp_look_motion(reference, features, valid, &motion))
            break;
        for (size_t k = 0; k < DP_SLOPES; k++)
            longest = fmax(longest, fabs(motion.by[k]));
        if (longest < DONE_PX)
            break;
        for (size_t k = 0; k < DP_SLOPES; k++)
            motion.by[k] *= fmin(1, LONGEST_PX / longest);
        at = dp_placement_unmove(&at, &reference->look, &motion);
        if (!(fabs(at.x_px) < 2 * (double)small->picture->width_px
              && fabs(at.y_px) < 2 * (double)small->picture->height_px && at.scale_px > small->unit_px / 3
              && at.scale_px < 3 * small->unit_px))
            break; /* far from the picture */
    }
    if (!status)
        *match = best;
    dp_memory_free(features);
    dp_memory_free(valid);
    return status;
}

/* Whether angle k is one of `taken` [n] or beside it. */
static bool near_one(const size_t *taken, size_t n, size_t k, size_t n_angles)
{
    for (size_t i = 0; i < n; i++) {
        size_t apart = k > taken[i] ? k - taken[i] : taken[i] - k;
        if (apart <= 1 || apart + 1 >= n_angles)
            return true;
    }
    return false;
}

dp_status dp_reference_match_small(dp_finder *finder, const dp_reference *reference, const dp_small *small,
                                   dp_match *match, dp_error *err)
{
    const size_t n = reference->n_angles;
    const dp_templates templates = {n, reference->side, reference->basis.dim, reference->turned,
                                    reference->turned_weight};
    dp_match *guesses = dp_malloc(n, sizeof *guesses), found[TRIED], best = {.score = -INFINITY};
    size_t taken[TRIED], tried = 0;
    double first = 0, second = -1; /* of the coarse scores: the best, and how far the next is below it */
    dp_status status = guesses ? dp_coarse_guess(finder, &reference->basis, &templates, small, false, guesses, err)
                               : dp_fail_memory(err, "the angles", n * sizeof *guesses);
    while (tried < TRIED && !status) {
        size_t next = n;
        for (size_t k = 0; k < n; k++)
            if (!near_one(taken, tried, k, n) && (next == n || guesses[k].score > guesses[next].score))
                next = k;
        if (next == n)
            break;
        second = tried == 1 ? guesses[next].score - first : second;
        if (tried && guesses[next].score < first - CLOSE)
            break;
        if (!tried)
            first = guesses[next].score;
        found[tried] = guesses[next];
        taken[tried] = next;
        status = dp_refine(finder, reference, small, 1, &found[tried++], err);
    }
    for (size_t i = 0; i < tried; i++)
        if (found[i].score > best.score)
            best = found[i];
    double margin = -second;
    for (size_t i = 0; i < tried; i++)
        if (fabs(remainder(found[i].at.angle_rad - best.at.angle_rad, 2 * M_PI)) > M_PI / 8)
            margin = fmin(margin, best.score - found[i].score);
    if (!status)
        status = dp_refine(finder, reference, small, STEPS, &best, err);
    best.margin = margin;
    if (!status)
        *match = best;
    dp_memory_free(guesses);
    return status;
}

dp_status dp_reference_match(dp_finder *finder, const dp_reference *reference, const dp_picture *picture,
                             dp_match *match, dp_error *err)
{
    dp_small small;
    dp_match found;
    dp_status status = dp_small_make(picture, &small, err);
    if (status)
        return status;
    status = dp_reference_match_small(finder, reference, &small, &found, err);
    const double f = (double)small.f;
    dp_small_free(&small);
    if (status)
        return status;
    found.at.x_px = f * found.at.x_px + (f - 1) / 2;
    found.at.y_px = f * found.at.y_px + (f - 1) / 2;
    found.at.scale_px *= f;
    *match = found;
    return DP_OK;
}

dp_status dp_reference_pose(dp_finder *finder, const dp_reference *reference, const dp_picture *picture, dp_pose *pose,
                            dp_error *err)
{
    dp_match match;
    dp_status status = dp_reference_match(finder, reference, picture, &match, err);
    if (status)
        return status;
    *pose = (dp_pose){.status = match.score < reference->least_score ? DP_ALIGN_UNLIKE : DP_ALIGN_OK,
                      .centre_x_px = match.at.x_px,
                      .centre_y_px = match.at.y_px,
                      .angle_rad = match.at.angle_rad,
                      .sigma_major_px = match.at.scale_px * reference->width / (2 * sqrt(3.0)),
                      .sigma_minor_px = match.at.scale_px * reference->height / (2 * sqrt(3.0)),
                      .extent_minor_px = match.at.scale_px * reference->height / 2,
                      .picture_width_px = picture->width_px,
                      .picture_height_px = picture->height_px,
                      .score = match.score,
                      .margin = reference->round ? 0 : match.margin};
    return DP_OK;
}
