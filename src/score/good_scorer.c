/* SPDX-License-Identifier: Apache-2.0 */
/* good_scorer.c - masks, scores and maps the good pictures of a bank. */
#include "score/good_scorer.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

dp_status dp_good_scorer_open(const dp_bank *pictures, const dp_scoring *scoring, const dp_roi *narrower, double *peaks,
                              dp_pool *pool, dp_good_scorer *scorer, dp_error *err)
{
    dp_good_scorer j = {.pictures = pictures, .keeps_maps = peaks != NULL};
    size_t most = dp_rows_most_cells(&pictures->rows);
    dp_status status = dp_map_scorer_open(&scoring->post, scoring->score, &j.scorer, err);
    if (!status && peaks)
        status = dp_good_maps_open(pictures, pool, peaks, &j.maps, err);
    if (!status)
        status = dp_regions_open(pictures, narrower, &j.regions, err);
    if (!status && dp_regions_any(&j.regions) && !(j.inside = dp_malloc(most, 1)))
        status = dp_fail_memory(err, "the region to inspect", most);
    if (status)
        dp_good_scorer_close(&j);
    else
        *scorer = j;
    return status;
}

void dp_good_scorer_close(dp_good_scorer *scorer)
{
    dp_map_scorer_close(&scorer->scorer);
    dp_regions_close(&scorer->regions);
    dp_good_maps_close(&scorer->maps);
    dp_memory_free(scorer->inside);
    *scorer = (dp_good_scorer){0};
}

dp_status dp_good_scorer_picture(dp_good_scorer *scorer, size_t p, float *grid, uint8_t *valid, double *score,
                                 dp_error *err)
{
    const dp_bank *from = scorer->pictures;
    const dp_bank_pictures *pictures = &from->pictures;
    const uint8_t *background = dp_bank_inspected_background(from, p);
    size_t rows, cols;
    dp_rows_picture_grid(&from->rows, p, &rows, &cols);
    const dp_recipe recipe = dp_bank_recipe_for(from, rows, cols);
    if (background)
        dp_grid_mask(&from->recipe, background, rows * cols, grid, valid);
    if (dp_regions_any(&scorer->regions)) {
        dp_error why;
        const dp_frame polar = {.recipe = &recipe,
                                .pose = &pictures->poses[p],
                                .polarity = pictures->polarities[p],
                                .rows = rows,
                                .cols = cols};
        memset(scorer->inside, 1, rows * cols);
        if (dp_regions_cells(&scorer->regions, &polar, pictures->names[p], scorer->inside, &why)) {
            *score = NAN; /* the picture does not have the size of a fixed mask, so there is nothing to score */
            return DP_OK;
        }
        dp_grid_narrow(scorer->inside, rows * cols, grid, valid);
    }
    const dp_frame frame = {.recipe = &recipe, .pose = &pictures->poses[p], .rows = rows, .cols = cols};
    double cell_px = dp_cell_area_px(&frame);
    dp_status status = dp_map_scorer_run(&scorer->scorer, grid, valid, rows, cols, cell_px, score, err);
    return !status && scorer->keeps_maps ? dp_good_maps_add(&scorer->maps, from, p, &scorer->regions, grid, valid, err)
                                         : status;
}

dp_interval dp_good_scorer_heat(dp_good_scorer *scorer)
{
    return dp_good_maps_heat(&scorer->maps);
}
