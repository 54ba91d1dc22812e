/* map_scorer.c - post-processing and score. */
#include "score/map_scorer.h"
#include "geometry/transform.h"
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

double dp_cell_area_px(const dp_recipe *recipe, const dp_pose *pose, size_t rows, size_t cols)
{
    size_t height = recipe->canvas_height_px, width = recipe->canvas_width_px;
    if (pose->status != DP_ALIGN_OK && !recipe->edge_px) /* the grid covers the whole picture */
        return (double)pose->picture_height_px * (double)pose->picture_width_px / ((double)rows * (double)cols);
    dp_affine map =
        dp_recipe_transform(recipe, pose, 0, height, width, pose->picture_height_px, pose->picture_width_px);
    double canvas_pixel = fabs(map.xu * map.yv - map.xv * map.yu);
    return canvas_pixel * (double)height * (double)width / ((double)rows * (double)cols);
}
