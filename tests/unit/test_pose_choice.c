/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the ratio P that says whether places of the canvas mean something. */
#include "pipeline/pose_choice.h"
#include "base/isa.h"
#include "base/random.h"
#include "small_world.h"

#include <math.h>

enum { N = 6, ROWS = 9, COLS = 12, DIM = 16 };

struct pictures {
    float features[N][ROWS * COLS * DIM];
    uint8_t valid[N][ROWS * COLS];
    const float *f[N];
    const uint8_t *v[N];
};

/* One pattern in all of them, moved by `step` columns from picture to picture, and noise. */
static void draw(struct pictures *p, size_t step, float noise)
{
    float pattern[ROWS * COLS * DIM];
    dp_random random = dp_random_at(5, 0);
    for (size_t i = 0; i < ROWS * COLS * DIM; i++)
        pattern[i] = (float)dp_random_unit(&random);
    for (size_t n = 0; n < N; n++) {
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < COLS; c++)
                for (size_t d = 0; d < DIM; d++)
                    p->features[n][(r * COLS + c) * DIM + d] =
                        pattern[(r * COLS + (c + n * step) % COLS) * DIM + d] + noise * (float)dp_random_unit(&random);
        memset(p->valid[n], 1, sizeof p->valid[n]);
        p->f[n] = p->features[n];
        p->v[n] = p->valid[n];
    }
}

static double ratio(const struct pictures *p, size_t n, size_t threads)
{
    const dp_grids grids = {n, ROWS, COLS, DIM, p->f, p->v};
    dp_pool *pool = NULL;
    dp_isa isa;
    double found = 0;
    assert_ok(dp_isa_resolve(DP_ISA_AUTO, &isa, err));
    assert_ok(dp_pool_open(threads, &pool, err));
    assert_ok(dp_place_ratio(&grids, 0, isa, pool, &found, err));
    dp_pool_close(&pool);
    return found;
}

static void places_mean_something_or_nothing(void **state)
{
    (void)state;
    static struct pictures p;
    draw(&p, 0, 0.3f);
    double fixed = ratio(&p, N, 1);
    assert_true(fixed < 0.5);
    assert_memory_equal(&fixed, &(double){ratio(&p, N, 3)}, sizeof fixed);
    draw(&p, 5, 0.3f);
    double loose = ratio(&p, N, 1);
    assert_true(loose > 0.9 && loose < 1.1);
    assert_true(dp_pose_helps(fixed, loose) && dp_pose_is_clear(fixed, loose));
    assert_false(dp_pose_helps(loose, fixed));
    assert_true(dp_pose_is_clear(loose, fixed));
    assert_false(dp_pose_is_clear(0.95 * fixed, fixed));
    /* A shift within the window is none. */
    static struct pictures moved;
    draw(&moved, 1, 0.3f);
    assert_true(ratio(&moved, 2, 1) < 0.6);
}

static void cells_outside_do_not_count(void **state)
{
    (void)state;
    static struct pictures p;
    draw(&p, 0, 0.3f);
    double all = ratio(&p, N, 2);
    for (size_t n = 0; n < N; n++)
        for (size_t cell = 0; cell < COLS; cell++) { /* the first row lies outside, and holds nonsense */
            p.valid[n][cell] = 0;
            for (size_t d = 0; d < DIM; d++)
                p.features[n][cell * DIM + d] = 1000 * (float)(n + 1);
        }
    assert_float_equal(ratio(&p, N, 2), all, 0.1);
}

static void nothing_to_compare(void **state)
{
    (void)state;
    static struct pictures p;
    draw(&p, 0, 0);
    assert_true(isnan(ratio(&p, 1, 1)));
    assert_true(isnan(ratio(&p, N, 1))); /* all the same */
    assert_false(dp_pose_helps(NAN, 0.5) || dp_pose_helps(0.1, NAN));
    assert_true(dp_pose_may_help(NAN, 0.5) && dp_pose_may_help(0.1, NAN)); /* only P itself ends a search for it */
    assert_true(dp_pose_may_help(0.94, 1));
    assert_false(dp_pose_may_help(0.96, 1) || dp_pose_may_help(1.2, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(places_mean_something_or_nothing),
                                       cmocka_unit_test(cells_outside_do_not_count),
                                       cmocka_unit_test(nothing_to_compare)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
