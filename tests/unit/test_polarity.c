/* SPDX-License-Identifier: Apache-2.0 */
/* Tests orientation vectors, their consensus, and the mirror. */
#include "test.h"

#include "extract/orientation.h"

#include <math.h>
#include <stdbool.h>

static float uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 8388608.0f - 1;
}

static void by_hand(void **state)
{
    (void)state;
    /* 1 row, 5 columns, 2 features; the middle column does not count, the last cell is not valid. */
    const float features[] = {1, 0, 3, 0, 100, 100, 2, 3, 9, 9};
    const uint8_t valid[] = {1, 1, 1, 1, 0};
    float o[2];
    assert_ok(dp_orientation(features, valid, 1, 5, 2, o, err)); /* (2, 3) - (2, 0) */
    assert_float_equal(o[0], 0, 1e-7);
    assert_float_equal(o[1], 1, 1e-7);
    assert_ok(dp_orientation(features, NULL, 1, 5, 2, o, err)); /* (5.5, 6) - (2, 0) */
    double size = sqrt(3.5 * 3.5 + 6 * 6);
    assert_float_equal(o[0], 3.5 / size, 1e-6);
    assert_float_equal(o[1], 6 / size, 1e-6);
}

static void not_settled(void **state)
{
    (void)state;
    const float same[] = {1, 2, 7, 8, 1, 2}, broken[] = {1, 2, 3, 4, NAN, 1};
    const uint8_t left_only[] = {1, 1, 0}, without_last[] = {1, 1, 0};
    float o[2] = {5, 5};
    assert_ok(dp_orientation(same, NULL, 1, 3, 2, o, err));
    assert_true(o[0] == 0 && o[1] == 0);
    o[0] = 5;
    assert_ok(dp_orientation(same, left_only, 1, 3, 2, o, err));
    assert_true(o[0] == 0 && o[1] == 0);
    o[0] = 5;
    assert_ok(dp_orientation(same, NULL, 3, 1, 2, o, err)); /* one column: no halves */
    assert_true(o[0] == 0 && o[1] == 0);
    assert_fails(DP_E_NUMERIC, "not finite", dp_orientation(broken, NULL, 1, 3, 2, o, err));
    assert_ok(dp_orientation(broken, without_last, 1, 3, 2, o, err)); /* what is not valid is not read */
    double confidence = 5;
    assert_int_equal(dp_orientation_sign(o, o, 2, &confidence), 0);
    assert_true(confidence == 0);
}

static void mirror_turns_the_sign(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (size_t rows = 1; rows <= 3; rows++) {
        for (size_t cols = 2; cols <= 7; cols++) {
            float features[3 * 7 * 5], original[3 * 7 * 5], o[5], turned[5];
            uint8_t valid[21], valid_original[21];
            for (size_t i = 0; i < rows * cols * 5; i++)
                original[i] = features[i] = uniform(&seed);
            for (size_t i = 0; i < rows * cols; i++)
                valid_original[i] = valid[i] = i != 1;
            if (rows == 1 && cols < 4)
                valid[1] = valid_original[1] = 1;
            assert_ok(dp_orientation(features, valid, rows, cols, 5, o, err));
            dp_grid_mirror(features, valid, rows, cols, 5);
            for (size_t r = 0; r < rows; r++) {
                for (size_t c = 0; c < cols; c++) {
                    size_t a = r * cols + c, b = r * cols + cols - 1 - c;
                    assert_memory_equal(features + a * 5, original + b * 5, 5 * sizeof(float));
                    assert_int_equal(valid[a], valid_original[b]);
                }
            }
            assert_ok(dp_orientation(features, valid, rows, cols, 5, turned, err));
            for (size_t d = 0; d < 5; d++)
                assert_float_equal(turned[d], -o[d], 1e-6);
            double confidence;
            assert_int_equal(dp_orientation_sign(o, turned, 5, &confidence), -1);
            assert_float_equal(confidence, 1, 1e-6);
            assert_int_equal(dp_orientation_sign(o, o, 5, NULL), 1);
        }
    }
    dp_grid_mirror(NULL, NULL, 2, 2, 1);
}

/* n noisy copies of one direction, some turned: the signs must tell which, as long as few are turned. */
static void consensus(void **state)
{
    (void)state;
    uint64_t seed = 11;
    enum { DIM = 24, MOST = 600 };
    static float vectors[MOST * DIM];
    const size_t counts[] = {1, 2, 3, 40, 257, 600};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        size_t n = counts[k];
        int turned[MOST], signs[MOST];
        float direction[DIM], reference[DIM];
        for (size_t d = 0; d < DIM; d++)
            direction[d] = uniform(&seed);
        for (size_t i = 0; i < n; i++) {
            turned[i] = i % 5 == 3 ? -1 : 1;
            double size = 0;
            for (size_t d = 0; d < DIM; d++) {
                vectors[i * DIM + d] = (float)turned[i] * direction[d] + 0.8f * uniform(&seed);
                size += vectors[i * DIM + d] * vectors[i * DIM + d];
            }
            bool zero = i == 7;
            for (size_t d = 0; d < DIM; d++)
                vectors[i * DIM + d] = zero ? 0 : vectors[i * DIM + d] / (float)sqrt(size);
            turned[i] = zero ? 0 : turned[i];
        }
        assert_ok(dp_orientation_consensus(vectors, n, DIM, reference, signs, err));
        double size = 0, along = 0, length = 0;
        for (size_t d = 0; d < DIM; d++) {
            size += reference[d] * reference[d];
            along += reference[d] * direction[d];
            length += direction[d] * direction[d];
        }
        assert_float_equal(size, 1, 1e-5);
        assert_true(along / sqrt(length) > (n > 10 ? 0.98 : 0.7));
        for (size_t i = 0; i < n; i++) {
            if (signs[i] != turned[i])
                fail_msg("n %zu: vector %zu has sign %d, not %d", n, i, signs[i], turned[i]);
            if (signs[i]) /* a fixed point */
                assert_int_equal(dp_orientation_sign(vectors + i * DIM, reference, DIM, NULL), signs[i]);
        }
    }
}

static void consensus_ties_and_zeros(void **state)
{
    (void)state;
    const float opposed[] = {-1, 0, 1, 0}, crossed[] = {1, 0, 0, 1}, nothing[] = {0, 0, 0, 0};
    float reference[2];
    int signs[2];
    assert_ok(dp_orientation_consensus(opposed, 2, 2, reference, signs, err));
    assert_int_equal(signs[0], 1); /* of two equal ways, the one that leaves the first alone */
    assert_int_equal(signs[1], -1);
    assert_true(reference[0] == -1);
    assert_ok(dp_orientation_consensus(crossed, 2, 2, reference, signs, err));
    assert_int_equal(signs[0], 1);
    assert_int_equal(signs[1], 1);
    assert_float_equal(reference[0], sqrt(0.5), 1e-6);
    assert_ok(dp_orientation_consensus(nothing, 2, 2, reference, signs, err));
    assert_int_equal(signs[0], 0);
    assert_true(reference[0] == 0 && reference[1] == 0);
    assert_ok(dp_orientation_consensus(nothing, 0, 2, reference, signs, err));
    assert_true(reference[0] == 0);
}

/* A part that both ways round have in common, however large, falls out. */
static void bias_falls_out(void **state)
{
    (void)state;
    enum { DIM = 5 };
    const float object[DIM] = {0, 0.6f, 0, -0.8f, 0}, position[DIM] = {40, -3, 7, 0.5f, 9};
    float found[DIM], turned[DIM], own[DIM], bias[DIM], other[DIM];
    for (int d = 0; d < DIM; d++) {
        found[d] = position[d] + object[d];
        turned[d] = position[d] - object[d];
        other[d] = position[d] - 2 * object[d];
    }
    dp_orientation_own(found, turned, DIM, own, bias);
    for (int d = 0; d < DIM; d++) {
        assert_true(fabsf(own[d] - object[d]) < 1e-5f);
        assert_true(fabsf(bias[d] - position[d]) < 1e-5f);
    }
    assert_int_equal(dp_orientation_sign(other, own, DIM, NULL) * dp_orientation_sign(found, own, DIM, NULL), 1);
    dp_orientation_unbias(other, bias, DIM);
    dp_orientation_unbias(found, bias, DIM);
    assert_int_equal(dp_orientation_sign(other, own, DIM, NULL), -1);
    assert_int_equal(dp_orientation_sign(found, own, DIM, NULL), 1);
    float zero[DIM] = {0};
    dp_orientation_unbias(zero, bias, DIM);
    assert_int_equal(dp_orientation_sign(zero, own, DIM, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(not_settled),
        cmocka_unit_test(consensus),
        cmocka_unit_test(mirror_turns_the_sign),
        cmocka_unit_test(consensus_ties_and_zeros),
        cmocka_unit_test(bias_falls_out),
    };
    return cmocka_run_group_tests_name("polarity", tests, NULL, NULL);
}
