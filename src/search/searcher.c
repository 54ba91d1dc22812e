/* SPDX-License-Identifier: Apache-2.0 */
/* searcher.c - blended distances and separate layers.
 *
 *     D(cell) = sum over blocks b:   (1 - a) / B  U / L_b  local_b(cell)  +  a / B  U / G_b  global_b(cell)
 *
 * local_b is the distance of block b within the window, global_b in the whole bank; L_b and G_b are their scales
 * (distance_scales.h); a is the blend, B the number of blocks. U is the mean of L_b, so the result has the units of a
 * plain local distance: one block with blend 0 gives exactly that distance, and a small blend changes little.
 * Components with weight 0 are not searched. */
#include "search/searcher.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "options/check.h"
#include "search/distance_scales.h"

#include <math.h>
#include <string.h>

static bool is_active(const dp_scoring *scoring, size_t block)
{
    return !scoring->blocks || scoring->blocks >> block & 1;
}

static size_t count_active(const dp_rows *bank, const dp_scoring *scoring)
{
    size_t n = 0;
    for (size_t b = 0; b < bank->blocks; b++)
        n += is_active(scoring, b);
    return n;
}

bool dp_scoring_needs_scales(const dp_rows *bank, const dp_scoring *scoring)
{
    return scoring->blend > 0 || (!bank->equal && count_active(bank, scoring) > 1);
}

dp_status dp_scoring_check(const dp_rows *bank, const dp_scoring *scoring, dp_error *err)
{
    const size_t blocks = bank->blocks, cells = dp_rows_cells(bank), side = 2 * scoring->window + 1;
    const bool everywhere = bank->flat || scoring->window >= bank->grid_rows + bank->grid_cols || side * side > cells;
    const dp_scoring_rule rule = {.flat = bank->flat,
                                  .separate = blocks > 1,
                                  .window = scoring->window,
                                  .knn = scoring->knn,
                                  .reweight = scoring->reweight,
                                  .blend = scoring->blend,
                                  .order = scoring->order,
                                  .merged = !bank->flat && bank->row_picture,
                                  .score = scoring->score,
                                  .moments = bank->moments != NULL,
                                  .metric = scoring->metric,
                                  .retrieves = bank->vectors != NULL,
                                  .equal = blocks > 1 && bank->equal};
    dp_status status = dp_check_scoring(&rule, err);
    if (!status && !bank->moments)
        status = dp_check_neighbours(scoring->knn, bank->n_rows * (everywhere ? cells : side * side), err);
    if (status)
        return status;
    if (scoring->blocks && (scoring->blocks >> (blocks - 1) >> 1))
        return dp_fail(err, DP_E_ARGUMENT, "a block does not exist; the bank has %zu separate blocks", blocks);
    return DP_OK;
}

dp_status dp_scoring_settle(const dp_rows *bank, dp_scoring *scoring, dp_isa isa, dp_pool *pool, dp_error *err)
{
    dp_status status = dp_scoring_check(bank, scoring, err);
    if (status || !dp_scoring_needs_scales(bank, scoring))
        return status;
    dp_distance_scales scales = scoring->levels.scales;
    if (!dp_distance_scales_hold(&scales, scoring->metric, scoring->window, scoring->knn))
        dp_distance_scales_none(scoring->metric, scoring->window, scoring->knn, &scales);
    status = dp_distance_scales_find(bank, scoring->blocks, scoring->blend > 0, isa, pool, &scales, err);
    if (!status)
        scoring->levels.scales = scales;
    return status;
}

/* ------------------------------------------------------------------------------------------------------- the list */

static void make_list(dp_searcher *c, const dp_scoring *scoring, size_t n_active, bool scaled)
{
    const dp_distance_scales *scales = &scoring->levels.scales;
    double unit = 0, share_of_block = 1 / (double)n_active;
    for (size_t b = 0; b < c->n_parts && scaled; b++)
        if (is_active(scoring, b))
            unit += scales->local[b] * share_of_block;
    for (size_t b = 0; b < c->n_parts; b++) {
        for (int global = 0; global < 2 && is_active(scoring, b); global++) {
            double share = share_of_block * (global ? scoring->blend : 1 - scoring->blend);
            if (!(share > 0))
                continue;
            double scale = global ? scales->global[b] : scales->local[b];
            c->list[c->n] = (dp_component){.rows = &c->parts[b].rows,
                                           .block = b,
                                           .window = global ? DP_WINDOW_GLOBAL : scoring->window,
                                           .share = share,
                                           .weight = scaled ? share * (unit / scale) : share};
            if (share > c->list[c->lead].share)
                c->lead = c->n;
            c->n++;
        }
    }
}

dp_status dp_searcher_open(const dp_rows *bank, const dp_scoring *scoring, dp_isa isa, dp_pool *pool,
                           dp_searcher *searcher, dp_error *err)
{
    dp_scoring settled = *scoring;
    size_t blocks = bank->blocks, n_active = count_active(bank, scoring);
    dp_searcher c = {.metric = scoring->metric,
                     .knn = scoring->knn,
                     .order =
                         dp_order_pictures(scoring->order, dp_rows_retrieve(bank) ? bank->retrieval : bank->n_pictures),
                     .whole = bank,
                     .likeness = {NAN, NAN},
                     .isa = isa,
                     .n_parts = blocks};
    dp_status status = dp_scoring_settle(bank, &settled, isa, pool, err);
    if (status)
        return status;
    if (bank->moments) {
        c.bank = bank;
        c.n_parts = 0;
        status = dp_moment_model_open(bank, pool, &c.model, err);
        if (!status)
            *searcher = c;
        return status;
    }
    const dp_need needs[] = {{&c.parts, blocks, 1, sizeof *c.parts},
                             {&c.list, blocks, 2, sizeof *c.list},
                             {&c.similarities, bank->vectors ? bank->n_pictures : 0, 1, sizeof *c.similarities}};
    status = dp_memory_take(needs, 3, "the blocks of features", err);
    if (status)
        return status;
    memset(c.parts, 0, blocks * sizeof *c.parts);
    bool norms = scoring->metric == DP_METRIC_COSINE || bank->flat || scoring->window > 0 || scoring->blend > 0;
    for (size_t b = 0; !status && b < blocks; b++)
        if (is_active(scoring, b))
            status = dp_part_open(bank, b, norms, pool, &c.parts[b], err);
    if (status) {
        dp_searcher_close(&c);
        return status;
    }
    make_list(&c, &settled, n_active, dp_scoring_needs_scales(bank, &settled));
    *searcher = c;
    return DP_OK;
}

void dp_searcher_close(dp_searcher *c)
{
    for (size_t b = 0; c->parts && b < c->n_parts; b++)
        dp_part_close(&c->parts[b]);
    dp_moment_model_close(&c->model);
    dp_memory_free(c->parts);
    dp_memory_free(c->list);
    dp_memory_free(c->features);
    dp_memory_free(c->nearest);
    dp_memory_free(c->grid);
    dp_memory_free(c->valid);
    dp_memory_free(c->sum);
    dp_memory_free(c->similarities);
    dp_memory_free(c->among);
    *c = (dp_searcher){0};
}

/* Returns whether there is a single component with weight 1, whose result needs no buffer. */
static bool is_plain(const dp_searcher *c)
{
    return c->n == 1 && c->list[0].weight == 1;
}

static dp_status make_room(dp_searcher *c, size_t cells, dp_error *err)
{
    if (cells <= c->room || is_plain(c))
        return DP_OK;
    dp_memory_free(c->nearest);
    dp_memory_free(c->grid);
    dp_memory_free(c->valid);
    dp_memory_free(c->sum);
    c->nearest = NULL, c->grid = NULL, c->valid = NULL, c->sum = NULL;
    c->room = 0;
    const dp_need needs[] = {{&c->nearest, cells, c->knn, sizeof *c->nearest},
                             {&c->grid, cells, 1, sizeof *c->grid},
                             {&c->valid, cells, 1, 1},
                             {&c->sum, cells, 1, sizeof *c->sum}};
    dp_status status = dp_memory_take(needs, sizeof needs / sizeof *needs, "the distances of one picture", err);
    if (status)
        return status;
    c->room = cells;
    return DP_OK;
}

/* Makes room for the pictures that are searched for n pictures. */
static dp_status make_room_among(dp_searcher *c, size_t n, dp_error *err)
{
    if (n <= c->among_room || !dp_rows_retrieve(c->whole))
        return DP_OK;
    dp_memory_free(c->among);
    c->among_room = 0;
    c->among = dp_malloc_2d(n, c->whole->n_pictures, 1);
    if (!c->among)
        return dp_fail_memory(err, "the pictures most alike", n * c->whole->n_pictures);
    c->among_room = n;
    return DP_OK;
}

/* Fills line i of among for a picture with this vector. */
static dp_likeness choose_pictures(dp_searcher *c, size_t i, const float *vector, size_t leave_out)
{
    return dp_retrieve(c->whole, vector, leave_out, c->similarities,
                       dp_rows_retrieve(c->whole) ? c->among + i * c->whole->n_pictures : NULL);
}

dp_likeness dp_searcher_likeness(dp_searcher *c, size_t picture)
{
    return dp_retrieve(c->whole, c->whole->vectors + picture * c->whole->n_vector, picture, c->similarities, NULL);
}

/* Picks the numbers of features [cells, whole row] that a component uses: *picked [cells, dim]. */
static dp_status pick(dp_searcher *c, const dp_part *part, const float *features, size_t cells, const float **picked,
                      dp_error *err)
{
    *picked = features;
    if (dp_part_is_whole(part))
        return DP_OK;
    if (cells > c->feature_room) {
        dp_memory_free(c->features);
        c->feature_room = 0;
        c->features = dp_malloc_2d(cells, part->rows.dim, sizeof *c->features);
        if (!c->features)
            return dp_fail_memory(err, "the features of one block", cells * part->rows.dim * sizeof *c->features);
        c->feature_room = cells;
    }
    dp_part_pick(part, features, cells, c->features);
    *picked = c->features;
    return DP_OK;
}

/* Adds a component's distances to the mean. */
static void add(dp_searcher *c, size_t i, size_t cells, uint8_t *grid_valid)
{
    double weight = c->list[i].weight;
    for (size_t cell = 0; cell < cells; cell++) {
        grid_valid[cell] = c->valid[cell] && (i == 0 || grid_valid[cell]);
        c->sum[cell] = (i == 0 ? 0 : c->sum[cell]) + weight * (double)c->grid[cell];
    }
}

static void conclude(const dp_searcher *c, size_t cells, float *grid, const uint8_t *grid_valid)
{
    for (size_t cell = 0; cell < cells; cell++)
        grid[cell] = grid_valid[cell] ? (float)c->sum[cell] : 0;
}

static dp_search search_of(const dp_searcher *c, size_t i, size_t rows, size_t cols, size_t leave_out)
{
    return (dp_search){.metric = c->metric,
                       .window = c->list[i].window,
                       .knn = c->knn,
                       .order = c->order,
                       .leave_out = leave_out,
                       .among = c->among_room ? c->among : NULL,
                       .isa = c->isa,
                       .rows = rows,
                       .cols = cols};
}

dp_search dp_searcher_search(const dp_searcher *c, size_t rows, size_t cols, size_t leave_out)
{
    return search_of(c, c->lead, rows, cols, leave_out);
}

/* Returns where component i writes: the caller gets the rows of the leading component. */
static dp_distances scratch_for(const dp_searcher *c, size_t i, const dp_distances *out)
{
    return (dp_distances){i == c->lead ? out->nearest : c->nearest, c->grid, c->valid};
}

dp_status dp_searcher_map(dp_searcher *c, const dp_cells *asked, dp_pool *pool, const dp_distances *out, dp_error *err)
{
    const dp_rows *bank = c->bank ? c->bank : c->list[0].rows;
    size_t rows = asked->band   ? asked->band
                  : asked->rows ? asked->rows
                                : bank->grid_rows,
           cells = rows * (asked->cols ? asked->cols : bank->grid_cols);
    const float *x = asked->features;
    if (c->bank)
        return dp_moment_map(&c->model, x, asked->valid, asked->top * bank->grid_cols, cells, pool, out, err);
    dp_status status = make_room(c, cells, err);
    if (!status && c->whole->vectors)
        status = make_room_among(c, 1, err);
    if (!status && c->whole->vectors)
        c->likeness = choose_pictures(c, 0, asked->vector, asked->leave_out);
    for (size_t i = 0; !status && i < c->n; i++) {
        const dp_part *part = &c->parts[c->list[i].block];
        dp_search search = search_of(c, i, asked->rows, asked->cols, asked->leave_out);
        const dp_distances found = is_plain(c) ? *out : scratch_for(c, i, out);
        search.top = asked->top;
        search.band = asked->band;
        if (i == 0 || c->list[i].block != c->list[i - 1].block)
            status = pick(c, part, asked->features, cells, &x, err);
        if (!status)
            status = dp_distance_map(&part->rows, x, asked->valid, &search, pool, &found, err);
        if (!status && !is_plain(c))
            add(c, i, cells, out->valid);
    }
    if (!status && !is_plain(c))
        conclude(c, cells, out->grid, out->valid);
    return status;
}

/* -------------------------------------------------------------------------------------------------- leave-one-out */

/* Reports the progress of one component as a part of the progress of all. */
struct share_of_progress {
    const dp_progress *all;
    size_t at, of;
};

static int pass_on(void *user, size_t done, size_t total)
{
    const struct share_of_progress *share = user;
    return share->all->report(share->all->user, (share->at * total + done) / share->of, total);
}

dp_status dp_searcher_leave_one_out(dp_searcher *c, size_t first, size_t n, dp_pool *pool, const dp_progress *progress,
                                    const dp_distances *out, dp_error *err)
{
    if (c->bank)
        return dp_moment_leave_one_out(&c->model, c->bank, first, n, pool, progress, out, err);
    size_t cells = dp_rows_cells(c->list[0].rows) * n;
    dp_status status = make_room(c, cells, err);
    if (!status && c->whole->vectors)
        status = make_room_among(c, n, err);
    for (size_t p = 0; !status && c->whole->vectors && p < n; p++)
        choose_pictures(c, p, c->whole->vectors + (first + p) * c->whole->n_vector, first + p);
    for (size_t i = 0; !status && i < c->n; i++) {
        const dp_search search = search_of(c, i, 0, 0, DP_NO_PICTURE);
        const dp_distances found = is_plain(c) ? *out : scratch_for(c, i, out);
        struct share_of_progress share = {progress, i, c->n};
        const dp_progress part = {pass_on, &share};
        status =
            dp_distance_leave_one_out(c->list[i].rows, first, n, &search, pool, progress ? &part : NULL, &found, err);
        if (!status && !is_plain(c))
            add(c, i, cells, out->valid);
    }
    if (!status && !is_plain(c))
        conclude(c, cells, out->grid, out->valid);
    return status;
}
