/* leave_one_out.c - what each good picture would score were it not in the bank, and the first threshold.
 *
 * For picture p with its own row x_p:  score_p = score( distance map of x_p against all rows of the pictures other than p ).
 * No picture is embedded again.  All pictures are compared cell by cell, so that a location's rows are read once for
 * MAX_QUERIES pictures and not once for each; the cost is n_pictures * n_rows * dim products a location searched.
 *
 * A coreset holds only some rows of each picture, those that differ most from the rest: its pictures are scored with all their
 * features, from the pool before it was cut, in the coreset without their own rows.
 *
 * The thresholds are order statistics, of these scores and of the largest distances in the maps (run/show.h), with no margin on top: see
 * dp_calibrate.  Each score has one
 * picture less to be near to than a new picture has, so that it errs, if at all, to the safe side (fewer false alarms). */
#include "run/leave_one_out.h"
#include "bank/origin.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "search/searcher.h"
#include "search/distance_scales.h"
#include "run/judge.h"
#include "search/reweight.h"
#include "run/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_PICTURES 64 /* whose maps are held at a time */

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
    dp_good_maps *maps;    /* NULL: only scores are wanted */
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
    const dp_recipe recipe = dp_bank_recipe_for(from, rows, cols);
    bool narrowed = dp_regions_any(&s->regions);
    if (narrowed) {
        dp_error why;
        memset(s->inside, 1, rows * cols);
        dp_status status = dp_regions_cells(&s->regions, &recipe, &from->poses[p], from->polarities[p], rows, cols, from->names[p],
                                            s->inside, &why);
        if (status) { /* another size than a fixed mask of the view: there is nothing to score */
            s->scores[p] = NAN;
            return DP_OK;
        }
        dp_grid_narrow(s->inside, rows * cols, grid, valid);
    }
    if (background)
        dp_grid_mask(&s->pictures->recipe, background, rows * cols, grid, valid);
    if (background && narrowed)
        dp_grid_narrow(s->inside, rows * cols, grid, valid);
    double cell_px = dp_cell_area_px(&recipe, &from->poses[p], rows, cols);
    dp_status status = dp_judge_grid(&s->judge, grid, valid, rows, cols, cell_px, &s->scores[p], err);
    return !status && s->maps ? dp_good_maps_add(s->maps, from, p, &s->regions, grid, valid, err) : status;
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

/* pictures: a bank with all features of the pictures whose rows `bank` is searched for. */
static dp_status score_all(const dp_bank *pictures, const dp_bank *bank, const dp_view *view, const dp_workers *with, dp_loo *found,
                           dp_error *err)
{
    dp_isa isa = with->isa;
    dp_pool *pool = with->pool;
    dp_good_maps maps = {0};
    if (!dp_bank_has_pictures(pictures))
        return dp_fail(err, DP_E_MISMATCH, "%s%sthe bank keeps %s: its pictures cannot be scored anew",
                       bank->path ? bank->path : "", bank->path ? ": " : "",
                       bank->recipe.kmeans ? "centres of k-means and no picture's own features"
                       : bank->recipe.coreset > 0 ? "a coreset and not all features of its pictures"
                                                  : "nothing of the background, which new pictures are inspected with");
    struct scoring s = {.bank = bank, .pictures = pictures, .view = view, .isa = isa, .pool = pool, .run = with->run, .scores = found->scores};
    dp_status status = dp_judge_open(&view->post, view->score, &s.judge, err);
    if (status)
        return status;
    size_t most = 0;
    for (size_t p = 0; p < bank->n_pictures; p++) {
        size_t rows, cols;
        dp_bank_picture_grid(bank, p, &rows, &cols);
        most = rows * cols > most ? rows * cols : most;
    }
    if (found->peaks) {
        status = dp_good_maps_open(pictures, pool, found->peaks, &maps, err);
        s.maps = &maps;
    }
    if (!status)
        status = dp_components_open(bank, view, isa, pool, &s.components, err);
    if (!status)
        status = dp_regions_open(bank, view, &s.regions, err);
    if (!status && dp_regions_any(&s.regions) && !(s.inside = dp_malloc(most, 1)))
        status = dp_fail_memory(err, "the region to inspect", most);
    if (!status)
        status = dp_bank_is_pool(bank) ? score_pool(&s, most, err) : score_grids(&s, most, err);
    if (!status && s.maps)
        found->heat = dp_good_maps_heat(&maps);
    dp_components_close(&s.components);
    dp_judge_close(&s.judge);
    dp_regions_close(&s.regions);
    dp_memory_free(s.inside);
    dp_good_maps_close(&maps);
    return status;
}

dp_status dp_leave_one_out(const dp_bank *bank, const dp_view *view, const dp_workers *with, dp_loo *found, dp_error *err)
{
    return score_all(bank, bank, view, with, found, err);
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
    dp_status status = dp_bank_find_scales(pictures, bank, isa, pool, err);
    if (status)
        return status;
    dp_view_init(bank, &view);
    const dp_workers with = {isa, pool, run};
    dp_loo found = {.scores = dp_malloc(bank->n_pictures, sizeof(double)), .peaks = dp_malloc(bank->n_pictures, sizeof(double))};
    status = found.scores && found.peaks ? score_all(pictures, bank, &view, &with, &found, err)
                                         : dp_fail_memory(err, "the leave-one-out scores", 2 * bank->n_pictures * sizeof(double));
    if (!status)
        status = dp_bank_set_good(bank, &found, false_alarms, err);
    dp_memory_free(found.scores);
    dp_memory_free(found.peaks);
    return status;
}

dp_status dp_bank_set_good(dp_bank *bank, const dp_loo *found, double *false_alarms, dp_error *err)
{
    dp_calibration of_scores, of_peaks;
    size_t n = bank->n_pictures;
    dp_status status = dp_calibrate(found->scores, n, bank->recipe.fpr, &of_scores, err);
    if (!status)
        status = dp_calibrate(found->peaks, n, bank->recipe.fpr, &of_peaks, err);
    if (status)
        return status;
    dp_bank_take_threshold(bank, &of_scores);
    bank->cell_threshold = of_peaks.threshold;
    bank->peaks_known = true;
    bank->heat = found->heat;
    memcpy(bank->loo_scores, found->scores, n * sizeof *found->scores);
    memcpy(bank->loo_peaks, found->peaks, n * sizeof *found->peaks);
    if (false_alarms)
        *false_alarms = of_scores.fpr;
    return DP_OK;
}
