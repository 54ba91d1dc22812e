/* judge.c - post-processing and score. */
#include "run/judge.h"
#include "align/transform.h"
#include "base/error.h"
#include "base/memory.h"
#include "options/check.h"
#include "search/score.h"

#include <math.h>

dp_status dp_judge_open(const dp_post *post, dp_score score, dp_judge *judge, dp_error *err)
{
    dp_status status = dp_post_check(post, err);
    if (!status)
        *judge = (dp_judge){.post = *post, .score = score};
    return status;
}

void dp_judge_close(dp_judge *judge)
{
    dp_post_work_close(&judge->work);
    dp_memory_free(judge->scratch);
    *judge = (dp_judge){0};
}

static dp_status make_room(dp_judge *judge, size_t rows, size_t cols, dp_error *err)
{
    if (judge->scratch && judge->rows == rows && judge->cols == cols)
        return DP_OK;
    dp_post_work_close(&judge->work);
    dp_memory_free(judge->scratch);
    judge->rows = rows;
    judge->cols = cols;
    judge->scratch = dp_malloc_2d(rows, cols, sizeof *judge->scratch);
    if (!judge->scratch)
        return dp_fail_memory(err, "the score of a picture", rows * cols * sizeof *judge->scratch);
    return dp_post_active(&judge->post) ? dp_post_work_open(rows, cols, &judge->work, err) : DP_OK;
}

dp_status dp_judge_grid(dp_judge *judge, float *grid, const uint8_t *valid, size_t rows, size_t cols, double cell_px,
                        double *score, dp_error *err)
{
    dp_status status = make_room(judge, rows, cols, err);
    if (status)
        return status;
    if (dp_post_active(&judge->post))
        dp_post_run(&judge->post, grid, valid, rows, cols, cell_px, &judge->work, grid);
    *score = dp_score_cells(judge->score, grid, valid, rows * cols, judge->scratch);
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
