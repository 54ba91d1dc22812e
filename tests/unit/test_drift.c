/* SPDX-License-Identifier: Apache-2.0 */
/* dp_drift: against the formula written plainly, its bound on false alarms, and drift that is to be found. */
#include "../test.h"

#include "base/random.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <stdlib.h>

/* A score of good pictures: lognormal, spread 20 %. */
static double score_of(dp_random *random, double shift)
{
    double u = dp_random_unit(random) + 0x1p-54, v = dp_random_unit(random);
    return exp(0.2 * (sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v) + shift));
}

static dp_drift *open_drift(double bound, uint64_t seed)
{
    dp_error err;
    dp_drift *drift = NULL;
    assert_int_equal(dp_drift_open(bound, seed, &drift, &err), DP_OK);
    return drift;
}

/* The capital as a sum over all bets, in plain float64, from the p-values that the function says. */
static void test_capital_is_that_of_the_formula(void **state)
{
    static const double powers[9] = {1, 0.8, 0.6, 0.4, 0.2, 0.8, 0.6, 0.4, 0.2};
    double capital[9], seen[300];
    for (int k = 0; k < 9; k++)
        capital[k] = 1.0 / 9;
    dp_random random = dp_random_at(3, 0);
    dp_drift *drift = open_drift(1e-9, 1);
    for (size_t t = 0; t < 300; t++) {
        dp_drift_state now;
        seen[t] = floor(20 * score_of(&random, 0)) / 20; /* with ties */
        assert_int_equal(dp_drift_add(drift, seen[t], &now, NULL), DP_OK);
        size_t above = 0, equal = 0;
        for (size_t i = 0; i <= t; i++) {
            above += seen[i] > seen[t];
            equal += seen[i] == seen[t];
        }
        double p = now.p_value, sum = 0, before = 0;
        assert_int_equal(now.n, t + 1);
        assert_true(p > (double)above / (double)(t + 1) && p < (double)(above + equal) / (double)(t + 1));
        for (int k = 0; k < 9; k++)
            before += capital[k];
        for (int k = 0; k < 9; k++) {
            double base = k < 5 ? p : 1 - p;
            capital[k] = (0.999 * capital[k] + 0.001 * before / 9) * powers[k] * pow(base, powers[k] - 1);
            sum += capital[k];
        }
        assert_true(fabs(log10(sum) - now.log10_capital) < 1e-9);
    }
    dp_drift_close(&drift);
}

/* 60 streams of 10,000: at 1 % .6 are expected at most; more than 4 have a probability below .1 %. */
static void test_exchangeable_streams_raise_no_alarm(void **state)
{
    size_t n_alarms = 0;
    for (uint64_t stream = 0; stream < 60; stream++) {
        dp_random random = dp_random_at(7, stream);
        dp_drift *drift = open_drift(0.01, stream);
        int alarm = 0;
        for (size_t t = 0; t < 10000 && !alarm; t++) {
            dp_drift_state now;
            assert_int_equal(dp_drift_add(drift, score_of(&random, 0), &now, NULL), DP_OK);
            alarm = now.alarm;
        }
        n_alarms += alarm != 0;
        dp_drift_close(&drift);
    }
    print_message("%zu of 60 exchangeable streams of 10000 raised an alarm at the bound 0.01\n", n_alarms);
    assert_true(n_alarms <= 4);
}

/* After 1,000 steady pictures the scores rise, or fall, by one standard deviation over 1,000 pictures. */
static void test_slow_drift_is_found(void **state)
{
    for (int direction = -1; direction <= 1; direction += 2) {
        size_t n_found = 0, sum = 0;
        for (uint64_t stream = 0; stream < 50; stream++) {
            dp_random random = dp_random_at(11, stream);
            dp_drift *drift = open_drift(0.001, stream);
            for (size_t t = 0; t < 4000; t++) {
                dp_drift_state now;
                double shift = t > 1000 ? direction * (double)(t - 1000) / 1000 : 0;
                assert_int_equal(dp_drift_add(drift, score_of(&random, shift), &now, NULL), DP_OK);
                if (now.alarm) {
                    assert_true(t > 1000 && now.rising * direction > 0);
                    n_found++;
                    sum += t - 1000;
                    break;
                }
            }
            dp_drift_close(&drift);
        }
        print_message("drift of one standard deviation a 1000 pictures, direction %d: found in %zu of 50, after %zu "
                      "pictures on average\n",
                      direction, n_found, n_found ? sum / n_found : 0);
        assert_int_equal(n_found, 50);
    }
}

static void test_bad_values_are_refused(void **state)
{
    dp_error err;
    dp_drift *drift = NULL;
    dp_drift_state now;
    assert_int_equal(dp_drift_open(0, 0, &drift, &err), DP_E_ARGUMENT);
    assert_int_equal(dp_drift_open(NAN, 0, &drift, &err), DP_E_ARGUMENT);
    assert_null(drift);
    drift = open_drift(0.01, 0);
    assert_int_equal(dp_drift_add(drift, NAN, &now, &err), DP_E_NUMERIC);
    assert_int_equal(dp_drift_add(drift, 1, &now, &err), DP_OK);
    assert_int_equal(now.n, 1);
    dp_drift_close(&drift);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capital_is_that_of_the_formula),
        cmocka_unit_test(test_exchangeable_streams_raise_no_alarm),
        cmocka_unit_test(test_slow_drift_is_found),
        cmocka_unit_test(test_bad_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
