/* SPDX-License-Identifier: Apache-2.0 */
/* map_scorer.c - post-processing and score. */
#include "score/map_scorer.h"
#include "base/error.h"
#include "base/memory.h"
#include "options/check.h"
#include "score/cell_score.h"

#include <math.h>

dp_status dp_map_scorer_open(const dp_post *post, dp_score score, dp_map_scorer *scorer, dp_error *err)
{
    dp_status status = dp_post_check(post, err);
    if (!status)
        *scorer = (dp_map_scorer){.post = *post, .score = score};
    return status;
}

void dp_map_scorer_close(dp_map_scorer *scorer)
{
    dp_post_work_close(&scorer->work);
    dp_memory_free(scorer->scratch);
    *scorer = (dp_map_scorer){0};
}

static dp_status make_room(dp_map_scorer *scorer, size_t rows, size_t cols, dp_error *err)
{
    if (scorer->scratch && scorer->rows == rows && scorer->cols == cols)
        return DP_OK;
    dp_post_work_close(&scorer->work);
    dp_memory_free(scorer->scratch);
    scorer->rows = rows;
    scorer->cols = cols;
    scorer->scratch = dp_malloc_2d(rows, cols, sizeof *scorer->scratch);
    if (!scorer->scratch)
        return dp_fail_memory(err, "the score of a picture", rows * cols * sizeof *scorer->scratch);
    return dp_post_active(&scorer->post) ? dp_post_work_open(rows, cols, &scorer->work, err) : DP_OK;
}

dp_status dp_map_scorer_run(dp_map_scorer *scorer, float *grid, const uint8_t *valid, size_t rows, size_t cols,
                            double cell_px, double *score, dp_error *err)
{
    dp_status status = make_room(scorer, rows, cols, err);
    if (status)
        return status;
    if (dp_post_active(&scorer->post))
        dp_post_run(&scorer->post, grid, valid, rows, cols, cell_px, &scorer->work, grid);
    *score = dp_score_cells(scorer->score, grid, valid, rows * cols, scorer->scratch);
    return DP_OK;
}

void dp_grid_mask(const dp_recipe *recipe, const uint8_t *background, size_t cells, float *grid, uint8_t *valid)
{
    for (size_t i = 0; i < cells; i++)
        if (background[i]) {
            grid[i] = 0;
            valid[i] = recipe->background_rule == DP_BACKGROUND_LIST;
        }
}
