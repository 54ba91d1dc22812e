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

/* Pictures of one size. */
static dp_status coarse_looks(dp_finder *finder, const dp_basis *basis, const dp_small *const *smalls, size_t n,
                              double zoom, dp_coarse *coarse, dp_error *err)
{
    const dp_look look = look_at_whole(smalls[0], zoom * DP_COARSE_UNIT);
    const size_t cells = dp_look_cells(&look), dim = basis->dim;
    float *all = dp_calloc_2d(n * cells /* checked: few */, dim, sizeof *all);
    uint8_t *valid = dp_malloc_2d(n, cells, 1);
    dp_placed *views = dp_malloc(n, sizeof *views);
    dp_status status = all && valid && views ? DP_OK : dp_fail_memory(err, "a look at pictures", n * cells * dim);
    for (size_t i = 0; i < n && !status; i++) {
        views[i] = (dp_placed){smalls[i]->picture, middle_of_picture(smalls[i])};
        coarse[i] = (dp_coarse){look, views[i].at, zoom, dp_malloc_2d(cells, dim, sizeof *all)};
        if (!coarse[i].grid)
            status = dp_fail_memory(err, "a look at a picture", cells * dim * sizeof *all);
    }
    if (!status)
        status = dp_finder_look(finder, basis, views, n, &look, all, valid, err);
    for (size_t i = 0; i < n * cells && !status; i++)
        if (!valid[i])
            memset(all + i * dim, 0, dim * sizeof *all);
    for (size_t i = 0; i < n && !status; i++)
        memcpy(coarse[i].grid, all + i * cells * dim, cells * dim * sizeof *all);
    dp_memory_free(views);
    dp_memory_free(valid);
    dp_memory_free(all);
    return status;
}

static bool same_size(const dp_small *a, const dp_small *b)
{
    return a->picture->width_px == b->picture->width_px && a->picture->height_px == b->picture->height_px;
}

dp_status dp_coarse_look(dp_finder *finder, const dp_basis *basis, const dp_small *const *smalls, size_t n, double zoom,
                         dp_coarse *coarse, dp_error *err)
{
    dp_status status = DP_OK;
    memset(coarse, 0, n * sizeof *coarse);
    for (size_t first = 0, end = 0; first < n && !status; first = end) {
        while (end < n && same_size(smalls[first], smalls[end]))
            end++;
        status = coarse_looks(finder, basis, smalls + first, end - first, zoom, coarse + first, err);
    }
    for (size_t i = 0; i < n && status; i++)
        dp_coarse_free(&coarse[i]);
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
    const dp_small *small;
    dp_match best;     /* of what was seen */
    dp_placement next; /* to be seen */
    bool done;
};

static struct path path_from(const dp_small *small, const dp_placement *at)
{
    return (struct path){small, {*at, -1, 0, NULL}, *at, false};
}

/* What the path's next place shows gives the one after it. */
static void advance(const dp_reference *reference, const float *features, const uint8_t *valid, struct path *path)
{
    const dp_small *small = path->small;
    const dp_placement at = path->next;
    dp_motion motion;
    double longest = 0;
    const double score = dp_look_score(reference, reference->mean, features, valid);
    const bool better = score > path->best.score;
    if (better)
        path->best = (dp_match){.at = at, .score = score};
    path->done = !dp_look_motion(reference, features, valid, &motion);
    if (path->done)
        return;
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
}

/* Looks at the next place of each of paths [n] that is not done. */
static dp_status step(dp_finder *finder, const dp_reference *reference, struct path *paths, size_t n, dp_error *err)
{
    const size_t cells = dp_look_cells(&reference->look), dim = reference->basis.dim;
    struct path **going = dp_malloc(n, sizeof *going);
    dp_placed *views = dp_malloc(n, sizeof *views);
    size_t n_going = 0;
    for (size_t i = 0; going && views && i < n; i++)
        if (!paths[i].done) {
            going[n_going] = &paths[i];
            views[n_going++] = (dp_placed){paths[i].small->picture, paths[i].next};
        }
    float *features = dp_malloc_2d(n * cells /* checked: few */, dim, sizeof *features);
    uint8_t *valid = dp_malloc_2d(n, cells, 1);
    dp_status status =
        going && views && features && valid
            ? dp_finder_look(finder, &reference->basis, views, n_going, &reference->look, features, valid, err)
            : dp_fail_memory(err, "a look at a picture", n * cells * dim * sizeof *features);
    for (size_t i = 0; i < n_going && !status; i++)
        advance(reference, features + i * cells * dim, valid + i * cells, going[i]);
    dp_memory_free(going);
    dp_memory_free(views);
    dp_memory_free(features);
    dp_memory_free(valid);
    return status;
}

dp_status dp_refine(dp_finder *finder, const dp_reference *reference, const dp_small *const *smalls, size_t n,
                    size_t steps, dp_match *const *matches, dp_error *err)
{
    struct path *paths = dp_malloc(n, sizeof *paths);
    dp_status status = paths ? DP_OK : dp_fail_memory(err, "the places of parts", n * sizeof *paths);
    for (size_t i = 0; i < n && paths; i++)
        paths[i] = path_from(smalls[i], &matches[i]->at);
    for (size_t i = 0; i <= steps && !status; i++)
        status = step(finder, reference, paths, n, err);
    for (size_t i = 0; i < n && !status; i++)
        *matches[i] = paths[i].best;
    dp_memory_free(paths);
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

/* The best angles of guesses [n] that are no neighbours: paths [*tried], best first, and the margin of the best. */
static void choose_angles(const dp_small *small, const dp_match *guesses, size_t n, struct path paths[TRIED],
                          size_t *tried, double *margin)
{
    size_t taken[TRIED];
    *margin = 1;
    for (*tried = 0; *tried < TRIED; ++*tried) {
        size_t next = n;
        for (size_t k = 0; k < n; k++)
            if (!near_one(taken, *tried, k, n) && (next == n || guesses[k].score > guesses[next].score))
                next = k;
        if (next == n)
            return;
        const double behind = *tried ? guesses[taken[0]].score - guesses[next].score : 0;
        *margin = *tried == 1 ? behind : *margin;
        if (behind > CLOSE)
            return;
        paths[*tried] = path_from(small, &guesses[next].at);
        taken[*tried] = next;
    }
}

/* Follows the best angles of guesses [n], two steps each, the second only where the first leaves a doubt: the best path, and the margin of
 * its score. */
static dp_status try_angles(dp_finder *finder, const dp_reference *reference, const dp_small *small,
                            const dp_match *guesses, size_t n, struct path *best, dp_error *err)
{
    struct path paths[TRIED];
    size_t tried, first = 0;
    double margin; /* of the coarse scores */
    choose_angles(small, guesses, n, paths, &tried, &margin);
    dp_status status = step(finder, reference, paths, tried, err);
    for (size_t i = 1; i < tried; i++)
        first = paths[i].best.score > paths[first].best.score ? i : first;
    for (size_t i = 0; i < tried; i++)
        paths[i].done |= paths[i].best.score < paths[first].best.score - CLOSE;
    if (!status)
        status = step(finder, reference, paths, tried, err);
    *best = paths[0];
    for (size_t i = 1; i < tried; i++)
        if (paths[i].best.score > best->best.score)
            *best = paths[i];
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
    struct path best = {.done = true};
    dp_match *guesses = dp_malloc(n, sizeof *guesses);
    dp_status status = guesses ? DP_OK : dp_fail_memory(err, "the angles", n * sizeof *guesses);
    if (!status && reference->basis.dim_in != dp_finder_dim(finder))
        status = dp_fail(err, DP_E_FORMAT,
                         "the bank's part was learned from %zu numbers to a cell, but the network gives %zu; fit the "
                         "bank again",
                         reference->basis.dim_in, dp_finder_dim(finder));
    for (size_t k = 0; k < n && !status; k++)
        guesses[k] = (dp_match){middle_of_picture(small), -INFINITY, 0, NULL};
    for (size_t z = 0; z < DP_ZOOMS && !status; z++) {
        dp_coarse coarse = {0};
        status = dp_coarse_look(finder, &reference->basis, &small, 1, dp_zooms[z], &coarse, err);
        if (!status)
            status = dp_coarse_guess(finder, &templates, &coarse, guesses, err);
        dp_coarse_free(&coarse);
        if (status || (z && z + 1 < DP_ZOOMS))
            continue; /* the other zooms one after the other */
        status = try_angles(finder, reference, small, guesses, n, &best, err);
        if (is_near(reference, best.best.score) && best.best.margin > DOUBT)
            break;
    }
    for (size_t i = 0; i < STEPS && !status; i++) {
        const double margin = best.best.margin;
        status = step(finder, reference, &best, 1, err);
        best.best.margin = margin;
    }
    if (!status)
        *match = best.best;
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
