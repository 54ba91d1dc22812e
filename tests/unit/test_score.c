/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the score of a map with the definitions on sorted values, and tests which post-processing is active. */
#include "base/statistics.h"
#include "score/cell_score.h"
#include "score/postprocess.h"
#include "test.h"

#include <math.h>

/* sorted [n] */
static double naive(dp_score how, const float *sorted, size_t n)
{
    double sum = 0;
    size_t top = n / 100 > 1 ? n / 100 : 1;
    switch (how) {
    case DP_SCORE_RETRIEVED: return 0; /* not from a map */
    case DP_SCORE_MAX: return (double)sorted[n - 1];
    case DP_SCORE_MEAN:
        for (size_t i = 0; i < n; i++)
            sum += (double)sorted[i];
        return sum / (double)n;
    case DP_SCORE_P99: {
        double place = 0.99 * (double)(n - 1);
        size_t k = (size_t)place;
        double next = (double)(k + 1 < n ? sorted[k + 1] : sorted[k]);
        return (double)sorted[k] + (next - (double)sorted[k]) * (place - (double)k);
    }
    case DP_SCORE_TOP1P:
        for (size_t i = n - top; i < n; i++)
            sum += (double)sorted[i];
        return sum / (double)top;
    case DP_SCORE_TOP10:
        top = n < 10 ? n : 10;
        for (size_t i = n - top; i < n; i++)
            sum += (double)sorted[i];
        return sum / (double)top;
    }
    return NAN;
}

enum { MOST = 420 };

/* All sizes, in all orders that a selection may stumble over: random, with many ties, rising, falling, one peak. */
static void scores_equal_their_definitions(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (size_t n = 1; n <= MOST; n += n < 12 ? 1 : 17)
        for (int kind = 0; kind < 5; kind++) {
            float values[MOST], sorted[MOST] = {0}, scratch[MOST];
            uint8_t valid[MOST];
            size_t m = 0;
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                values[i] = kind == 0    ? (float)(seed >> 8)
                            : kind == 1  ? (float)(seed >> 30)
                            : kind == 2  ? (float)i
                            : kind == 3  ? (float)(n - i)
                            : i == n / 2 ? 9.0f
                                         : 1.0f;
                valid[i] = n < 3 || seed % 5 != 0 || i == n / 2;
                if (valid[i])
                    sorted[m++] = values[i];
            }
            dp_sort_f32(sorted, m);
            for (int how = DP_SCORE_MAX; how <= DP_SCORE_TOP10; how++) {
                double found = dp_score_cells((dp_score)how, values, valid, n, scratch),
                       expected = naive((dp_score)how, sorted, m);
                if (!(fabs(found - expected) <= 1e-12 * fabs(expected)))
                    fail_msg("%zu values of kind %d, score %d: %.17g, expected %.17g", n, kind, how, found, expected);
            }
        }
}

static void nothing_to_score(void **state)
{
    (void)state;
    float values[3] = {1, NAN, 3}, scratch[3];
    const uint8_t none[3] = {0}, without[3] = {1, 0, 1};
    for (int how = DP_SCORE_MAX; how <= DP_SCORE_TOP10; how++) {
        assert_true(isnan(dp_score_cells((dp_score)how, values, none, 3, scratch)));
        assert_true(isnan(dp_score_cells((dp_score)how, values, NULL, 3, scratch)));
        assert_false(isnan(dp_score_cells((dp_score)how, values, without, 3, scratch)));
    }
    assert_true(isnan(dp_score_cells((dp_score)9, values, without, 3, scratch)));
}

static void what_is_active(void **state)
{
    (void)state;
    const dp_post off[] = {{0}, {.median = 1}, {.min_object = 5}, {.max_hole = 5}, {.unit = DP_UNIT_PIXELS}};
    const dp_post on[] = {{.low = 0.5}, {.high = 0.5}, {.gaussian = 0.5}, {.median = 3}};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        assert_false(dp_post_active(&off[i]));
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        assert_true(dp_post_active(&on[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_their_definitions),
        cmocka_unit_test(nothing_to_score),
        cmocka_unit_test(what_is_active),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
