/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the places of the tiles of a large canvas. */
#include "test.h"

#include "geometry/tiles.h"

#include <math.h>

/* METHODS: n, start and kept part of the tiles, written out once more. */
static void check_axis(size_t length, size_t tile)
{
    const dp_tile_axis axis = dp_tile_axis_of(length, tile);
    size_t p = axis.tile, o = axis.overlap, next = 0;
    assert_int_equal(p, tile < length ? tile : length);
    if (p < length)
        assert_int_equal(axis.n, (size_t)ceil((double)(length - p) / (double)(p - 2 * o)) + 1);
    else
        assert_int_equal(axis.n, 1);
    for (size_t i = 0; i < axis.n; i++) {
        size_t first = dp_tile_first(&axis, i), from = dp_tile_kept_first(&axis, i), end = dp_tile_kept_end(&axis, i);
        assert_int_equal(first, (size_t)floor((double)(i * (length - p)) / fmax(1, (double)axis.n - 1)));
        assert_int_equal(from, next); /* every cell once */
        assert_true(from >= first + (i ? o : 0) && end <= first + p - (i + 1 < axis.n ? o : 0) && end > from);
        next = end;
        for (size_t cell = from; cell < end; cell++) { /* no other tile has it nearer to its middle */
            double here = fabs((double)(2 * cell + 1) - (double)(2 * first + p));
            for (size_t k = i ? i - 1 : 0; k <= i + 1 && k < axis.n; k++) {
                size_t other = dp_tile_first(&axis, k);
                if (cell >= other && cell < other + p)
                    assert_true(here <= fabs((double)(2 * cell + 1) - (double)(2 * other + p)));
            }
        }
    }
    assert_int_equal(next, length);
}

static void every_cell_comes_from_its_most_central_tile(void **state)
{
    (void)state;
    for (size_t length = 1; length <= 130; length++)
        for (size_t tile = 1; tile <= 40; tile++)
            check_axis(length, tile);
    check_axis(1000, 64);
    check_axis(750, 64);
    check_axis(16384, 37);
    const dp_tiling tiling = dp_tiling_of(750, 1000, 64); /* 6,000 x 8,000 pixels in tiles of 512 */
    assert_int_equal(tiling.down.n, 16);
    assert_int_equal(tiling.across.n, 21);
    assert_int_equal(dp_tiling_count(&tiling), 336);
}

static void one_tile_is_the_whole(void **state)
{
    (void)state;
    for (size_t tile = 0; tile <= 70; tile += 35) {
        const dp_tiling tiling = dp_tiling_of(20, 35, tile);
        const dp_area area = dp_tile_area(&tiling, 0, 0), kept = dp_tile_kept(&tiling, 0, 0);
        assert_int_equal(dp_tiling_count(&tiling), 1);
        assert_true(area.top == 0 && area.left == 0 && area.height == 20 && area.width == 35);
        assert_memory_equal(&area, &kept, sizeof area);
    }
}

static void the_side_of_a_tile(void **state)
{
    (void)state;
    assert_int_equal(dp_tile_side(0, 16, 8, 16384), 512);
    assert_int_equal(dp_tile_side(0, 14, 14, 16384), 504);
    assert_int_equal(dp_tile_side(0, 16, 8, 1024), 256); /* 32 x 32 cells */
    assert_int_equal(dp_tile_side(519, 16, 8, 0), 512);
    assert_int_equal(dp_tile_side(520, 16, 8, 0), 528);
    assert_int_equal(dp_tile_side(1, 16, 8, 1), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_comes_from_its_most_central_tile),
        cmocka_unit_test(one_tile_is_the_whole),
        cmocka_unit_test(the_side_of_a_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
