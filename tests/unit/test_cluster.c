/* SPDX-License-Identifier: Apache-2.0 */
/* Tests groups of similar features: research/cluster.c. */
#include "bank_fixture.h"
#include "research/cluster.h"

#include <math.h>

enum { N = 300, DIM = 37 };

/* Makes three clouds far apart, of 150, 100 and 50 vectors, mixed: vector i belongs to cloud of[i]. */
static float *clouds(uint32_t of[N])
{
    uint64_t seed = 3, centres_seed = 9;
    float *centres = random_floats(3 * DIM, &centres_seed), *x = dp_malloc(N * DIM, sizeof *x);
    for (size_t i = 0; i < N; i++) {
        of[i] = i % 6 == 0 ? 2 : i % 6 < 3 ? 1 : 0;
        for (size_t d = 0; d < DIM; d++)
            x[i * DIM + d] = 20 * centres[of[i] * DIM + d] + uniform(&seed);
    }
    dp_memory_free(centres);
    return x;
}

static void clouds_come_apart(void **state)
{
    (void)state;
    uint32_t of[N], labels[N], again[N];
    float *x = clouds(of);
    for (uint32_t seed = 0; seed < 5; seed++) {
        cluster_tokens(x, N, DIM, 3, seed, labels);
        assert_memory_equal(labels, of, sizeof of); /* the largest is number 0 */
        cluster_tokens(x, N, DIM, 3, seed, again);
        assert_memory_equal(labels, again, sizeof again);
    }
    cluster_tokens(x, N, DIM, 9, 1, labels);
    size_t sizes[9] = {0};
    for (size_t i = 0; i < N; i++) {
        assert_in_range(labels[i], 0, 8);
        sizes[labels[i]]++;
    }
    for (size_t c = 1; c < 9; c++)
        assert_true(sizes[c] && sizes[c] <= sizes[c - 1]);
    dp_memory_free(x);
}

/* Groups of the same size are numbered in the order of their first vectors, whatever k-means called them. */
static void ties_in_their_order(void **state)
{
    (void)state;
    float x[4 * 3];
    uint32_t labels[12];
    for (uint32_t seed = 0; seed < 8; seed++) {
        for (size_t i = 0; i < 12; i++)
            x[i] = (float)(i % 4 * 100) + (float)(i / 4);
        cluster_tokens(x, 12, 1, 4, seed, labels);
        for (uint32_t i = 0; i < 12; i++)
            assert_int_equal(labels[i], i % 4);
    }
}

static void few_vectors(void **state)
{
    (void)state;
    const float x[3 * 2] = {1, 2, 1, 2, 1, 2};
    uint32_t labels[3];
    cluster_tokens(x, 3, 2, 1, 0, labels);
    assert_int_equal(labels[0] + labels[1] + labels[2], 0);
    cluster_tokens(x, 3, 2, 8, 0, labels); /* fewer than clusters: each its own */
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(labels[i], i);
    cluster_tokens(x, 3, 2, 2, 0, labels); /* all alike */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clouds_come_apart),
        cmocka_unit_test(ties_in_their_order),
        cmocka_unit_test(few_vectors),
    };
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
