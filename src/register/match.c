/* SPDX-License-Identifier: Apache-2.0 */
/* match.c - the pose of the part of a reference in one picture.
 *
 * Coarse: the whole picture upright is correlated with the reference in all its angles.  Of the angles the best TRIED that are no neighbours
 * are refined; the one with the best score is the pose.  So a part that looks nearly the same turned by 180 degrees is told by the fine
 * look.  Where this leaves a doubt, all is done again with the picture in the other zooms too. */
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
#define DOUBT 0.05      /* nor do fine ones */
#define STEPS 3         /* of the best angle, at most, after the first two */
#define DONE_PX 0.5     /* a motion as small is taken, and not looked at again */
#define LONGEST_PX 12.0 /* of one step */

const double dp_zooms[DP_ZOOMS] = {1, 1 / 1.2, 1.2};

/* The whole picture on a canvas of whole cells. */
static dp_look look_at_whole(const dp_small *small, double unit)
{
    const double cell_px = 2 * DP_LOOK_CELL_PX * unit * small->unit_px;
    return (dp_look){2 * (size_t)fmax(ceil((double)small->picture->height_px / cell_px - 0.01), 1),
                     2 * (size_t)fmax(ceil((double)small->picture->width_px / cell_px - 0.01), 1), unit};
}

static dp_placement middle_of_picture(const dp_small *small)
{
    return (dp_placement){((double)small->picture->width_px - 1) / 2, ((double)small->picture->height_px - 1) / 2, 0,
                          small->unit_px};
}

dp_status dp_coarse_look(dp_finder *finder, const dp_basis *basis, const dp_small *small, double zoom,
                         dp_coarse *coarse, dp_error *err)
{
    const dp_look look = look_at_whole(small, zoom * DP_COARSE_UNIT);
    const dp_placement middle = middle_of_picture(small);
    const size_t cells = dp_look_cells(&look);
    float *grid = dp_malloc_2d(cells, basis->dim, sizeof *grid);
    uint8_t *valid = dp_malloc(cells, 1);
    dp_status status = grid && valid ? dp_finder_see(finder, small->picture, &middle, &look, valid, err)
                                     : dp_fail_memory(err, "a look at a picture", cells * basis->dim);
    if (!status)
        status = dp_basis_apply(basis, finder->features, cells, dp_finder_pool(finder), grid, err);
    for (size_t i = 0; i < cells && !status; i++)
        if (!valid[i])
            memset(grid + i * basis->dim, 0, basis->dim * sizeof *grid);
    dp_memory_free(valid);
    if (status)
        dp_memory_free(grid);
    else
        *coarse = (dp_coarse){look, middle, zoom, grid};
    return status;
}

void dp_coarse_free(dp_coarse *coarse)
{
    dp_memory_free(coarse->grid);
    *coarse = (dp_coarse){0};
}

dp_status dp_coarse_guess(dp_finder *finder, const dp_templates *templates, const dp_coarse *coarse, dp_match *guesses,
                          dp_error *err)
{
    const dp_placement *middle = &coarse->middle;
    const dp_look *look = &coarse->look;
    const double px = look->unit * middle->scale_px * DP_LOOK_CELL_PX;
    dp_fit_place *best = dp_malloc(templates->n, sizeof *best);
    dp_status status =
        best ? dp_correlate(templates, coarse->grid, look->rows, look->cols, dp_finder_pool(finder), best, err)
             : dp_fail_memory(err, "the angles", templates->n * sizeof *best);
    for (size_t k = 0; k < templates->n && !status; k++)
        if (best[k].score > guesses[k].score)
            guesses[k] =
                (dp_match){.at = {middle->x_px + px * (best[k].col - ((double)look->cols - 1) / 2),
                                  middle->y_px + px * (best[k].row - ((double)look->rows - 1) / 2),
                                  2 * M_PI * (double)k / (double)templates->n, coarse->zoom * middle->scale_px},
                           .score = best[k].score};
    dp_memory_free(best);
    return status;
}

/* A part on its way to its place. */
struct path {
    dp_match best;     /* of what was seen */
    dp_placement next; /* to be seen */
    bool done;
};

struct refining {
    dp_finder *finder;
    const dp_reference *reference;
    const dp_small *small;
    float *features; /* [cells, dim] */
    uint8_t *valid;  /* [cells] */
};

static dp_status refining_open(struct refining *r, dp_error *err)
{
    const size_t cells = dp_look_cells(&r->reference->look), dim = r->reference->basis.dim;
    r->features = dp_malloc_2d(cells, dim, sizeof *r->features);
    r->valid = dp_malloc(cells, 1);
    return r->features && r->valid ? DP_OK : dp_fail_memory(err, "a look at a picture", cells * dim);
}

static void refining_close(struct refining *r)
{
    dp_memory_free(r->features);
    dp_memory_free(r->valid);
}

/* Looks at the next place, and finds the one after it. */
static dp_status step(struct refining *r, struct path *path, dp_error *err)
{
    const dp_reference *reference = r->reference;
    const dp_small *small = r->small;
    const dp_placement at = path->next;
    dp_motion motion;
    double longest = 0;
    if (path->done)
        return DP_OK;
    dp_status status = dp_finder_see(r->finder, small->picture, &at, &reference->look, r->valid, err);
    if (!status)
        status = dp_basis_apply(&reference->basis, r->finder->features, dp_look_cells(&reference->look),
                                dp_finder_pool(r->finder), r->features, err);
    if (status)
        return status;
    const double score = dp_look_score(reference, reference->mean, r->features, r->valid);
    const bool better = score > path->best.score;
    if (better)
        path->best = (dp_match){.at = at, .score = score};
    path->done = !dp_look_motion(reference, r->features, r->valid, &motion);
    if (path->done)
        return DP_OK;
    for (size_t k = 0; k < DP_SLOPES; k++)
        longest = fmax(longest, fabs(motion.by[k]));
    for (size_t k = 0; k < DP_SLOPES && longest > LONGEST_PX; k++)
        motion.by[k] *= LONGEST_PX / longest;
    path->next = dp_placement_unmove(&at, &reference->look, &motion);
    path->done = longest < DONE_PX
                 || !(fabs(path->next.x_px) < 2 * (double)small->picture->width_px
                      && fabs(path->next.y_px) < 2 * (double)small->picture->height_px
                      && path->next.scale_px > small->unit_px / 3 && path->next.scale_px < 3 * small->unit_px);
    if (better && longest < DONE_PX)
        path->best.at = path->next;
    return DP_OK;
}

dp_status dp_refine(dp_finder *finder, const dp_reference *reference, const dp_small *small, size_t steps,
                    dp_match *match, dp_error *err)
{
    struct refining r = {finder, reference, small, NULL, NULL};
    struct path path = {{match->at, -1, 0, NULL}, match->at, false};
    dp_status status = refining_open(&r, err);
    for (size_t i = 0; i <= steps && !status; i++)
        status = step(&r, &path, err);
    if (!status)
        *match = path.best;
    refining_close(&r);
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

/* Nearer to good pictures than to something else. */
static bool is_near(const dp_reference *reference, double score)
{
    return score > (reference->good_score + reference->least_score) / 2;
}

/* Follows the best angles of guesses [n], two steps each: the best path, and the margin of its score. */
static dp_status try_angles(struct refining *r, const dp_match *guesses, size_t n, struct path *best, dp_error *err)
{
    struct path paths[TRIED];
    size_t taken[TRIED], tried = 0;
    double first = 0, margin = 1; /* of the coarse scores */
    dp_status status = DP_OK;
    *best = (struct path){{guesses[0].at, -1, 0, NULL}, guesses[0].at, true};
    while (tried < TRIED && !status) {
        size_t next = n;
        for (size_t k = 0; k < n; k++)
            if (!near_one(taken, tried, k, n) && (next == n || guesses[k].score > guesses[next].score))
                next = k;
        if (next == n)
            break;
        margin = tried == 1 ? first - guesses[next].score : margin;
        if (tried && guesses[next].score < first - CLOSE)
            break;
        first = tried ? first : guesses[next].score;
        struct path *path = &paths[tried];
        *path = (struct path){{guesses[next].at, -1, 0, NULL}, guesses[next].at, false};
        taken[tried++] = next;
        status = step(r, path, err);
        if (!status && path->best.score > best->best.score - CLOSE)
            status = step(r, path, err);
        if (path->best.score > best->best.score)
            *best = *path;
    }
    for (size_t i = 0; i < tried; i++)
        if (fabs(remainder(paths[i].best.at.angle_rad - best->best.at.angle_rad, 2 * M_PI)) > M_PI / 8)
            margin = fmin(margin, best->best.score - paths[i].best.score);
    best->best.margin = margin;
    return status;
}

dp_status dp_kind_match(dp_finder *finder, const dp_reference *reference, const dp_small *small, dp_match *match,
                        dp_error *err)
{
    const size_t n = reference->n_angles;
    const dp_templates templates = {n, reference->side, reference->basis.dim, reference->turned,
                                    reference->turned_weight};
    struct refining r = {finder, reference, small, NULL, NULL};
    struct path best = {.done = true};
    dp_match *guesses = dp_malloc(n, sizeof *guesses);
    dp_status status = refining_open(&r, err);
    if (!status && !guesses)
        status = dp_fail_memory(err, "the angles", n * sizeof *guesses);
    if (!status && reference->basis.dim_in != dp_finder_dim(finder))
        status = dp_fail(err, DP_E_FORMAT,
                         "the bank's part was learned from %zu numbers to a cell, but the network gives %zu; fit the "
                         "bank again",
                         reference->basis.dim_in, dp_finder_dim(finder));
    for (size_t k = 0; k < n && !status; k++)
        guesses[k] = (dp_match){middle_of_picture(small), -INFINITY, 0, NULL};
    for (size_t z = 0; z < DP_ZOOMS && !status; z++) {
        dp_coarse coarse = {0};
        status = dp_coarse_look(finder, &reference->basis, small, dp_zooms[z], &coarse, err);
        if (!status)
            status = dp_coarse_guess(finder, &templates, &coarse, guesses, err);
        dp_coarse_free(&coarse);
        if (status || (z && z + 1 < DP_ZOOMS))
            continue; /* the other zooms one after the other */
        status = try_angles(&r, guesses, n, &best, err);
        if (is_near(reference, best.best.score) && best.best.margin > DOUBT)
            break;
    }
    for (size_t i = 0; i < STEPS && !status; i++) {
        const double margin = best.best.margin;
        status = step(&r, &best, err);
        best.best.margin = margin;
    }
    if (!status)
        *match = best.best;
    refining_close(&r);
    dp_memory_free(guesses);
    return status;
}

dp_status dp_reference_match_small(dp_finder *finder, const dp_reference *reference, const dp_small *small,
                                   dp_match *match, dp_error *err)
{
    dp_match best = {.score = -INFINITY};
    dp_status status = DP_OK;
    for (const dp_reference *kind = reference; kind && !status; kind = kind->next) {
        dp_match found;
        status = dp_kind_match(finder, kind, small, &found, err);
        found.kind = kind;
        if (!status && found.score > best.score)
            best = found;
        if (!status && is_near(kind, found.score))
            break;
    }
    if (!status)
        *match = best;
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
    *pose = (dp_pose){.status = match.score < match.kind->least_score ? DP_ALIGN_UNLIKE : DP_ALIGN_OK,
                      .centre_x_px = match.at.x_px,
                      .centre_y_px = match.at.y_px,
                      .angle_rad = match.at.angle_rad,
                      .sigma_major_px = match.at.scale_px * match.kind->width / (2 * sqrt(3.0)),
                      .sigma_minor_px = match.at.scale_px * match.kind->height / (2 * sqrt(3.0)),
                      .extent_minor_px = match.at.scale_px * match.kind->height / 2,
                      .picture_width_px = picture->width_px,
                      .picture_height_px = picture->height_px,
                      .score = match.score,
                      .margin = match.kind->round ? 0 : match.margin};
    return DP_OK;
}
