/* SPDX-License-Identifier: Apache-2.0 */
/* Compares metrics of a ranking and of maps with their definitions, counted naively. */
#include "test.h"
#include "dinopatch/eval.h"

#include <math.h>

static uint64_t state_of_random = 7;

static double uniform(void)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (double)(state_of_random >> 11) * 0x1p-53;
}

static void close_to(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-12) && !(isnan(got) && isnan(expected)))
        fail_msg("%s: %.17g, expected %.17g", what, got, expected);
}

/* AUROC over all pairs, AP and F1 over all thresholds, each counted afresh. */
static void naive(const double *scores, const uint8_t *labels, size_t n, double *auroc, double *ap, double *f1,
                  double *at)
{
    double wins = 0, pairs = 0, positives = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (labels[i] && !labels[k]) {
                pairs++;
                wins += scores[i] > scores[k] ? 1 : scores[i] == scores[k] ? 0.5 : 0;
            }
    *auroc = pairs > 0 ? wins / pairs : (double)NAN;
    for (size_t i = 0; i < n; i++)
        positives += labels[i] != 0;
    double recall_before = 0, threshold = INFINITY;
    *ap = positives > 0 ? 0 : (double)NAN;
    *f1 = *at = (double)NAN;
    for (;;) {
        double lower = -INFINITY;
        for (size_t i = 0; i < n; i++)
            lower = scores[i] < threshold && scores[i] > lower ? scores[i] : lower;
        if (lower == -INFINITY || positives == 0)
            return;
        threshold = lower;
        double tp = 0, all = 0;
        for (size_t i = 0; i < n; i++)
            if (scores[i] >= threshold) {
                all++;
                tp += labels[i] != 0;
            }
        *ap += (tp / positives - recall_before) * (tp / all);
        recall_before = tp / positives;
        double here = 2 * tp / (all + positives);
        if (isnan(*f1) || here >= *f1) {
            *f1 = here;
            *at = threshold;
        }
    }
}

static void ranking_equals_its_definition(void **state)
{
    (void)state;
    for (size_t round = 0; round < 300; round++) {
        size_t n = 1 + (size_t)(60 * uniform());
        double scores[64], levels = 1 + floor(30 * uniform()), share = uniform();
        uint8_t labels[64];
        for (size_t i = 0; i < n; i++) {
            labels[i] = uniform() < share ? (uint8_t)(1 + 254 * uniform()) : 0;
            scores[i] = floor(levels * uniform()) - 3 + (labels[i] ? 1 : 0);
            if (scores[i] == 0 && round % 2)
                scores[i] = -0.0;
        }
        double auroc, ap, f1, at, trapezoids = 0;
        dp_measures m;
        naive(scores, labels, n, &auroc, &ap, &f1, &at);
        assert_ok(dp_measure(scores, labels, n, &m, err));
        assert_int_equal(m.n_good + m.n_anomalous, n);
        close_to("auroc", m.auroc, auroc);
        close_to("average precision", m.average_precision, ap);
        close_to("f1", m.f1_max, f1);
        close_to("f1 threshold", m.f1_threshold, at);
        if (m.n_anomalous) {
            dp_confusion c;
            assert_ok(dp_confusion_at(scores, labels, n, m.decision_threshold, &c, err));
            assert_memory_equal(&c, &m.at_f1, sizeof c);
            close_to("f1 of the counts", c.f1, f1);
        }
        /* The curve: area under it, and its last point. */
        dp_curve_point *points = NULL;
        size_t n_points = 0;
        assert_ok(dp_curve(scores, labels, n, &points, &n_points, err));
        for (size_t i = 1; i < n_points; i++)
            trapezoids += (points[i].false_positive_rate - points[i - 1].false_positive_rate)
                          * (points[i].recall + points[i - 1].recall) / 2;
        close_to("trapezoids", trapezoids, auroc);
        assert_true(points[0].threshold == INFINITY);
        close_to("last precision", points[n_points - 1].precision, (double)m.n_anomalous / (double)n);
        dp_memory_free(points);
    }
}

static void what_is_missing_is_defined(void **state)
{
    (void)state;
    const double scores[4] = {1, 2, 3, 4}, same[4] = {5, 5, 5, 5};
    const uint8_t good[4] = {0}, bad[4] = {1, 1, 1, 1}, both[4] = {0, 1, 0, 0};
    dp_measures m;
    assert_ok(dp_measure(scores, good, 4, &m, err));
    assert_true(isnan(m.auroc) && isnan(m.average_precision) && isnan(m.f1_max) && isnan(m.f1_threshold));
    assert_int_equal(m.at_f1.true_negatives, 4);
    assert_ok(dp_measure(scores, bad, 4, &m, err));
    assert_true(isnan(m.auroc));
    close_to("average precision", m.average_precision, 1);
    close_to("f1", m.f1_max, 1);
    close_to("f1 threshold", m.f1_threshold, 1);
    assert_true(m.decision_threshold < 1);
    assert_ok(dp_measure(same, both, 4, &m, err));
    close_to("auroc", m.auroc, 0.5);
    close_to("average precision", m.average_precision, 0.25);
    close_to("f1", m.f1_max, 0.4);
    assert_ok(dp_measure(scores, good, 0, &m, err));
    assert_true(isnan(m.auroc) && isnan(m.at_f1.accuracy));

    const double broken[3] = {1, (double)NAN, 2}, endless[3] = {1, 2, (double)INFINITY};
    double auroc = 42;
    assert_fails(DP_E_NUMERIC, "score 2 of 3 is nan", dp_auroc(broken, both, 3, &auroc, err));
    assert_fails(DP_E_NUMERIC, "score 3 of 3 is inf", dp_measure(endless, both, 3, &m, err));
    assert_float_equal(auroc, 42, 0);
    dp_confusion c;
    assert_fails(DP_E_NUMERIC, "threshold is not a number", dp_confusion_at(scores, both, 4, (double)NAN, &c, err));
    assert_ok(dp_confusion_at(scores, both, 4, 2, &c, err)); /* at the threshold: good */
    assert_int_equal(c.true_positives, 0);
    assert_int_equal(c.false_positives, 2);
    close_to("precision", c.precision, 0);
}

static void figures_by_hand(void **state)
{
    (void)state;
    /* Above 3.5: three of five anomalous ones, one of three good ones. */
    const double scores[8] = {1, 2, 3, 4, 5, 6, 7, 0};
    const uint8_t labels[8] = {0, 1, 1, 0, 1, 1, 1, 0};
    dp_confusion c;
    assert_ok(dp_confusion_at(scores, labels, 8, 3.5, &c, err));
    assert_true(c.true_positives == 3 && c.false_positives == 1 && c.true_negatives == 2 && c.false_negatives == 2);
    close_to("accuracy", c.accuracy, 5.0 / 8);
    close_to("precision", c.precision, 3.0 / 4);
    close_to("recall", c.recall, 3.0 / 5);
    close_to("f1", c.f1, 6.0 / 9);
    /* The decision lies half way to the next lower score; below the lowest a millionth. */
    const double apart[4] = {0, 1, 3, 4};
    const uint8_t two[4] = {0, 0, 1, 1}, all[4] = {1, 1, 1, 1};
    dp_measures m;
    assert_ok(dp_measure(apart, two, 4, &m, err));
    close_to("threshold", m.f1_threshold, 3);
    close_to("decision", m.decision_threshold, 2);
    assert_ok(dp_measure(apart + 1, all, 3, &m, err));
    close_to("threshold", m.f1_threshold, 1);
    assert_true(m.decision_threshold < 1 && m.decision_threshold > 1 - 1e-5);
}

static void bootstrap_intervals(void **state)
{
    (void)state;
    double scores[200];
    uint8_t labels[200];
    for (size_t i = 0; i < 200; i++) {
        labels[i] = i % 4 == 0;
        scores[i] = uniform() + uniform() + uniform() + (labels[i] ? 0.7 : 0);
    }
    dp_interval a, a2, p, f;
    dp_measures m;
    assert_ok(dp_measure(scores, labels, 200, &m, err));
    assert_ok(dp_bootstrap(scores, labels, 200, 4000, 0.95, 1, &a, &p, &f, err));
    assert_true(a.low < m.auroc && m.auroc < a.high && a.high <= 1);
    assert_true(p.low < m.average_precision && m.average_precision < p.high);
    assert_true(f.low < m.f1_max && m.f1_max < f.high);
    /* Width against Hanley and McNeil's standard error of the area. */
    double A = m.auroc, q1 = A / (2 - A), q2 = 2 * A * A / (1 + A);
    double error = sqrt((A * (1 - A) + 49 * (q1 - A * A) + 149 * (q2 - A * A)) / (50.0 * 150.0));
    assert_true(fabs((a.high - a.low) / (2 * 1.96 * error) - 1) < 0.2);
    /* The same seed, the same interval; another, another; a lower confidence, a narrower one. */
    assert_ok(dp_bootstrap(scores, labels, 200, 4000, 0.95, 1, &a2, NULL, NULL, err));
    assert_memory_equal(&a, &a2, sizeof a);
    assert_ok(dp_bootstrap(scores, labels, 200, 4000, 0.95, 2, &a2, NULL, NULL, err));
    assert_true(a.low != a2.low && fabs(a.low - a2.low) < 0.02);
    assert_ok(dp_bootstrap(scores, labels, 200, 4000, 0.5, 1, &a2, NULL, NULL, err));
    assert_true(a2.low > a.low && a2.high < a.high);
    /* Nothing to be unsure about, and nothing to say. */
    const double apart[4] = {1, 2, 8, 9};
    const uint8_t two[4] = {0, 0, 1, 1}, one[4] = {0};
    assert_ok(dp_bootstrap(apart, two, 4, 100, 0.9, 1, &a, &p, &f, err));
    assert_true(a.low == 1 && a.high == 1 && p.low == 1 && f.high == 1);
    assert_ok(dp_bootstrap(apart, one, 4, 100, 0.9, 1, &a, &p, &f, err));
    assert_true(isnan(a.low) && isnan(p.high));
    assert_fails(DP_E_ARGUMENT, "confidence 1", dp_bootstrap(apart, two, 4, 100, 1, 1, &a, NULL, NULL, err));
    assert_fails(DP_E_ARGUMENT, "0 resamples", dp_bootstrap(apart, two, 4, 0, 0.9, 1, &a, NULL, NULL, err));
}

/* The ends of an interval lie between the sorted values, straight in between: of three, a = 0, b = 1, c = 2, the place is
 * (1 -+ confidence) / 2 * 2. */
static void bootstrap_ends(void **state)
{
    (void)state;
    double scores[60];
    uint8_t labels[60];
    for (size_t i = 0; i < 60; i++) {
        labels[i] = i % 3 == 0;
        scores[i] = uniform() + (labels[i] ? 0.3 : 0);
    }
    dp_interval ends, middle, between, one;
    assert_ok(dp_bootstrap(scores, labels, 60, 3, 1 - 1e-12, 7, &ends, NULL, NULL, err));
    assert_ok(dp_bootstrap(scores, labels, 60, 3, 1e-12, 7, &middle, NULL, NULL, err));
    assert_true(ends.low < middle.low && middle.high < ends.high && fabs(middle.low - middle.high) < 1e-9);
    assert_ok(dp_bootstrap(scores, labels, 60, 3, 0.5, 7, &between, NULL, NULL, err));
    assert_float_equal(between.low, 0.5 * (ends.low + middle.low), 1e-9);
    assert_float_equal(between.high, 0.5 * (ends.high + middle.high), 1e-9);
    assert_ok(dp_bootstrap(scores, labels, 60, 3, 0.75, 7, &between, NULL, NULL, err));
    assert_float_equal(between.low, 0.75 * ends.low + 0.25 * middle.low, 1e-9);
    assert_ok(dp_bootstrap(scores, labels, 60, 1, 0.5, 7, &one, NULL, NULL, err));
    assert_true(one.low == one.high && one.low > 0.5 && one.low <= 1);
    const double apart[4] = {1, 2, 8, 9};
    const uint8_t two[4] = {0, 0, 1, 1};
    dp_interval p, f;
    assert_ok(dp_bootstrap(apart, two, 4, 1, 0.5, 7, &one, &p, &f, err));
    assert_true(one.low == 1 && p.low == 1 && f.low == 1 && one.high == 1 && p.high == 1 && f.high == 1);
}

/* ------------------------------------------------------------------------------------------------------------ pixels */

enum { SIDE_Y = 11, SIDE_X = 14, MAPS = 4, PIXELS = SIDE_Y * SIDE_X };

/* Regions by spreading the smallest index until nothing changes. */
static size_t regions_of(const uint8_t *mask, int *region)
{
    for (int i = 0; i < PIXELS; i++)
        region[i] = mask[i] ? i : -1;
    for (int changed = 1; changed;) {
        changed = 0;
        for (int i = 0; i < PIXELS; i++)
            for (int k = 0; k < PIXELS; k++)
                if (region[i] > region[k] && region[k] >= 0 && abs(i / SIDE_X - k / SIDE_X) <= 1
                    && abs(i % SIDE_X - k % SIDE_X) <= 1) {
                    region[i] = region[k];
                    changed = 1;
                }
    }
    size_t n = 0;
    for (int i = 0; i < PIXELS; i++)
        n += region[i] == i;
    return n;
}

static double naive_aupro(float maps[MAPS][PIXELS], uint8_t masks[MAPS][PIXELS], double limit)
{
    static int region[MAPS][PIXELS];
    size_t regions = 0;
    double good = 0, x0 = 0, y0 = 0, area = 0, threshold = INFINITY;
    for (size_t m = 0; m < MAPS; m++) {
        regions += regions_of(masks[m], region[m]);
        for (size_t i = 0; i < PIXELS; i++)
            good += !masks[m][i];
    }
    for (;;) {
        double lower = -INFINITY;
        for (size_t m = 0; m < MAPS; m++)
            for (size_t i = 0; i < PIXELS; i++)
                if ((double)maps[m][i] < threshold && (double)maps[m][i] > lower)
                    lower = (double)maps[m][i];
        if (lower == -INFINITY)
            break;
        threshold = lower;
        double x = 0, y = 0;
        for (size_t m = 0; m < MAPS; m++) {
            for (size_t i = 0; i < PIXELS; i++)
                x += !masks[m][i] && (double)maps[m][i] >= threshold;
            for (int r = 0; r < PIXELS; r++) {
                double inside = 0, all = 0;
                for (size_t i = 0; i < PIXELS; i++)
                    if (region[m][i] == r) {
                        all++;
                        inside += (double)maps[m][i] >= threshold;
                    }
                y += all > 0 ? inside / all : 0;
            }
        }
        x /= good;
        y /= (double)regions;
        if (x > limit) {
            y = y0 + (y - y0) * (limit - x0) / (x - x0);
            x = limit;
        }
        area += (x - x0) * (y + y0) / 2;
        x0 = x;
        y0 = y;
        if (x >= limit)
            break;
    }
    return area / limit;
}

static void pixels_equal_their_definition(void **state)
{
    (void)state;
    static float maps[MAPS][PIXELS];
    static uint8_t masks[MAPS][PIXELS], labels[MAPS * PIXELS];
    static double scores[MAPS * PIXELS];
    for (int round = 0; round < 12; round++) {
        double levels = round < 6 ? 20 : 1e6;
        dp_pixel_meter *meter = NULL;
        assert_ok(dp_pixel_meter_open(&meter, err));
        for (size_t m = 0; m < MAPS; m++) {
            for (size_t i = 0; i < PIXELS; i++) {
                masks[m][i] = m && uniform() < 0.25 ? 255 : 0;
                maps[m][i] = (float)(floor(levels * uniform()) / levels - 0.3 + (masks[m][i] ? 0.2 : 0));
                if (fabsf(maps[m][i]) < 1e-3f)
                    maps[m][i] = uniform() < 0.5 ? 0.0f : -0.0f;
                scores[m * PIXELS + i] = (double)maps[m][i];
                labels[m * PIXELS + i] = masks[m][i];
            }
            assert_ok(dp_pixel_meter_add(meter, maps[m], m ? masks[m] : NULL, SIDE_Y, SIDE_X, err));
        }
        const double limits[3] = {0.3, 0.05, 1};
        double aupro[3];
        dp_measures pixel, flat;
        assert_ok(dp_pixel_meter_measure(meter, &pixel, limits, 3, aupro, err));
        assert_ok(dp_measure(scores, labels, MAPS * PIXELS, &flat, err));
        close_to("auroc", pixel.auroc, flat.auroc);
        close_to("average precision", pixel.average_precision, flat.average_precision);
        close_to("f1", pixel.f1_max, flat.f1_max);
        close_to("f1 threshold", pixel.f1_threshold, flat.f1_threshold);
        assert_int_equal(pixel.n_good, flat.n_good);
        assert_memory_equal(&pixel.at_f1, &flat.at_f1, sizeof flat.at_f1);
        for (size_t i = 0; i < 3; i++)
            close_to("aupro", aupro[i], naive_aupro(maps, masks, limits[i]));
        dp_confusion c;
        assert_ok(dp_confusion_at(scores, labels, MAPS * PIXELS, pixel.decision_threshold, &c, err));
        assert_memory_equal(&c, &flat.at_f1, sizeof c);
        dp_pixel_meter_close(&meter);
    }
}

/* Two regions of one pixel; a good pixel lies above all: (0, 0) to (1/2, 0), up to (1/2, 1/2), on to (1, 1/2). */
static void regions_by_hand(void **state)
{
    (void)state;
    const float map[5] = {4, 3, 2, 1, 1};
    const uint8_t mask[5] = {0, 1, 0, 1, 0};
    const double limits[4] = {0.25, 0.5, 0.75, 1};
    double aupro[4];
    dp_pixel_meter *meter = NULL;
    assert_ok(dp_pixel_meter_open(&meter, err));
    assert_ok(dp_pixel_meter_add(meter, map, mask, 1, 4, err));
    assert_ok(dp_pixel_meter_measure(meter, NULL, limits, 4, aupro, err));
    close_to("left of the first good pixel", aupro[0], 0);
    close_to("up to it", aupro[1], 0);
    close_to("half way behind it", aupro[2], 0.125 / 0.75);
    close_to("all", aupro[3], 0.25);
    dp_pixel_meter_close(&meter);
    /* With a third good pixel that ties with the last region: the steps are a slope there. */
    assert_ok(dp_pixel_meter_open(&meter, err));
    assert_ok(dp_pixel_meter_add(meter, map, mask, 1, 5, err));
    assert_ok(dp_pixel_meter_measure(meter, NULL, limits + 3, 1, aupro, err));
    close_to("with a tie", aupro[0], (0.5 + 0.75) / 3);
    dp_pixel_meter_close(&meter);
}

/* Whichever pixel it is: the map is refused as a whole and the meter stays as it was. */
static void pixels_that_are_not_finite(void **state)
{
    (void)state;
    const uint8_t mask[4] = {0, 1, 0, 0};
    const float broken[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++) {
            float map[4] = {1, 2, 3, 4};
            dp_pixel_meter *meter = NULL;
            dp_measures m;
            assert_ok(dp_pixel_meter_open(&meter, err));
            map[i] = broken[k];
            assert_fails(DP_E_NUMERIC, "", dp_pixel_meter_add(meter, map, mask, 2, 2, err));
            assert_fails(DP_E_NUMERIC, "", dp_pixel_meter_add(meter, map, NULL, 2, 2, err));
            map[i] = 0;
            assert_ok(dp_pixel_meter_add(meter, map, mask, 2, 2, err));
            assert_ok(dp_pixel_meter_measure(meter, &m, NULL, 0, NULL, err));
            assert_true(m.n_good == 3 && m.n_anomalous == 1);
            dp_pixel_meter_close(&meter);
        }
}

/* More pixels than one block holds. */
static void many_pixels(void **state)
{
    (void)state;
    enum { height = 700, width = 1100, maps = 3 };
    const size_t n = height * width;
    float *map = malloc(n * sizeof *map);
    uint8_t *mask = malloc(n), *labels = malloc(n * maps);
    double *scores = malloc(n * maps * sizeof *scores);
    dp_measures pixel, flat;
    dp_pixel_meter *meter = NULL;
    assert_ok(dp_pixel_meter_open(&meter, err));
    for (size_t m = 0; m < maps; m++) {
        for (size_t i = 0; i < n; i++) {
            mask[i] = i / width % 100 < 10 && i % width % 70 < 20;
            map[i] = (float)(uniform() * uniform() * 50 + (mask[i] ? 5 : 0));
            scores[m * n + i] = (double)map[i];
            labels[m * n + i] = mask[i];
        }
        assert_ok(dp_pixel_meter_add(meter, map, mask, height, width, err));
        /* Figures in between, with a block half full, disturb nothing. */
        assert_ok(dp_pixel_meter_measure(meter, &pixel, NULL, 0, NULL, err));
    }
    assert_ok(dp_pixel_meter_measure(meter, &pixel, NULL, 0, NULL, err));
    assert_ok(dp_measure(scores, labels, n * maps, &flat, err));
    close_to("auroc", pixel.auroc, flat.auroc);
    close_to("average precision", pixel.average_precision, flat.average_precision);
    close_to("f1", pixel.f1_max, flat.f1_max);
    dp_pixel_meter_close(&meter);
    free(map), free(mask), free(labels), free(scores);
}

static void pixels_that_say_nothing(void **state)
{
    (void)state;
    const float map[4] = {1, 2, 3, 4}, broken[4] = {1, 2, (float)NAN, 4};
    const uint8_t none[4] = {0}, all[4] = {1, 1, 1, 1};
    const double limits[1] = {0.3}, wrong[1] = {0};
    double aupro[1];
    dp_measures m;
    dp_pixel_meter *meter = NULL;
    assert_ok(dp_pixel_meter_open(&meter, err));
    assert_ok(dp_pixel_meter_measure(meter, &m, limits, 1, aupro, err));
    assert_true(isnan(m.auroc) && isnan(aupro[0]));
    assert_ok(dp_pixel_meter_add(meter, map, none, 2, 2, err));
    assert_ok(dp_pixel_meter_measure(meter, &m, limits, 1, aupro, err));
    assert_true(isnan(m.auroc) && isnan(m.average_precision) && isnan(aupro[0]));
    assert_int_equal(m.n_good, 4);
    assert_fails(DP_E_NUMERIC, "pixel (0, 1) of the map is nan", dp_pixel_meter_add(meter, broken, all, 2, 2, err));
    assert_ok(dp_pixel_meter_measure(meter, &m, limits, 1, aupro, err));
    assert_int_equal(m.n_good + m.n_anomalous, 4);
    assert_fails(DP_E_ARGUMENT, "rate is 0", dp_pixel_meter_measure(meter, &m, wrong, 1, aupro, err));
    dp_pixel_meter_close(&meter);
    assert_null(meter);
    dp_pixel_meter_close(&meter);

    assert_ok(dp_pixel_meter_open(&meter, err));
    assert_ok(dp_pixel_meter_add(meter, map, all, 2, 2, err));
    assert_ok(dp_pixel_meter_measure(meter, &m, limits, 1, aupro, err));
    assert_true(isnan(m.auroc) && isnan(aupro[0]));
    close_to("average precision", m.average_precision, 1);
    dp_pixel_meter_close(&meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranking_equals_its_definition),
        cmocka_unit_test(what_is_missing_is_defined),
        cmocka_unit_test(bootstrap_intervals),
        cmocka_unit_test(pixels_equal_their_definition),
        cmocka_unit_test(regions_by_hand),
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(bootstrap_ends),
        cmocka_unit_test(pixels_that_are_not_finite),
        cmocka_unit_test(many_pixels),
        cmocka_unit_test(pixels_that_say_nothing),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
