/* SPDX-License-Identifier: Apache-2.0 */
/* learn_reference.c - groupwise registration of good pictures.
 *
 *     start     the picture that matches the others best, turned through all angles
 *     worth     the caller sees the pictures roughly in one pose, twice, and may leave it at that: by few angles, then by all and in other zooms
 *     ROUNDS    mean, spread and slopes of the pictures in their poses; each moves to fit the mean (refine.c); after the first round the
 *               plane is narrowed to the part and its longer side laid along u
 *     alike     a picture that fits the mean far worse than the others shows something else, and counts no more: see rank
 *     kinds     what is unlike the first kind is learned in the same way, as long as A_KIND pictures of it are like each other
 *     match     each picture is looked for anew, by the mean in all its angles
 *     round     a part that is more like itself, turned by any angle, than the pictures are like each other has no angle to be found
 *
 * The part is where the mean of the pictures' light changes from pixel to pixel by more than chance: with m the mean over n pictures in
 * their poses and v their variance about it, e(p) = sum over neighbours p' of max(0, (m(p) - m(p'))^2 - (v(p) + v(p')) / n).  Ground that
 * looks the same everywhere, and ground that differs from picture to picture, has none of it. */
#include "register/learn_reference.h"
#include "register/basis.h"
#include "register/match.h"
#include "register/refine.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ANGLES 24
#define SIDE 12 /* of the coarse templates; where the part is smaller, less */
#define RIM 1   /* cells around a template that the network's padding reaches */
#define STARTS 3
#define SLOPED 3     /* pictures that slopes are taken from */
#define TEMPLATED 2  /* and templates */
#define A_KIND 3     /* pictures that are unlike the others, but like each other, show another kind of the part */
#define ROUGH 12     /* angles that show which picture is the best to start with */
#define UNSURE 0.9   /* of the best score: a picture that matches the start less is looked at in other zooms, too */
#define STEP_PX 6.0  /* of the slopes */
#define NARROWED 2   /* times the plane is narrowed to the part: the second look is a closer one */
#define RING 1       /* cells at the rim of a look, which the network's padding reaches: they count for nothing */
#define BORDER 1.05  /* of what counts of a look, around the part */
#define TRIM 0.01    /* of the energy beyond each side of the part */
#define LOOK_PX 96.0 /* side of a square as large as the fine look */

struct member {
    const dp_small *small;
    dp_match match;
    const float *features; /* [cells, dim] */
    const uint8_t *valid;  /* [cells] */
    size_t rank;           /* 0: matches best */
    bool strange;          /* shows something else than the others */
};

struct group {
    dp_finder *finder;
    struct member *members;
    float *features;                  /* [n, cells, dim] of the members */
    uint8_t *valid;                   /* [n, cells] */
    dp_coarse whole[DP_MOST_LEARNED]; /* the members in zoom 1 */
    size_t n, n_alike;                /* the others are strange */
    bool left;                        /* not worth learning */
    dp_reference *reference;
    const dp_reference *first; /* kind; NULL: this is it */
    float *variance;           /* [cells] of the features */
    float *light; /* [8 rows, 8 cols, 3] number of pictures, mean and variance of their light (red + green + blue) */
};

static dp_status room(float **values, size_t a, size_t b, dp_error *err)
{
    dp_memory_free(*values);
    *values = dp_calloc_2d(a, b, sizeof **values);
    return *values ? DP_OK : dp_fail_memory(err, "the reference", a * b * sizeof **values);
}

/* ------------------------------------------------------------------------------------------------------------- basis */

static dp_placement middle_of(const dp_small *small)
{
    return (dp_placement){((double)small->picture->width_px - 1) / 2, ((double)small->picture->height_px - 1) / 2, 0,
                          small->unit_px};
}

/* The directions of all cells of all pictures, upright. */
static dp_status find_basis(struct group *g, dp_error *err)
{
    const dp_look look = {SIDE, SIDE, DP_COARSE_UNIT};
    const size_t cells = dp_look_cells(&look), dim = dp_finder_dim(g->finder);
    float *all = NULL;
    uint8_t valid[DP_MOST_SEEN * SIDE * SIDE];
    size_t n = 0;
    dp_status status = room(&all, g->n * cells /* checked: few */, dim, err);
    for (size_t first = 0; first < g->n && !status; first += DP_MOST_SEEN) {
        dp_placed views[DP_MOST_SEEN];
        size_t seen = 0;
        for (size_t i = first; i < g->n && seen < DP_MOST_SEEN; i++)
            views[seen++] = (dp_placed){g->members[i].small->picture, middle_of(g->members[i].small)};
        status = dp_finder_see(g->finder, views, seen, &look, valid, err);
        for (size_t c = 0; c < seen * cells && !status; c++)
            if (valid[c])
                memcpy(all + n++ * dim, g->finder->features + c * dim, dim * sizeof *all);
    }
    if (!status)
        status = dp_basis_find(all, n, dim, dp_finder_pool(g->finder), &g->reference->basis, err);
    dp_memory_free(all);
    return status;
}

static dp_status take_basis(struct group *g, dp_error *err)
{
    const dp_basis *from = &g->first->basis;
    dp_basis *to = &g->reference->basis;
    dp_status status = room(&to->mean, from->dim_in, 1, err);
    if (!status)
        status = room(&to->rows, from->dim, from->dim_in, err);
    if (status)
        return status;
    to->dim_in = from->dim_in;
    to->dim = from->dim;
    memcpy(to->mean, from->mean, from->dim_in * sizeof *to->mean);
    memcpy(to->rows, from->rows, from->dim * from->dim_in * sizeof *to->rows);
    return DP_OK;
}

/* --------------------------------------------------------------------------------------------------------- templates */

/* Adds a look at `side` cells and their rim to the sums of a template. */
static void add_look(const float *grid, const uint8_t *valid, size_t side, size_t dim, float *sum, float *count)
{
    for (size_t c = 0; c < side * side; c++) {
        const size_t from = (c / side + RIM) * (side + 2 * RIM) + c % side + RIM;
        for (size_t d = 0; d < dim && valid[from]; d++)
            sum[c * dim + d] += grid[from * dim + d];
        count[c] += valid[from];
    }
}

/* turned and turned_weight of the reference, from the members ranked below `most`: side x side cells in so many angles. */
static dp_status make_templates(struct group *g, size_t side, size_t most, size_t angles, dp_error *err)
{
    dp_reference *r = g->reference;
    const dp_look look = {side + 2 * RIM, side + 2 * RIM, DP_COARSE_UNIT};
    const size_t n = side * side, cells = dp_look_cells(&look), dim = r->basis.dim;
    const struct member *used[DP_MOST_LEARNED];
    size_t n_used = 0;
    r->n_angles = r->round ? 1 : angles;
    r->side = side;
    for (size_t i = 0; i < g->n; i++)
        if (g->members[i].rank < most)
            used[n_used++] = &g->members[i];
    float *grid = NULL;
    uint8_t *valid = dp_malloc_2d(DP_MOST_SEEN, cells, 1);
    dp_status status = valid ? room(&grid, DP_MOST_SEEN * cells /* checked: few */, dim, err)
                             : dp_fail_memory(err, "the reference", DP_MOST_SEEN * cells);
    if (!status)
        status = room(&r->turned, r->n_angles * n /* checked: few */, dim, err);
    if (!status)
        status = room(&r->turned_weight, r->n_angles, n, err);

    const size_t total = r->n_angles * n_used;
    for (size_t first = 0; first < total && !status; first += DP_MOST_SEEN) {
        const size_t seen = total - first < DP_MOST_SEEN ? total - first : DP_MOST_SEEN;
        dp_placed views[DP_MOST_SEEN];
        for (size_t i = 0; i < seen; i++) {
            const struct member *m = used[(first + i) % n_used];
            views[i] = (dp_placed){m->small->picture, m->match.at};
            views[i].at.angle_rad -= 2 * M_PI * (double)((first + i) / n_used) / (double)r->n_angles;
        }
        status = dp_finder_look(g->finder, &r->basis, views, seen, &look, grid, valid, err);
        for (size_t i = 0; i < seen && !status; i++) {
            const size_t k = (first + i) / n_used;
            add_look(grid + i * cells * dim, valid + i * cells, side, dim, r->turned + k * n * dim,
                     r->turned_weight + k * n);
        }
    }
    for (size_t c = 0; c < r->n_angles * n && !status; c++) {
        float *sum = r->turned + c * dim, *count = r->turned_weight + c;
        const float there = 2 * *count >= (float)n_used ? *count : 0;
        for (size_t d = 0; d < dim; d++)
            sum[d] = there > 0 ? sum[d] / there : 0;
        *count = there > 0;
    }
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

static dp_templates templates_of(const dp_reference *r)
{
    return (dp_templates){r->n_angles, r->side, r->basis.dim, r->turned, r->turned_weight};
}

/* The member's best guess, in a zoom that it was seen in before, or better in this one. */
static dp_status place(struct group *g, struct member *m, const dp_coarse *coarse, dp_error *err)
{
    const dp_templates templates = templates_of(g->reference);
    dp_match guesses[ANGLES];
    for (size_t k = 0; k < templates.n; k++)
        guesses[k] = (dp_match){.score = -INFINITY};
    dp_status status = dp_coarse_guess(g->finder, &templates, coarse, guesses, err);
    for (size_t k = 0; k < templates.n && !status; k++)
        if (guesses[k].score > m->match.score)
            m->match = guesses[k];
    return status;
}

/* Makes member `first` the only one of rank 0, and places the others by it; *middle: their median score. */
static dp_status start_with(struct group *g, size_t first, size_t angles, double *middle, dp_error *err)
{
    double scores[DP_MOST_LEARNED];
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        g->members[i].rank = i == first ? 0 : 1;
        g->members[i].match.score = -INFINITY;
    }
    g->members[first].match = (dp_match){.at = middle_of(g->members[first].small), .score = 1};
    dp_status status = make_templates(g, SIDE, 1, angles, err);
    for (size_t i = 0; i < g->n && !status; i++) {
        if (i == first)
            continue;
        status = place(g, &g->members[i], &g->whole[i], err);
        scores[n++] = g->members[i].match.score;
    }
    if (!status)
        dp_sort_f64(scores, n);
    *middle = status ? 0 : scores[n / 2];
    return status;
}

/* The candidate that the others match best; they stay where it placed them, in one of ROUGH angles. */
static dp_status choose_start(struct group *g, size_t *start, dp_error *err)
{
    double most = -INFINITY, middle = 0;
    dp_match best[DP_MOST_LEARNED];
    const dp_small *smalls[DP_MOST_LEARNED];
    for (size_t i = 0; i < g->n; i++)
        smalls[i] = g->members[i].small;
    dp_status status = dp_coarse_look(g->finder, &g->reference->basis, smalls, g->n, 1, g->whole, err);
    for (size_t s = 0; s < STARTS && s < g->n && !status; s++) {
        const size_t candidate = g->n <= STARTS ? s : s * g->n / STARTS;
        status = start_with(g, candidate, ROUGH, &middle, err);
        if (status || !(middle > most))
            continue;
        most = middle;
        *start = candidate;
        for (size_t i = 0; i < g->n; i++)
            best[i] = g->members[i].match;
    }
    for (size_t i = 0; i < g->n && !status; i++) {
        g->members[i].match = best[i];
        g->members[i].rank = i == *start ? 0 : 1;
    }
    return status;
}

/* The others by the start in ANGLES, those that match it less in the other zooms, too. */
static dp_status place_all(struct group *g, size_t start, dp_error *err)
{
    double most = 0, middle;
    dp_status status = start_with(g, start, ANGLES, &middle, err);
    for (size_t i = 0; i < g->n; i++)
        most = i == start ? most : fmax(most, g->members[i].match.score);
    for (size_t i = 0; i < g->n; i++)
        for (size_t z = 1; z < DP_ZOOMS && !status && g->members[i].match.score < UNSURE * most; z++) {
            dp_coarse coarse = {0};
            status =
                dp_coarse_look(g->finder, &g->reference->basis, &g->members[i].small, 1, dp_zooms[z], &coarse, err);
            if (!status)
                status = place(g, &g->members[i], &coarse, err);
            dp_coarse_free(&coarse);
        }
    return status;
}

/* What the caller sees before the learning goes on; *worth: whether it is to.  The start is left out: the others were chosen to be like it,
 * and would be so by chance where no part is to be found. */
static dp_status ask(struct group *g, const dp_rough_look *rough_look, bool *worth, dp_error *err)
{
    const dp_look look = {SIDE, SIDE, DP_COARSE_UNIT};
    const size_t cells = dp_look_cells(&look), dim = g->reference->basis.dim, n = g->n - 1;
    const float *grids[2][DP_MOST_LEARNED];
    const uint8_t *valid[2][DP_MOST_LEARNED];
    dp_placed views[2 * DP_MOST_LEARNED];
    float *all = NULL;
    uint8_t *seen = dp_calloc_2d(2 * g->n, cells, 1);
    dp_status status = seen ? room(&all, 2 * g->n * cells /* checked: few */, dim, err)
                            : dp_fail_memory(err, "the reference", 2 * g->n * cells);
    for (size_t posed = 0, at = 0; posed < 2; posed++)
        for (size_t i = 0; i < g->n; i++) {
            const struct member *m = &g->members[i];
            if (!m->rank)
                continue;
            grids[posed][at % n] = all + at * cells * dim;
            valid[posed][at % n] = seen + at * cells;
            views[at++] = (dp_placed){m->small->picture, posed ? m->match.at : middle_of(m->small)};
        }
    if (!status)
        status = dp_finder_look(g->finder, &g->reference->basis, views, 2 * n, &look, all, seen, err);
    const dp_rough rough = {n, SIDE, dim, grids[0], grids[1], valid[0], valid[1]};
    if (!status)
        status = rough_look->worth(rough_look->user, &rough, worth, err);
    dp_memory_free(all);
    dp_memory_free(seen);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- fine reference */

/* A look at the part with a border; all kinds have the cells of the first. */
static dp_look look_for(const struct group *g, double width, double height)
{
    const double cell = sqrt(width * height) / LOOK_PX * 2 * DP_LOOK_CELL_PX;
    dp_look look = g->first ? g->first->look
                            : (dp_look){2 * (size_t)fmin(fmax(round(height / cell), 2), 16),
                                        2 * (size_t)fmin(fmax(round(width / cell), 2), 16), 0};
    look.unit = BORDER * fmax(width / (double)(look.cols - 2 * RING), height / (double)(look.rows - 2 * RING))
                / DP_LOOK_CELL_PX;
    return look;
}

static int by_score(const void *a, const void *b)
{
    const struct member *const *x = a, *const *y = b;
    if ((*x)->match.score != (*y)->match.score)
        return (*x)->match.score > (*y)->match.score ? -1 : 1;
    return *x < *y ? -1 : 1;
}

/* A picture of something else scores far below the good ones: below FAR quartile distances under their middle, and below UNLIKE of it, for
 * what unlike things share, ground, edges, seldom makes half of a correlation; a part that lacks a piece must not fall below. */
#define FAR 8.0
#define UNLIKE 0.6
#define GAP 0.15

/* By the median and the lower quartile of the good pictures' scores. */
static double least_of(double median, double quartile)
{
    return fmin(median - FAR * (median - quartile), UNLIKE * median);
}

/* Who matches best, and who shows something else: he takes no part in what is learned.  Scores fall apart where one of them is below UNLIKE
 * of what the best third has, and a GAP above it is the widest. */
static dp_status rank(struct group *g, dp_error *err)
{
    struct member **order = dp_malloc(g->n, sizeof *order);
    if (!order)
        return dp_fail_memory(err, "the pictures", g->n * sizeof *order);
    for (size_t i = 0; i < g->n; i++)
        order[i] = &g->members[i];
    qsort(order, g->n, sizeof *order, by_score);
    const double well = order[g->n / 3]->match.score;
    double widest = GAP * well;
    g->n_alike = g->n;
    for (size_t i = g->n / 3 + 1; i < g->n && i > 1; i++) {
        const double gap = order[i - 1]->match.score - order[i]->match.score;
        if (order[i]->match.score < UNLIKE * well && gap > widest) {
            widest = gap;
            g->n_alike = i;
        }
    }
    for (size_t i = 0; i < g->n; i++) {
        order[i]->rank = i;
        order[i]->strange = i >= g->n_alike;
    }
    dp_memory_free(order);
    return DP_OK;
}

static bool in_ring(const dp_look *look, size_t cell)
{
    const size_t row = cell / look->cols, col = cell % look->cols;
    return row < RING || row + RING >= look->rows || col < RING || col + RING >= look->cols;
}

/* Adds a view of those that the finder saw last. */
static void add_light(struct group *g, size_t view)
{
    const size_t pixels = dp_look_cells(&g->reference->look) * DP_LOOK_CELL_PX * DP_LOOK_CELL_PX, first = view * pixels;
    for (size_t p = 0; p < pixels; p++) {
        const float *rgb = g->finder->rgb + 3 * (first + p), light = rgb[0] + rgb[1] + rgb[2];
        float *at = g->light + 3 * p, apart = light - at[1];
        if (!g->finder->inside[first + p])
            continue;
        at[0]++;
        at[1] += apart / at[0];
        at[2] += apart * (light - at[1]);
    }
}

static bool takes_part(const struct member *m, size_t cell)
{
    return !m->strange && m->valid[cell];
}

/* Mean, variance and weight of what the members show in their poses. */
static dp_status make_mean(struct group *g, dp_error *err)
{
    dp_reference *r = g->reference;
    const size_t cells = dp_look_cells(&r->look), dim = r->basis.dim;
    dp_status status = room(&r->mean, cells, dim, err);
    if (!status)
        status = room(&r->weight, cells, 1, err);
    if (!status)
        status = room(&g->variance, cells, 1, err);
    if (!status)
        status = room(&g->light, cells, 3 * DP_LOOK_CELL_PX * DP_LOOK_CELL_PX, err);
    if (!status)
        status = room(&g->features, g->n * cells /* checked: few */, dim, err);
    dp_memory_free(g->valid);
    g->valid = dp_malloc_2d(g->n, cells, 1);
    if (!status && !g->valid)
        status = dp_fail_memory(err, "the reference", g->n * cells);
    for (size_t first = 0; first < g->n && !status; first += DP_MOST_SEEN) {
        const size_t seen = g->n - first < DP_MOST_SEEN ? g->n - first : DP_MOST_SEEN;
        dp_placed views[DP_MOST_SEEN];
        for (size_t i = 0; i < seen; i++) {
            struct member *m = &g->members[first + i];
            views[i] = (dp_placed){m->small->picture, m->match.at};
            m->features = g->features + (first + i) * cells * dim;
            m->valid = g->valid + (first + i) * cells;
        }
        status = dp_finder_look(g->finder, &r->basis, views, seen, &r->look, g->features + first * cells * dim,
                                g->valid + first * cells, err);
        for (size_t i = 0; i < seen && !status; i++)
            if (!g->members[first + i].strange)
                add_light(g, i);
    }
    double all = 0, n_known = 0;
    for (size_t c = 0; c < cells && !status; c++) {
        float *mean = r->mean + c * dim;
        size_t count = 0;
        double variance = 0;
        for (size_t i = 0; i < g->n; i++)
            if (takes_part(&g->members[i], c)) {
                count++;
                for (size_t d = 0; d < dim; d++)
                    mean[d] += g->members[i].features[c * dim + d];
            }
        for (size_t d = 0; d < dim; d++)
            mean[d] /= count ? (float)count : 1;
        for (size_t i = 0; i < g->n; i++)
            for (size_t d = 0; d < dim && takes_part(&g->members[i], c); d++) {
                const double apart = (double)(g->members[i].features[c * dim + d] - mean[d]);
                variance += apart * apart;
            }
        if (2 * count < g->n_alike || count < 2 || in_ring(&r->look, c))
            continue;
        g->variance[c] = (float)(variance / (double)(count - 1));
        r->weight[c] = 1;
        all += (double)g->variance[c];
        n_known++;
    }
    const double floor = n_known > 0 ? all / n_known / 4 : 0;
    for (size_t c = 0; c < cells && !status; c++)
        if (r->weight[c] > 0)
            r->weight[c] = floor > 0 ? (float)(4 * floor / (floor + (double)g->variance[c])) : 1;
    return status;
}

/* From the best members, each moved to both sides. */
static dp_status make_slopes(struct group *g, dp_error *err)
{
    dp_reference *r = g->reference;
    const size_t cells = dp_look_cells(&r->look), dim = r->basis.dim;
    float *features = NULL;
    uint8_t *valid = dp_malloc_2d(2 * SLOPED, cells, 1);
    dp_status status = valid ? room(&r->slopes, DP_SLOPES * cells /* checked: few */, dim, err)
                             : dp_fail_memory(err, "the reference", 2 * SLOPED * cells);
    if (!status)
        status = room(&features, 2 * SLOPED * cells /* checked: few */, dim, err);
    for (size_t k = 0; k < DP_SLOPES && !status; k++) {
        dp_placed views[2 * SLOPED];
        size_t n = 0;
        for (size_t i = 0; i < g->n; i++)
            for (int side = 0; side < 2 && g->members[i].rank < SLOPED; side++) {
                dp_motion motion = {{0}};
                motion.by[k] = side ? STEP_PX : -STEP_PX;
                views[n++] = (dp_placed){g->members[i].small->picture,
                                         dp_placement_move(&g->members[i].match.at, &r->look, &motion)};
            }
        status = dp_finder_look(g->finder, &r->basis, views, n, &r->look, features, valid, err);
        for (size_t c = 0; c < cells && !status; c++) {
            float *slope = r->slopes + (k * cells + c) * dim, count = 0;
            for (size_t i = 0; i < n; i += 2) {
                const float *before = features + (i * cells + c) * dim, *after = before + cells * dim;
                if (!valid[i * cells + c] || !valid[(i + 1) * cells + c])
                    continue;
                count++;
                for (size_t d = 0; d < dim; d++)
                    slope[d] += (after[d] - before[d]) / (float)(2 * STEP_PX);
            }
            for (size_t d = 0; d < dim && count > 0; d++)
                slope[d] /= count;
        }
    }
    dp_memory_free(features);
    dp_memory_free(valid);
    return status;
}

static dp_status make_fine(struct group *g, dp_error *err)
{
    dp_status status = rank(g, err);
    if (!status)
        status = make_mean(g, err);
    return status ? status : make_slopes(g, err);
}

static dp_status refine_all(struct group *g, size_t steps, dp_error *err)
{
    const dp_small *smalls[DP_MOST_LEARNED];
    dp_match *matches[DP_MOST_LEARNED];
    for (size_t i = 0; i < g->n; i++) {
        smalls[i] = g->members[i].small;
        matches[i] = &g->members[i].match;
    }
    return dp_refine(g->finder, g->reference, smalls, g->n, steps, matches, err);
}

/* -------------------------------------------------------------------------------------------------------------- part */

struct point {
    double at, energy;
};

static int by_place(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* The range that TRIM of the energy lies below and above. */
static void range_of(struct point *points, size_t n, double total, double *low, double *high)
{
    qsort(points, n, sizeof *points, by_place);
    double sum = 0;
    *low = points[0].at;
    *high = points[n - 1].at;
    for (size_t i = 0; i < n; i++) {
        if (sum <= TRIM * total)
            *low = points[i].at;
        sum += points[i].energy;
        if (sum >= (1 - TRIM) * total) {
            *high = points[i].at;
            break;
        }
    }
}

static double difference(const struct group *g, size_t a, size_t b)
{
    const float *x = g->light + 3 * a, *y = g->light + 3 * b;
    const double n = (double)g->n_alike;
    if (2 * (double)x[0] < n || 2 * (double)y[0] < n || x[0] < 2 || y[0] < 2)
        return 0;
    const double apart = (double)(x[1] - y[1]);
    return fmax(0, apart * apart - (double)x[2] / (double)(x[0] * (x[0] - 1))
                       - (double)y[2] / (double)(y[0] * (y[0] - 1)));
}

/* Narrows the plane to the part: its middle becomes the origin, its longer side u.  All placements follow. */
static dp_status narrow(struct group *g, dp_error *err)
{
    dp_reference *r = g->reference;
    const size_t rows = r->look.rows * DP_LOOK_CELL_PX, cols = r->look.cols * DP_LOOK_CELL_PX, cells = rows * cols;
    struct point *points = dp_malloc(cells, sizeof *points);
    float *energy = NULL;
    double total = 0, su = 0, sv = 0, suu = 0, suv = 0, svv = 0;
    dp_status status = points ? room(&energy, cells, 1, err) : dp_fail_memory(err, "the part", cells * sizeof *points);
    if (status) {
        dp_memory_free(points);
        return status;
    }
    for (size_t c = 0; c < cells; c++) {
        const double right = c % cols + 1 < cols ? difference(g, c, c + 1) : 0,
                     below = c + cols < cells ? difference(g, c, c + cols) : 0;
        energy[c] += (float)(right + below);
        if (right > 0)
            energy[c + 1] += (float)right;
        if (below > 0)
            energy[c + cols] += (float)below;
    }
    const double cell = r->look.unit;
    for (size_t c = 0; c < cells; c++) {
        const double e = (double)energy[c], u = cell * ((double)(c % cols) - ((double)cols - 1) / 2),
                     v = cell * ((double)(c / cols) - ((double)rows - 1) / 2);
        total += e, su += e * u, sv += e * v, suu += e * u * u, suv += e * u * v, svv += e * v * v;
    }
    if (total > 0) {
        su /= total, sv /= total;
        const double a = suu / total - su * su, b = suv / total - su * sv, d = svv / total - sv * sv,
                     radius = hypot((a - d) / 2, b), minor = (a + d) / 2 - radius, major = (a + d) / 2 + radius;
        const double turn = minor < 0.64 * major ? atan2(2 * b, a - d) / 2 : 0, cs = cos(turn), sn = sin(turn);
        double low[2], high[2];
        for (int axis = 0; axis < 2; axis++) {
            for (size_t c = 0; c < cells; c++) {
                const double u = cell * ((double)(c % cols) - ((double)cols - 1) / 2),
                             v = cell * ((double)(c / cols) - ((double)rows - 1) / 2);
                points[c] = (struct point){axis ? cs * v - sn * u : cs * u + sn * v, (double)energy[c]};
            }
            range_of(points, cells, total, &low[axis], &high[axis]);
        }
        const double mu = (low[0] + high[0]) / 2, mv = (low[1] + high[1]) / 2, ou = cs * mu - sn * mv,
                     ov = sn * mu + cs * mv;
        r->width = high[0] - low[0] + cell;
        r->height = high[1] - low[1] + cell;
        for (size_t i = 0; i < g->n; i++) {
            dp_placement *at = &g->members[i].match.at;
            const double c = at->scale_px * cos(at->angle_rad), s = at->scale_px * sin(at->angle_rad);
            at->x_px += c * ou - s * ov;
            at->y_px += s * ou + c * ov;
            at->angle_rad = remainder(at->angle_rad + turn, 2 * M_PI);
        }
    }
    dp_memory_free(points);
    dp_memory_free(energy);
    return DP_OK;
}

/* ------------------------------------------------------------------------------------------------------------- scores */

/* Cells of a template that hold the part however it is turned; as many for all kinds. */
static size_t side_of(const struct group *g)
{
    const dp_reference *r = g->reference;
    if (g->first)
        return g->first->side;
    const double units = hypot(r->width, r->height);
    const size_t side = 2 * (size_t)ceil(units / DP_COARSE_UNIT / (2 * DP_LOOK_CELL_PX));
    return side < 6 ? 6 : side > 20 ? 20 : side;
}

/* scores [*n] of those that are alike, each against the mean of the others. */
static dp_status score_others(struct group *g, double *scores, size_t *n, dp_error *err)
{
    const dp_reference *r = g->reference;
    const size_t cells = dp_look_cells(&r->look), dim = r->basis.dim;
    float *mean = NULL;
    dp_status status = room(&mean, cells, dim, err);
    *n = 0;
    for (size_t i = 0; i < g->n && !status; i++) {
        const struct member *m = &g->members[i];
        for (size_t c = 0; c < cells && !m->strange; c++) {
            size_t count = 0;
            for (size_t j = 0; j < g->n; j++)
                count += takes_part(&g->members[j], c);
            for (size_t d = 0; d < dim; d++)
                mean[c * dim + d] =
                    m->valid[c] && count > 1
                        ? ((float)count * r->mean[c * dim + d] - m->features[c * dim + d]) / (float)(count - 1)
                        : r->mean[c * dim + d];
        }
        if (!m->strange)
            scores[(*n)++] = dp_look_score(r, mean, m->features, m->valid);
    }
    dp_memory_free(mean);
    return status;
}

static dp_status settle_scores(struct group *g, dp_error *err)
{
    dp_reference *r = g->reference;
    double *scores = dp_malloc(g->n, sizeof *scores);
    size_t n = 0;
    dp_status status =
        scores ? score_others(g, scores, &n, err) : dp_fail_memory(err, "the scores", g->n * sizeof *scores);
    if (!status) {
        dp_sort_f64(scores, n);
        r->good_score = scores[n / 2];
        r->least_score = least_of(r->good_score, scores[n / 4]);
    }
    dp_memory_free(scores);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- round */

#define ROUND 0.98 /* a correlation that pixels alone may fall short of 1 by, as a part is turned */

/* The least correlation of the part with itself turned by any angle. */
static double least_turned(const dp_reference *r)
{
    const size_t n = r->side * r->side, dim = r->basis.dim;
    double least = 1;
    for (size_t k = 1; k < r->n_angles; k++) {
        const float *other = r->turned + k * n * dim, *there = r->turned_weight + k * n;
        double product = 0, a = 0, b = 0;
        for (size_t c = 0; c < n; c++)
            for (size_t d = 0; d < dim && r->turned_weight[c] > 0 && there[c] > 0; d++) {
                const double x = (double)r->turned[c * dim + d], y = (double)other[c * dim + d];
                product += x * y, a += x * x, b += y * y;
            }
        least = a > 0 && b > 0 ? fmin(least, product / sqrt(a * b)) : least;
    }
    return least;
}

static dp_status match_all(struct group *g, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < g->n && !status; i++)
        status = dp_kind_match(g->finder, g->reference, g->members[i].small, &g->members[i].match, err);
    return status ? status : make_fine(g, err);
}

/* A round part is left as it lies. */
static dp_status keep_upright(struct group *g, dp_error *err)
{
    g->reference->round = true;
    for (size_t i = 0; i < g->n; i++)
        g->members[i].match.at.angle_rad = 0;
    dp_status status = make_fine(g, err);
    if (!status)
        status = make_templates(g, side_of(g), TEMPLATED, 1, err);
    if (!status)
        status = match_all(g, err);
    return status ? status : settle_scores(g, err);
}

/* --------------------------------------------------------------------------------------------------------------- all */

static dp_status learn(struct group *g, const dp_rough_look *look, dp_error *err)
{
    dp_reference *r = g->reference;
    bool worth = true;
    size_t start = 0;
    dp_status status = g->first ? take_basis(g, err) : find_basis(g, err);
    if (!status)
        status = choose_start(g, &start, err);
    for (int closer = 0; closer < 2 && !status && worth; closer++) {
        if (closer)
            status = place_all(g, start, err);
        if (!status && look && look->worth)
            status = ask(g, look, &worth, err);
    }
    g->left = !worth;
    if (g->left)
        return status;
    r->width = r->height = DP_PLANE_SIDE;
    r->look = look_for(g, r->width, r->height);
    if (!status)
        status = make_fine(g, err);
    if (!status)
        status = refine_all(g, 2, err);
    for (int round = 0; round < NARROWED && !status; round++) {
        status = make_mean(g, err);
        if (!status)
            status = narrow(g, err);
        r->look = look_for(g, r->width, r->height);
    }
    if (!status)
        status = make_fine(g, err);
    if (!status)
        status = make_templates(g, side_of(g), TEMPLATED, ANGLES, err);
    if (!status)
        status = settle_scores(g, err); /* what a match is measured by */
    if (!status)
        status = match_all(g, err);
    if (!status)
        status = settle_scores(g, err);
    if (!status && least_turned(r) >= fmin(r->good_score, ROUND))
        status = keep_upright(g, err);
    return status;
}

/* One kind: pictures [n] that show something else are moved to the end, *n_alike remain before them.  look: NULL for all but the first. */
static dp_status learn_kind(dp_finder *finder, const dp_reference *first, const dp_rough_look *look,
                            const dp_small **smalls, size_t n, size_t *n_alike, dp_reference **reference, dp_error *err)
{
    struct group g = {.finder = finder, .n = n, .first = first, .members = dp_calloc(n, sizeof *g.members)};
    g.reference = dp_calloc(1, sizeof *g.reference);
    dp_status status = g.members && g.reference ? DP_OK : dp_fail_memory(err, "the reference", n * sizeof *g.members);
    for (size_t i = 0; i < n && !status; i++)
        g.members[i].small = smalls[i];
    if (!status)
        status = learn(&g, look, err);
    for (size_t strange = 0, at = 0; strange < 2 && !status; strange++)
        for (size_t i = 0; i < n; i++)
            if (g.members[i].strange == (strange == 1))
                smalls[at++] = g.members[i].small;
    *n_alike = g.n_alike;
    for (size_t i = 0; i < n; i++)
        dp_coarse_free(&g.whole[i]);
    dp_memory_free(g.members);
    dp_memory_free(g.features);
    dp_memory_free(g.valid);
    dp_memory_free(g.variance);
    dp_memory_free(g.light);
    if (status || g.left)
        dp_reference_close(&g.reference);
    *reference = g.reference;
    return status;
}

dp_status dp_reference_learn(dp_finder *finder, const dp_small *smalls, size_t n, const dp_rough_look *look,
                             dp_reference **reference, dp_error *err)
{
    const dp_small *left[DP_MOST_LEARNED];
    dp_reference *first = NULL, **last = &first;
    size_t kinds = 0, n_alike = 0, n_left = n;
    if (n < 2 || n > DP_MOST_LEARNED)
        return dp_fail(err, DP_E_ARGUMENT, "a part is learned from 2 to %d pictures", DP_MOST_LEARNED);
    for (size_t i = 0; i < n; i++)
        left[i] = &smalls[i];
    dp_status status = DP_OK;
    while (!status && kinds < DP_MOST_KINDS && (!kinds || n_left >= A_KIND)) {
        dp_reference *kind = NULL;
        status = learn_kind(finder, first, kinds ? NULL : look, left, n_left, &n_alike, &kind, err);
        if (!kind)
            break;
        if (kinds && (n_alike < A_KIND || kind->good_score < (first->good_score + first->least_score) / 2)) {
            dp_reference_close(&kind); /* these are unlike each other, too */
            break;
        }
        *last = kind;
        last = &kind->next;
        kinds++;
        n_left -= n_alike;
        memmove(left, left + n_alike, n_left * sizeof *left);
    }
    if (status)
        dp_reference_close(&first);
    else
        *reference = first;
    return status;
}
