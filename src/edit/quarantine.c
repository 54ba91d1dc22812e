/* SPDX-License-Identifier: Apache-2.0 */
/* quarantine.c - rows of good pictures that answer no more. A row in quarantine is not valid, but keeps its features and its norm: that tells
 * it from one that has none (bank/rows.h). */
#include "base/error.h"
#include "base/memory.h"
#include "bank/bank.h"
#include "dinopatch/edit.h"
#include "edit/add.h"
#include "geometry/spaces.h"
#include "options/recipe_facts.h"

#include <math.h>
#include <string.h>

/* The rows of one picture, one after the other. */
struct walk {
    const dp_bank *bank;
    size_t picture, rows, cols; /* its grid */
    size_t first, n;            /* in a flat bank */
    size_t at;
    dp_affine maps[2]; /* grid to picture, of the picture and of its mirror */
    bool known;        /* the size of the picture */
};

static struct walk walk_of(const dp_bank *bank, size_t picture)
{
    struct walk walk = {.bank = bank, .picture = picture};
    const dp_pose *pose = &bank->pictures.poses[picture];
    dp_rows_picture_grid(&bank->rows, picture, &walk.rows, &walk.cols);
    if (bank->rows.flat)
        dp_rows_flat_range(&bank->rows, picture, &walk.first, &walk.n);
    else
        walk.n = walk.rows * walk.cols * bank->rows.rows_per_picture;
    const dp_recipe recipe = dp_bank_recipe_for(bank, walk.rows, walk.cols);
    walk.known = pose->picture_width_px && pose->picture_height_px && recipe.canvas_height_px;
    for (int mirrored = 0; walk.known && mirrored < 2; mirrored++) {
        const dp_frame frame = {&recipe, pose, bank->pictures.polarities[picture], mirrored, walk.rows, walk.cols};
        walk.maps[mirrored] = dp_grid_to_picture(&frame);
    }
    return walk;
}

/* One row: its place among all rows, and the centre of its cell in the picture; NaN: it was entered turned. */
struct row {
    size_t place;
    double x_px, y_px;
    const dp_affine *map;
};

static bool next_row(struct walk *walk, struct row *row)
{
    const dp_rows *rows = &walk->bank->rows;
    if (walk->at == walk->n)
        return false;
    size_t cells = walk->rows * walk->cols, version, cell;
    if (rows->flat) {
        row->place = walk->first + walk->at;
        version = (size_t)rows->row_cell[row->place] / cells;
        cell = (size_t)rows->row_cell[row->place] % cells;
    } else {
        version = walk->at % rows->rows_per_picture;
        cell = walk->at / rows->rows_per_picture;
        row->place = cell * rows->n_rows + walk->picture * rows->rows_per_picture + version;
    }
    walk->at++;
    row->x_px = row->y_px = NAN;
    row->map = NULL;
    if (walk->known && !(dp_version_turn(&walk->bank->recipe, version) > 0)) {
        row->map = &walk->maps[dp_version_is_mirrored(&walk->bank->recipe, version)];
        dp_affine_apply(row->map, (double)(cell % walk->cols), (double)(cell / walk->cols), &row->x_px, &row->y_px);
    }
    return true;
}

/* Whether a row has features. */
static bool is_held(const dp_rows *rows, size_t place)
{
    return rows->valid[place] || rows->norms[place] > 0;
}

static bool lies_in(const dp_box *box, double x, double y)
{
    return x >= box->x0_px && x <= box->x1_px && y >= box->y0_px && y <= box->y1_px;
}

/* Whether a row belongs to what was added of its picture. */
static bool was_added(const dp_bank *bank, size_t picture, const struct row *row)
{
    const dp_box *region = &bank->pictures.regions[picture];
    return isnan(region->x0_px) || lies_in(region, row->x_px, row->y_px);
}

int dp_bank_region(const dp_bank *bank, size_t picture, dp_box *box)
{
    *box = picture < bank->pictures.n ? bank->pictures.regions[picture] : (dp_box){NAN, NAN, NAN, NAN};
    return !isnan(box->x0_px);
}

void dp_bank_quarantined(const dp_bank *bank, size_t picture, size_t *n_rows, size_t *n_all, dp_box *box)
{
    dp_box around = {INFINITY, INFINITY, -INFINITY, -INFINITY};
    *n_rows = *n_all = 0;
    if (picture < bank->pictures.n && dp_bank_has_pictures(bank)) {
        struct walk walk = walk_of(bank, picture);
        for (struct row row; next_row(&walk, &row);) {
            if (!was_added(bank, picture, &row))
                continue;
            bool away = is_held(&bank->rows, row.place) && !bank->rows.valid[row.place];
            *n_all += is_held(&bank->rows, row.place);
            *n_rows += away;
            if (!away || !row.map)
                continue;
            double x = (fabs(row.map->xu) + fabs(row.map->xv)) / 2, y = (fabs(row.map->yu) + fabs(row.map->yv)) / 2;
            around = (dp_box){fmin(around.x0_px, row.x_px - x), fmin(around.y0_px, row.y_px - y),
                              fmax(around.x1_px, row.x_px + x), fmax(around.y1_px, row.y_px + y)};
        }
    }
    *box = around.x0_px <= around.x1_px ? around : (dp_box){NAN, NAN, NAN, NAN};
}

static bool is_whole(const dp_box *box)
{
    return box->x0_px == -INFINITY && box->y0_px == -INFINITY && box->x1_px == INFINITY && box->y1_px == INFINITY;
}

/* Of a picture only a box was added; of what was added before, the part in it. */
static void set_region(dp_box *region, const dp_box *box, const dp_pose *pose)
{
    if (isnan(region->x0_px))
        *region = (dp_box){0, 0, (double)pose->picture_width_px, (double)pose->picture_height_px};
    region->x0_px = fmin(fmax(region->x0_px, box->x0_px), region->x1_px);
    region->y0_px = fmin(fmax(region->y0_px, box->y0_px), region->y1_px);
    region->x1_px = fmax(fmin(region->x1_px, box->x1_px), region->x0_px);
    region->y1_px = fmax(fmin(region->y1_px, box->y1_px), region->y0_px);
}

static dp_status change_place(dp_bank *bank, const dp_bank_place *place, dp_error *err)
{
    if (place->picture >= bank->pictures.n)
        return dp_fail(err, DP_E_ARGUMENT, "there is no picture %zu in a bank of %zu", place->picture,
                       bank->pictures.n);
    const char *name = bank->pictures.names[place->picture];
    bool whole = is_whole(&place->box);
    if (!whole && bank->recipe.rotations > 1)
        return dp_fail(err, DP_E_UNSUPPORTED,
                       "%s was also entered turned, and where a place lies in it then is not recorded; remove the "
                       "picture instead",
                       name);
    struct walk walk = walk_of(bank, place->picture);
    if (!whole && !walk.known)
        return dp_fail(err, DP_E_MISMATCH, "%s: the bank does not know its size, so a place in it cannot be found",
                       name);
    size_t n = 0;
    for (struct row row; next_row(&walk, &row);) {
        if (!is_held(&bank->rows, row.place) || !(bank->rows.norms[row.place] > 0)
            || (place->release && !was_added(bank, place->picture, &row))
            || (!whole && lies_in(&place->box, row.x_px, row.y_px) == (place->outside != 0)))
            continue;
        bank->memory.valid[row.place] = place->release != 0;
        n++;
    }
    if (!n)
        return dp_fail(err, DP_E_ARGUMENT, "%s: no cell of it has its centre %s %g,%g to %g,%g", name,
                       place->outside ? "outside" : "in", place->box.x0_px, place->box.y0_px, place->box.x1_px,
                       place->box.y1_px);
    if (place->outside && !place->release && !whole)
        set_region(&bank->pictures.regions[place->picture], &place->box, &bank->pictures.poses[place->picture]);
    return DP_OK;
}

/* A cell for which no row answers is not inspected any more, and nobody would notice. */
static dp_status check_answered(const dp_bank *before, const dp_bank *bank, dp_error *err)
{
    const dp_rows *rows = &bank->rows;
    for (size_t cell = 0; cell < dp_rows_cells(rows); cell++) {
        const size_t first = cell * rows->n_rows;
        if (memchr(before->rows.valid + first, 1, rows->n_rows) && !memchr(rows->valid + first, 1, rows->n_rows))
            return dp_fail(err, DP_E_ARGUMENT,
                           "no row would be left for row %zu, column %zu of the grid, and new pictures would not be "
                           "inspected there; add good pictures first",
                           cell / rows->grid_cols + 1, cell % rows->grid_cols + 1);
    }
    return DP_OK;
}

dp_status dp_bank_quarantine(const dp_bank *bank, const dp_bank_place *places, size_t n, const dp_run *given_run,
                             dp_bank **changed, dp_error *err)
{
    dp_run run;
    dp_pool *pool = NULL;
    dp_bank *made = NULL;
    dp_bank_pick *picks = dp_malloc(bank->pictures.n, sizeof *picks);
    dp_status status = picks ? dp_bank_needs_pictures(bank, err)
                             : dp_fail_memory(err, "the pictures", bank->pictures.n * sizeof *picks);
    for (size_t p = 0; !status && p < bank->pictures.n; p++)
        picks[p] = (dp_bank_pick){bank, p, false};
    if (!status)
        status = dp_edit_begin(given_run, &run, &pool, err);
    if (!status)
        status = dp_bank_assemble_within(bank, picks, bank->pictures.n, NULL, &run, &made, err);
    for (size_t i = 0; i < n && !status; i++)
        status = change_place(made, &places[i], err);
    if (!status)
        status = check_answered(bank, made, err);
    if (!status)
        status = dp_bank_score_again(made, bank, pool, &run, err);
    if (!status)
        status = dp_bank_check_unchanged(bank, err);
    if (!status)
        *changed = made;
    else
        dp_bank_close(&made);
    dp_pool_close(&pool);
    dp_memory_free(picks);
    return status;
}
