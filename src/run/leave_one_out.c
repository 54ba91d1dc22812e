/* leave_one_out.c - what each good picture would score were it not in the bank, and the first threshold.
 *
 * For picture p with its own row x_p:  score_p = score( distance map of x_p against all rows of the pictures other than p ).
 * No picture is embedded again.  All pictures are compared cell by cell, so that a location's rows are read once for
 * MAX_QUERIES pictures and not once for each; the cost is n_pictures * n_rows * dim products a location searched.
 *
 * A coreset holds only some rows of each picture, those that differ most from the rest: its pictures are scored with all their
 * features, from the pool before it was cut, in the coreset without their own rows.
 *
 * Heat scale: below the 95th percentile of the good cells a heat map shows the bare picture; its middle is the largest distance that a
 * good picture showed, so that no good picture is red, and a threshold on single cells lies inside the scale.
 *
 * The threshold is an order statistic of these scores with no margin on top: see dp_calibrate.  Each score has one
 * picture less to be near to than a new picture has, so that it errs, if at all, to the safe side (fewer false alarms). */
#include "run/leave_one_out.h"
#include "bank/origin.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "distance/components.h"
#include "distance/distance_scales.h"
#include "run/judge.h"
#include "run/region.h"
#include "run/reweight.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PICTURES 64 /* whose maps are held at a time */
#define HEAT_CELLS 0.95
#define HEAT_PEAKS 1.0

struct scoring {
    const dp_bank *bank;     /* that is searched */
    const dp_bank *pictures; /* whose pictures are scored: the same, or the one it was cut from */
    const dp_view *view;
    dp_isa isa;
    dp_pool *pool;
    const dp_run *run;
    dp_judge judge;
    dp_regions regions;
    uint8_t *inside;       /* cells of a picture that are in the regions */
    dp_components components; /* of the view */
    double *scores;
    float *cells, *peaks;  /* all valid distances; [n_pictures] the largest of each; NULL: no heat scale is wanted */
    size_t n_cells, n_peaks;
    size_t done_before, total; /* progress */
};

static int report(void *user, size_t done, size_t total)
{
    const struct scoring *s = user;
    (void)total;
    if (!s->run || !s->run->progress)
        return 0;
    return s->run->progress(s->run->user, "leave one out", s->done_before + done, s->total);
}

/* Distances grid [rows, cols] of picture p become its score. */
static dp_status score_picture(struct scoring *s, size_t p, float *grid, uint8_t *valid, size_t rows, size_t cols, dp_error *err)
{
    const uint8_t *background = dp_bank_inspected_background(s->pictures, p);
    const dp_bank *from = s->pictures;
    bool narrowed = dp_regions_any(&s->regions);
    if (narrowed) {
        dp_error why;
        memset(s->inside, 1, rows * cols);
        dp_status status = dp_regions_cells(&s->regions, &s->bank->recipe, &from->poses[p], from->polarities[p], rows, cols, from->names[p],
                                            s->inside, &why);
        if (status) { /* another size than a fixed mask of the view: there is nothing to score */
            s->scores[p] = NAN;
            return DP_OK;
        }
        dp_grid_narrow(s->inside, rows * cols, grid, valid);
    }
    if (s->cells) {
        float peak = -1;
        for (size_t i = 0; i < rows * cols; i++)
            if (valid[i] && !(background && background[i])) {
                s->cells[s->n_cells++] = grid[i];
                peak = grid[i] > peak ? grid[i] : peak;
            }
        if (peak >= 0)
            s->peaks[s->n_peaks++] = peak;
    }
    if (background)
        dp_grid_mask(&s->pictures->recipe, background, rows * cols, grid, valid);
    if (background && narrowed)
        dp_grid_narrow(s->inside, rows * cols, grid, valid);
    double cell_px = dp_cell_area_px(&s->bank->recipe, &s->bank->poses[p], rows, cols);
    return dp_judge_grid(&s->judge, grid, valid, rows, cols, cell_px, &s->scores[p], err);
}

/* Pictures of a pool may have grids of their own: one after the other. */
static dp_status score_pool(struct scoring *s, size_t most, dp_error *err)
{
    const dp_bank *bank = s->bank;
    const dp_view *view = s->view;
    size_t count, values;
    bool fits = dp_mul_size(most, view->knn, &count) && dp_mul_size(most, bank->dim, &values);
    dp_neighbour *nearest = fits ? dp_malloc(count, sizeof *nearest) : NULL;
    float *features = fits ? dp_malloc(values, sizeof *features) : NULL, *grid = dp_malloc(most, sizeof *grid);
    uint8_t *valid = dp_malloc(most, 2);
    dp_status status = DP_OK;
    if (!nearest || !features || !grid || !valid)
        status = dp_fail_memory(err, "the leave-one-out scores", most * bank->dim * sizeof *features);
    s->total = bank->n_pictures;
    for (size_t p = 0; !status && p < bank->n_pictures; p++) {
        dp_search search = {.metric = view->metric, .window = view->window, .knn = view->knn, .leave_out = p, .isa = s->isa};
        double factor = 1;
        dp_bank_picture_grid(bank, p, &search.rows, &search.cols);
        dp_bank_get(s->pictures, p, 0, features, valid);
        status = dp_components_map(&s->components, features, valid, search.rows, search.cols, p, s->pool, nearest, grid, valid + most, err);
        if (status == DP_E_NUMERIC)
            dp_error_prefix(err, status, "%s", bank->names[p]);
        if (!status)
            status = score_picture(s, p, grid, valid + most, search.rows, search.cols, err);
        if (!status && dp_reweighs(view))
            status = dp_reweight(bank, features, nearest, grid, valid + most, search.rows * search.cols, &search, view->reweight, s->pool,
                                 &factor, err);
        if (!status)
            s->scores[p] *= factor;
        if (!status && report(s, p + 1, 0))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while the good pictures were compared with one another");
    }
    dp_memory_free(nearest);
    dp_memory_free(features);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

static dp_status score_grids(struct scoring *s, size_t cells, dp_error *err)
{
    const dp_bank *bank = s->bank;
    const dp_view *view = s->view;
    size_t chunk = bank->n_pictures < CHUNK_PICTURES ? bank->n_pictures : CHUNK_PICTURES, count, neighbours;
    bool fits = dp_mul_size(cells, chunk, &count) && dp_mul_size(count, view->knn, &neighbours);
    dp_neighbour *nearest = fits ? dp_malloc(neighbours, sizeof *nearest) : NULL;
    float *grid = fits ? dp_malloc(count, sizeof *grid) : NULL;
    uint8_t *valid = fits ? dp_malloc(count, 1) : NULL;
    dp_status status = DP_OK;
    if (!nearest || !grid || !valid)
        status = dp_fail_memory(err, "the leave-one-out scores", chunk * cells * view->knn * sizeof *nearest);
    s->total = bank->n_pictures * cells;
    for (size_t first = 0; !status && first < bank->n_pictures; first += chunk) {
        size_t n = bank->n_pictures - first < chunk ? bank->n_pictures - first : chunk;
        s->done_before = first * cells;
        status = dp_components_leave_one_out(&s->components, first, n, s->pool, report, s, nearest, grid, valid, err);
        if (status == DP_E_NUMERIC) { /* whose? */
            size_t p = first;
            while (p + 1 < first + n
                   && !dp_components_leave_one_out(&s->components, p, 1, s->pool, NULL, NULL, nearest, grid, valid, NULL))
                p++;
            dp_error_prefix(err, status, "%s", bank->names[p]);
        }
        for (size_t p = 0; !status && p < n; p++)
            status = score_picture(s, first + p, grid + p * cells, valid + p * cells, bank->grid_rows, bank->grid_cols, err);
    }
    dp_memory_free(nearest);
    dp_memory_free(grid);
    dp_memory_free(valid);
    return status;
}

static dp_interval heat_scale(struct scoring *s)
{
    if (!s->n_cells)
        return (dp_interval){NAN, NAN};
    double low = dp_quantile_f32(s->cells, s->n_cells, HEAT_CELLS), middle = dp_quantile_f32(s->peaks, s->n_peaks, HEAT_PEAKS);
    if (!(middle > low)) /* good pictures that hardly differ */
        return low > 0 ? (dp_interval){low, 2 * low} : (dp_interval){NAN, NAN};
    return (dp_interval){low, 2 * middle - low};
}

/* pictures: a bank with all features of the pictures whose rows `bank` is searched for. */
static dp_status score_all(const dp_bank *pictures, const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool, const dp_run *run,
                           double *scores, dp_interval *heat, dp_error *err)
{
    if (!dp_bank_has_pictures(pictures))
        return dp_fail(err, DP_E_MISMATCH, "%s%sthe bank keeps %s: its pictures cannot be scored anew",
                       bank->path ? bank->path : "", bank->path ? ": " : "",
                       bank->recipe.kmeans ? "centres of k-means and no picture's own features"
                       : bank->recipe.coreset > 0 ? "a coreset and not all features of its pictures"
                                                  : "nothing of the background, which new pictures are inspected with");
    struct scoring s = {.bank = bank, .pictures = pictures, .view = view, .isa = isa, .pool = pool, .run = run, .scores = scores};
    dp_status status = dp_judge_open(&view->post, view->score, &s.judge, err);
    if (status)
        return status;
    size_t most = 0, all = 0;
    for (size_t p = 0; p < bank->n_pictures; p++) {
        size_t rows, cols;
        dp_bank_picture_grid(bank, p, &rows, &cols);
        most = rows * cols > most ? rows * cols : most;
        all += rows * cols;
    }
    if (heat) {
        s.cells = dp_malloc(all, sizeof *s.cells);
        s.peaks = dp_malloc(bank->n_pictures, sizeof *s.peaks);
        if (!s.cells || !s.peaks)
            status = dp_fail_memory(err, "the distances of the good pictures", all * sizeof *s.cells);
    }
    if (!status)
        status = dp_components_open(bank, view, isa, pool, &s.components, err);
    if (!status)
        status = dp_regions_open(bank, view, &s.regions, err);
    if (!status && dp_regions_any(&s.regions) && !(s.inside = dp_malloc(most, 1)))
        status = dp_fail_memory(err, "the region to inspect", most);
    if (!status)
        status = dp_bank_is_pool(bank) ? score_pool(&s, most, err) : score_grids(&s, most, err);
    if (!status && heat)
        *heat = heat_scale(&s);
    dp_components_close(&s.components);
    dp_judge_close(&s.judge);
    dp_regions_close(&s.regions);
    dp_memory_free(s.inside);
    dp_memory_free(s.cells);
    dp_memory_free(s.peaks);
    return status;
}

dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, dp_isa isa, dp_pool *pool, const dp_run *run, double *scores,
                           dp_interval *heat, dp_error *err)
{
    return score_all(bank, bank, view, isa, pool, run, scores, heat, err);
}

dp_status dp_bank_find_scales(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, dp_error *err)
{
    dp_view view;
    dp_distance_scales_none(&bank->recipe, &bank->distance_scales);
    dp_view_init(bank, &view);
    dp_status status = dp_view_settle_in(pictures, &view, isa, pool, err);
    if (!status)
        bank->distance_scales = view.scales;
    return status;
}

dp_status dp_bank_leave_one_out(dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run, double *false_alarms, dp_error *err)
{
    return dp_bank_leave_one_out_of(bank, bank, isa, pool, run, false_alarms, err);
}

dp_status dp_bank_leave_one_out_of(const dp_bank *pictures, dp_bank *bank, dp_isa isa, dp_pool *pool, const dp_run *run,
                                   double *false_alarms, dp_error *err)
{
    dp_view view;
    dp_interval heat;
    dp_calibration found = {0};
    dp_status status = dp_bank_find_scales(pictures, bank, isa, pool, err);
    if (status)
        return status;
    dp_view_init(bank, &view);
    double *scores = dp_malloc(bank->n_pictures, sizeof *scores);
    if (!scores)
        return dp_fail_memory(err, "the leave-one-out scores", bank->n_pictures * sizeof *scores);
    status = score_all(pictures, bank, &view, isa, pool, run, scores, &heat, err);
    if (!status)
        status = dp_calibrate(scores, bank->n_pictures, bank->recipe.fpr, &found, err);
    if (!status) {
        dp_bank_take_threshold(bank, &found);
        if (false_alarms)
            *false_alarms = found.fpr;
        for (size_t p = 0; p < bank->n_pictures; p++)
            bank->loo_scores[p] = scores[p];
        bank->heat = heat;
    }
    dp_memory_free(scores);
    return status;
}
