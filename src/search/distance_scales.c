/* SPDX-License-Identifier: Apache-2.0 */
/* distance_scales.c - makes distances of different kinds comparable.
 *
 * The distance of a cell to all cells is smaller than that to its own cell, and features of one block of a transformer
 * are larger than those of another. The scale of a kind of distance is the SHARE quantile of the leave-one-out
 * distances of the good pictures' cells. The quantile is high, because decisions fall in the upper tail, and because
 * many cells show background on which good pictures hardly differ.
 *
 * MAX_SAMPLES cells are enough for a quantile. The bank's rows are counted picture by picture and cut into so many
 * equal stretches; a fixed seed draws one row from each stretch. */
#include "search/distance_scales.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/statistics.h"
#include "search/distance.h"
#include "search/global.h"
#include "search/part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SAMPLES ((size_t)4096)
#define SHARE 0.99

struct sample {
    size_t picture, cell, row; /* a cell of the bank and a row of it */
};

struct sampling {
    struct sample *samples; /* [n], picture by picture */
    size_t n;
    dp_search search;
    dp_pool *pool;
    float *values; /* [n] distances found */
    size_t n_values;
};

/* ----------------------------------------------------------------------------------------------------- the sample */

/* Draws the row of stretch i of `wanted`. */
static size_t draw(size_t i, size_t total, size_t wanted)
{
    dp_random random = dp_random_at(0, i);
    return (size_t)(((double)i + dp_random_unit(&random)) * (double)total / (double)wanted);
}

/* Takes MAX_SAMPLES of the rows of the pictures themselves, without augmentations, or one or two less; all if there are
 * no more. Returns their number; samples [MAX_SAMPLES]. */
static size_t take_samples(const dp_rows *bank, struct sample *samples)
{
    size_t total = 0, taken = 0;
    for (int pass = 0; pass < 2; pass++) { /* the first pass only counts them */
        const size_t wanted = total < MAX_SAMPLES ? total : MAX_SAMPLES;
        size_t seen = 0, at = wanted ? draw(0, total, wanted) : 0;
        for (size_t p = 0; p < bank->n_pictures; p++) {
            size_t rows, cols, first = p * bank->rows_per_picture, n = dp_rows_cells(bank);
            dp_rows_picture_grid(bank, p, &rows, &cols);
            if (bank->row_cell)
                dp_rows_flat_range(bank, p, &first, &n);
            for (size_t i = 0; i < n; i++) {
                struct sample s = bank->row_cell ? (struct sample){p, 0, first + i} : (struct sample){p, i, first};
                if (!bank->valid[s.cell * bank->n_rows + s.row]
                    || (bank->row_cell && (size_t)bank->row_cell[s.row] >= rows * cols))
                    continue;
                if (taken < wanted && seen >= at) {
                    samples[taken++] = s;
                    at = draw(taken, total, wanted);
                }
                seen++;
            }
        }
        total = seen;
    }
    return taken;
}

/* -------------------------------------------------------------------------------------------------- the distances */

/* Finds the distances within the window, or in a flat bank. The sampled cells of each picture form a picture whose
 * other cells are not valid. */
static dp_status find_local(const dp_part *part, struct sampling *s, dp_error *err)
{
    const dp_rows *bank = &part->rows;
    const size_t cells = dp_rows_cells(bank);
    float *features, *grid;
    dp_neighbour *nearest;
    uint8_t *valid;
    const dp_need needs[] = {{&features, cells, bank->dim, sizeof *features},
                             {&grid, cells, 1, sizeof *grid},
                             {&nearest, cells, s->search.knn, sizeof *nearest},
                             {&valid, cells, 2, 1}};
    dp_status status = dp_memory_take(needs, sizeof needs / sizeof *needs, "a sample of the good pictures", err);
    if (status)
        return status;
    memset(features, 0, cells * bank->dim * sizeof *features);
    s->n_values = 0;
    for (size_t begin = 0, end; !status && begin < s->n; begin = end) {
        size_t p = s->samples[begin].picture;
        s->search.leave_out = p;
        memset(valid, 0, cells);
        for (end = begin; end < s->n && s->samples[end].picture == p; end++) {
            size_t cell = s->samples[end].cell;
            dp_rows_widen(bank, cell, s->samples[end].row, 1, features + cell * bank->dim);
            valid[cell] = 1;
        }
        status = dp_distance_map(bank, features, valid, &s->search, s->pool,
                                 &(dp_distances){nearest, grid, valid + cells}, err);
        for (size_t i = begin; !status && i < end; i++)
            if (valid[cells + s->samples[i].cell])
                s->values[s->n_values++] = grid[s->samples[i].cell];
    }
    dp_memory_free(features);
    dp_memory_free(grid);
    dp_memory_free(nearest);
    dp_memory_free(valid);
    return status;
}

/* Finds the distances in the whole bank, for all samples at once. */
static dp_status find_global(const dp_part *part, struct sampling *s, dp_error *err)
{
    const dp_rows *bank = &part->rows;
    float *features;
    dp_neighbour *nearest;
    dp_query *queries;
    atomic_bool not_finite = false;
    const dp_need needs[] = {{&features, s->n, bank->dim, sizeof *features},
                             {&nearest, s->n, s->search.knn, sizeof *nearest},
                             {&queries, s->n, 1, sizeof *queries}};
    dp_status status = dp_memory_take(needs, sizeof needs / sizeof *needs, "a sample of the good pictures", err);
    if (status)
        return status;
    for (size_t i = 0; !status && i < s->n; i++) {
        float *x = features + i * bank->dim;
        dp_rows_widen(bank, s->samples[i].cell, s->samples[i].row, 1, x);
        queries[i] = (dp_query){x,
                                dp_inverse_norm(s->search.metric, x, bank->dim),
                                0,
                                0,
                                s->samples[i].picture,
                                nearest + i * s->search.knn};
        dp_neighbours_clear(queries[i].nearest, s->search.knn);
    }
    if (!status)
        status = dp_search_global(bank, &s->search, queries, s->n, s->pool, &not_finite, err);
    if (!status && not_finite)
        status = dp_fail(err, DP_E_NUMERIC,
                         "a distance between good pictures is not finite: the bank's features are damaged");
    s->n_values = 0;
    for (size_t i = 0; !status && i < s->n; i++)
        s->n_values +=
            dp_neighbours_conclude(s->search.metric, queries[i].nearest, s->search.knn, &s->values[s->n_values]) > 0;
    dp_memory_free(features);
    dp_memory_free(nearest);
    dp_memory_free(queries);
    return status;
}

static dp_status conclude(struct sampling *s, double *scale, dp_error *err)
{
    *scale = s->n_values ? dp_quantile_f32(s->values, s->n_values, SHARE) : 0;
    if (*scale > 0)
        return DP_OK;
    *scale = (double)NAN;
    return dp_fail(err, DP_E_MISMATCH,
                   "the good pictures %s, so their distances give no scale for blending distances or blocks",
                   s->n_values ? "do not differ from each other" : "have no cell in common");
}

static dp_status find(const dp_rows *bank, size_t block, bool global, struct sampling *s, dp_distance_scales *scales,
                      dp_error *err)
{
    dp_part part;
    bool flat = bank->flat, look_global = global && !(scales->global[block] > 0);
    dp_status status = dp_part_open(bank, block, true, s->pool, &part, err);
    if (status)
        return status;
    if (!(scales->local[block] > 0)) {
        status = flat ? find_global(&part, s, err) : find_local(&part, s, err);
        if (!status)
            status = conclude(s, &scales->local[block], err);
    }
    if (!status && look_global) {
        status = find_global(&part, s, err);
        if (!status)
            status = conclude(s, &scales->global[block], err);
    }
    dp_part_close(&part);
    return status;
}

static dp_status find_all(const dp_rows *bank, uint64_t blocks, bool global, struct sampling *s,
                          dp_distance_scales *scales, dp_error *err)
{
    if (!bank->complete || bank->n_pictures < 2)
        return dp_fail(err, DP_E_MISMATCH, "blending needs the distances between good pictures, but the bank holds %s",
                       bank->complete ? "one picture" : "not all features of its pictures; set search.blend in fit");
    const dp_need needs[] = {{&s->samples, MAX_SAMPLES, 1, sizeof *s->samples},
                             {&s->values, MAX_SAMPLES, 1, sizeof *s->values}};
    dp_status status = dp_memory_take(needs, 2, "a sample of the good pictures", err);
    if (status)
        return status;
    s->n = take_samples(bank, s->samples);
    if (!s->n)
        return dp_fail(err, DP_E_MISMATCH,
                       "no cell of the good pictures is valid, so there is no scale for blending distances or blocks");
    for (size_t b = 0; !status && b < bank->blocks; b++)
        if (!blocks || blocks >> b & 1)
            status = find(bank, b, global, s, scales, err);
    return status;
}

dp_status dp_distance_scales_find(const dp_rows *bank, uint64_t blocks, bool global, dp_isa isa, dp_pool *pool,
                                  dp_distance_scales *scales, dp_error *err)
{
    bool complete = true;
    for (size_t b = 0; b < bank->blocks; b++)
        if (!blocks || blocks >> b & 1)
            complete = complete && scales->local[b] > 0 && (!global || scales->global[b] > 0);
    if (complete)
        return DP_OK;
    struct sampling s = {.search = {.metric = scales->metric, .window = scales->window, .knn = scales->knn},
                         .pool = pool};
    dp_status status = dp_isa_resolve(isa, &s.search.isa, err);
    if (!status)
        status = find_all(bank, blocks, global, &s, scales, err);
    dp_memory_free(s.samples);
    dp_memory_free(s.values);
    return status == DP_E_MISMATCH && bank->name ? dp_error_prefix(err, status, "%s", bank->name) : status;
}
