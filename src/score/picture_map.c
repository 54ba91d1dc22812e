/* SPDX-License-Identifier: Apache-2.0 */
/* picture_map.c - maps in the picture, and the statistics of the good pictures' maps.
 *
 * Cell threshold: M_p is the largest value of the delivered map of good picture p, left out of the bank. It is one
 * exchangeable number for each picture. So dp_calibrate's quantile of M_1 .. M_n is a threshold that the map of the
 * next good picture exceeds anywhere with a probability of at most the bank's false-alarm rate.
 *
 * Heat scale: below the 95th percentile of the good cells a heat map shows the bare picture. The middle of the scale is
 * the largest distance in a good picture. So no good picture is red, and the cell threshold lies inside the scale. */
#include "score/picture_map.h"
#include "geometry/spaces.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"
#include "score/smooth.h"

#include <math.h>
#include <string.h>

#define HEAT_CELLS 0.95
#define MOST_PIXELS ((size_t)1 << 28) /* of a map */

static dp_affine canvas_to_picture(const dp_picture_map *show)
{
    const dp_recipe *recipe = show->recipe;
    bool turned = show->polarity < 0 && recipe->polarity == DP_POLARITY_ROTATE;
    return dp_canvas_to_picture(recipe, show->pose, turned);
}

bool dp_picture_map_crop(const dp_picture_map *show, double box[4])
{
    const dp_recipe *recipe = show->recipe;
    if (!recipe->edge_px)
        return false;
    const dp_resized r = dp_picture_to_resized(recipe, 0, show->pose->picture_height_px, show->pose->picture_width_px);
    if (!recipe->crop_px && r.width_px == recipe->canvas_width_px && r.height_px == recipe->canvas_height_px)
        return false;
    dp_affine map = canvas_to_picture(show);
    dp_affine_apply(&map, -0.5, -0.5, &box[0], &box[1]);
    dp_affine_apply(&map, (double)recipe->canvas_width_px - 0.5, (double)recipe->canvas_height_px - 0.5, &box[2],
                    &box[3]);
    for (size_t i = 0; i < 4; i++)
        box[i] += 0.5; /* borders of pixels, not centres */
    return true;
}

bool dp_picture_map_leaves_out(const dp_picture_map *show)
{
    double box[4];
    return show->background || dp_regions_any(show->regions) || dp_picture_map_crop(show, box);
}

static void mark_inspected(const dp_picture_map *show, const dp_projection *p, uint8_t *inspected)
{
    size_t height = show->pose->picture_height_px, width = show->pose->picture_width_px;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t cell;
            bool in = dp_projection_cell(p, x, y, &cell);
            inspected[y * width + x] = !in ? 0 : show->background && show->background[cell] ? 2 : 1;
        }
    dp_regions_pixels(show->regions, show->recipe, show->pose, show->polarity, inspected);
}

/* Clears the map where nothing was inspected. */
static void blank(const uint8_t *inspected, size_t pixels, float *map)
{
    for (size_t i = 0; i < pixels; i++)
        if (!inspected[i])
            map[i] = 0;
}

dp_status dp_picture_map_make(const dp_picture_map *show, const float *grid, const uint8_t *valid,
                              dp_projection *projection, float *map, uint8_t *inspected, dp_error *err)
{
    const dp_recipe *recipe = show->recipe;
    size_t height = show->pose->picture_height_px, width = show->pose->picture_width_px, pixels = height * width;
    bool mirrored = show->polarity < 0 && recipe->polarity == DP_POLARITY_MIRROR,
         left_out = dp_picture_map_leaves_out(show);
    dp_affine map_to = canvas_to_picture(show);
    dp_status status = dp_projection_init(projection, &map_to, recipe->canvas_height_px, recipe->canvas_width_px,
                                          show->rows, show->cols, mirrored, err);
    if (!status)
        status = dp_project(projection, grid, valid, height, width, show->pool, map, err);
    if (!status && left_out) {
        mark_inspected(show, projection, inspected);
        blank(inspected, pixels, map);
    }
    if (!status && recipe->map_sigma_px > 0) {
        status = dp_map_smooth(map, height, width, recipe->map_sigma_px, show->pool, err);
        if (!status && left_out)
            blank(inspected, pixels, map);
    }
    return status;
}

/* -------------------------------------------------------------------------------------------------- the good pictures */

dp_status dp_good_maps_open(const dp_bank *pictures, dp_pool *pool, double *peaks, dp_good_maps *maps, dp_error *err)
{
    size_t all = 0;
    for (size_t p = 0; p < pictures->pictures.n; p++) {
        all += dp_rows_picture_cells(&pictures->rows, p);
        peaks[p] = NAN;
    }
    *maps = (dp_good_maps){.pool = pool,
                           .peaks = peaks,
                           .n_pictures = pictures->pictures.n,
                           .room = all,
                           .cells = dp_malloc(all, sizeof(float))};
    return maps->cells ? DP_OK : dp_fail_memory(err, "the distances of the good pictures", all * sizeof(float));
}

void dp_good_maps_close(dp_good_maps *maps)
{
    dp_memory_free(maps->cells);
    dp_memory_free(maps->map);
    dp_memory_free(maps->inspected);
    *maps = (dp_good_maps){0};
}

static dp_status make_room(dp_good_maps *maps, size_t pixels, dp_error *err)
{
    if (pixels <= maps->pixels)
        return DP_OK;
    dp_memory_free(maps->map);
    dp_memory_free(maps->inspected);
    maps->map = dp_malloc(pixels, sizeof *maps->map);
    maps->inspected = dp_malloc(pixels, 1);
    maps->pixels = maps->map && maps->inspected ? pixels : 0;
    return maps->pixels ? DP_OK : dp_fail_memory(err, "the maps of the good pictures", pixels * sizeof *maps->map);
}

dp_status dp_good_maps_add(dp_good_maps *maps, const dp_bank *pictures, size_t p, const dp_regions *regions,
                           const float *grid, const uint8_t *valid, dp_error *err)
{
    const dp_pose *pose = &pictures->pictures.poses[p];
    const uint8_t *background = dp_bank_inspected_background(pictures, p);
    size_t rows, cols, pixels, first = maps->n_cells;
    dp_rows_picture_grid(&pictures->rows, p, &rows, &cols);
    const dp_recipe recipe = dp_bank_recipe_for(pictures, rows, cols);
    float peak = -1;
    for (size_t i = 0; i < rows * cols; i++)
        if (valid[i]) {
            peak = grid[i] > peak ? grid[i] : peak;
            if (!(background && background[i]))
                maps->cells[maps->n_cells++] = grid[i];
        }
    if (peak < 0)
        return DP_OK;
    if (dp_mul_size(pose->picture_height_px, pose->picture_width_px, &pixels) && pixels && pixels <= MOST_PIXELS
        && recipe.canvas_height_px) {
        const dp_picture_map show = {.recipe = &recipe,
                                     .pose = pose,
                                     .polarity = pictures->pictures.polarities[p],
                                     .rows = rows,
                                     .cols = cols,
                                     .background = background,
                                     .regions = regions,
                                     .pool = maps->pool};
        dp_projection projection;
        dp_status status = make_room(maps, pixels, err);
        if (!status)
            status = dp_picture_map_make(&show, grid, valid, &projection, maps->map, maps->inspected, err);
        if (status)
            return status;
        peak = 0;
        for (size_t i = 0; i < pixels; i++)
            peak = maps->map[i] > peak ? maps->map[i] : peak;
        maps->n_cells = first;
        for (size_t i = 0; i < rows * cols; i++)
            if (valid[i] && !(background && background[i])) {
                size_t x, y;
                dp_projection_pixel(&projection, i, pose->picture_height_px, pose->picture_width_px, &x, &y);
                maps->cells[maps->n_cells++] = maps->map[y * pose->picture_width_px + x];
            }
    }
    maps->peaks[p] = (double)peak;
    return DP_OK;
}

dp_interval dp_good_maps_heat(dp_good_maps *maps)
{
    size_t n = maps->n_cells;
    double middle = -1;
    for (size_t p = 0; p < maps->n_pictures; p++)
        middle = maps->peaks[p] > middle ? maps->peaks[p] : middle; /* a NaN fails this comparison */
    if (!n || middle < 0)
        return (dp_interval){NAN, NAN};
    double low = dp_quantile_f32(maps->cells, n, HEAT_CELLS);
    if (!(middle > low)) /* the good pictures hardly differ */
        return low > 0 ? (dp_interval){low, 2 * low} : (dp_interval){NAN, NAN};
    return (dp_interval){low, 2 * middle - low};
}
