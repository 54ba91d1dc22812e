/* SPDX-License-Identifier: Apache-2.0 */
/* Tests tuning with held-out metrics, and calibration from good pictures alone. */
#include "test.h"

#include "score/cell_score.h"
#include "eval/sparse_map.h"
#include "dinopatch/eval.h"

#include <math.h>

static uint64_t state_of_random = 11;

static double uniform(void)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (double)(state_of_random >> 11) * 0x1p-53;
}

/* Maps of rows x cols cells: noise, speckles everywhere; in the anomalous ones a blob of `strength`. */
struct maps {
    size_t rows, cols, n;
    float *values;
    uint8_t *valid, *labels;
    const float **map;
    const uint8_t **map_valid;
    dp_tune_set set;
};

static struct maps *make_maps(size_t rows, size_t cols, size_t n, double strength)
{
    struct maps *m = calloc(1, sizeof *m);
    size_t cells = rows * cols;
    *m = (struct maps){.rows = rows, .cols = cols, .n = n};
    m->values = malloc(n * cells * sizeof *m->values);
    m->valid = malloc(n * cells);
    m->labels = malloc(n);
    m->map = malloc(n * sizeof *m->map);
    m->map_valid = malloc(n * sizeof *m->map_valid);
    for (size_t i = 0; i < n; i++) {
        double y0 = rows * (0.2 + 0.6 * uniform()), x0 = cols * (0.2 + 0.6 * uniform());
        m->labels[i] = i % 2 ? 255 : 0;
        m->map[i] = m->values + i * cells;
        m->map_valid[i] = m->valid + i * cells;
        for (size_t c = 0; c < cells; c++) {
            double r = hypot((double)(c / cols) - y0, (double)(c % cols) - x0);
            double d = 10 + 4 * uniform() + (uniform() < 0.01 ? 12 * uniform() : 0);
            m->valid[i * cells + c] = c / cols > 1;
            m->values[i * cells + c] = (float)(d + (m->labels[i] && r < 4 ? strength * uniform() : 0));
        }
    }
    m->set = (dp_tune_set){rows, cols, n, m->map, m->map_valid, m->labels, NULL};
    return m;
}

static void free_maps(struct maps *m)
{
    free(m->values), free(m->valid), free(m->labels), free(m->map), free(m->map_valid), free(m);
}

static void same_result(const dp_tune_result *a, const dp_tune_result *b)
{
    assert_int_equal(a->trials, b->trials);
    assert_int_equal(a->folds, b->folds);
    assert_float_equal(a->post.low, b->post.low, 0);
    assert_float_equal(a->post.high, b->post.high, 0);
    assert_int_equal(a->post.min_object, b->post.min_object);
    assert_int_equal(a->post.max_hole, b->post.max_hole);
    assert_int_equal(a->score, b->score);
    assert_float_equal(a->threshold, b->threshold, 0);
    assert_float_equal(a->tuned.auroc, b->tuned.auroc, 0);
    assert_float_equal(a->held_out.auroc, b->held_out.auroc, 0);
    assert_memory_equal(&a->held_out.confusion, &b->held_out.confusion, 4 * sizeof(uint64_t));
}

/* Score of picture i by a configuration, the weight of its largest cell included. */
static double weighted_score(const struct maps *m, const dp_post *post, dp_score how, size_t i, const float *weights)
{
    float out[28 * 28], scratch[28 * 28];
    size_t top = 28 * 28;
    assert_ok(dp_post_apply(post, m->map[i], m->map_valid[i], 28, 28, 1, out, err));
    for (size_t c = 0; c < 28 * 28; c++)
        if (m->map_valid[i][c] && (top == 28 * 28 || out[c] > out[top]))
            top = c;
    return dp_score_cells(how, out, m->map_valid[i], 28 * 28, scratch)
           * (how == DP_SCORE_MAX ? (double)weights[top] : 1);
}

/* Weights of cells belong to the score max: what tuning says of itself is what they make of the configurations. */
static void cells_are_weighted(void **state)
{
    (void)state;
    struct maps *m = make_maps(28, 28, 40, 10);
    float *weights = malloc(40 * 28 * 28 * sizeof *weights);
    const float *of[40];
    for (size_t i = 0; i < 40; i++) {
        of[i] = weights + i * 28 * 28;
        for (size_t c = 0; c < 28 * 28; c++) /* of one kind of picture against the other, so that they show */
            weights[i * 28 * 28 + c] = (float)(uniform() * (m->labels[i] ? 1 : 0.6));
    }
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    settings.score = DP_SCORE_MAX;
    dp_tune_result plain, weighted;
    for (size_t trials = 1; trials <= 401; trials += 400) {
        settings.trials = trials;
        m->set.weights = NULL;
        assert_ok(dp_tune(&m->set, &settings, NULL, &plain, err));
        m->set.weights = of;
        assert_ok(dp_tune(&m->set, &settings, NULL, &weighted, err));
        assert_true(weighted.untuned.auroc != plain.untuned.auroc);
        double scores[40], auroc;
        for (size_t i = 0; i < 40; i++)
            scores[i] = weighted_score(m, &settings.post, DP_SCORE_MAX, i, of[i]);
        assert_ok(dp_auroc(scores, m->labels, 40, &auroc, err));
        assert_float_equal(auroc, weighted.untuned.auroc, 1e-12);
        for (size_t i = 0; i < 40; i++)
            scores[i] = weighted_score(m, &weighted.post, weighted.score, i, of[i]);
        assert_ok(dp_auroc(scores, m->labels, 40, &auroc, err));
        assert_float_equal(auroc, weighted.tuned.auroc, 1e-12);
        if (trials == 1)
            assert_int_equal(weighted.score, DP_SCORE_MAX);
    }
    free(weights);
    free_maps(m);
}

/* Speckles fool the maximum; removing small objects helps, and the held-out figure says so too. */
static void tuning_finds_what_is_there(void **state)
{
    (void)state;
    struct maps *m = make_maps(28, 28, 60, 10);
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    settings.trials = 1500;
    settings.score = DP_SCORE_MAX;
    dp_tune_result r, again;
    dp_run run;
    dp_run_init(&run);
    run.threads = 1;
    assert_ok(dp_tune(&m->set, &settings, &run, &r, err));
    assert_int_equal(r.trials, 1500);
    assert_int_equal(r.folds, 5);
    if (!(r.tuned.auroc > r.untuned.auroc + 0.1 && r.held_out.auroc > r.untuned_fold_auroc + 0.1))
        fail_msg("untuned %g, tuned %g, held out %g against %g", r.untuned.auroc, r.tuned.auroc, r.held_out.auroc,
                 r.untuned_fold_auroc);
    assert_true(r.held_out.auroc <= r.tuned.auroc + 1e-9);
    const dp_confusion *c = &r.held_out.confusion;
    assert_int_equal(c->true_positives + c->false_negatives, 30);
    assert_int_equal(c->false_positives + c->true_negatives, 30);

    /* What is stored gives what was reported, by the functions that inspection uses. */
    double scores[60];
    float out[28 * 28], scratch[28 * 28];
    for (size_t i = 0; i < 60; i++) {
        assert_ok(dp_post_apply(&r.post, m->map[i], m->map_valid[i], 28, 28, 1, out, err));
        scores[i] = dp_score_cells(r.score, out, m->map_valid[i], 28 * 28, scratch);
    }
    double auroc;
    dp_confusion stored;
    assert_ok(dp_auroc(scores, m->labels, 60, &auroc, err));
    assert_float_equal(auroc, r.tuned.auroc, 1e-12);
    assert_ok(dp_confusion_at(scores, m->labels, 60, r.threshold, &stored, err));
    assert_memory_equal(&stored, &r.tuned.confusion, sizeof stored);

    /* Any number of threads; another seed searches elsewhere. */
    run.threads = 3;
    assert_ok(dp_tune(&m->set, &settings, &run, &again, err));
    same_result(&r, &again);
    settings.seed = 1;
    assert_ok(dp_tune(&m->set, &settings, &run, &again, err));
    assert_true(r.post.low != again.post.low || r.post.high != again.post.high);
    free_maps(m);
}

/* Nothing to find: tuning finds it all the same, and the held-out figure says that there is nothing. */
static void held_out_is_honest(void **state)
{
    (void)state;
    double tuned = 0, held_out = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct maps *m = make_maps(16, 16, 40, 0);
        dp_tune_settings settings;
        dp_tune_settings_init(&settings);
        settings.trials = 1000;
        settings.seed = seed;
        dp_tune_result r;
        assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
        tuned += r.tuned.auroc / 6;
        held_out += r.held_out.auroc / 6;
        free_maps(m);
    }
    if (!(tuned > 0.62 && fabs(held_out - 0.5) < 0.12))
        fail_msg("on noise: tuned %g, held out %g", tuned, held_out);
}

static void without_folds(void **state)
{
    (void)state;
    struct maps *m = make_maps(12, 12, 20, 10);
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    settings.trials = 50;
    settings.folds = 0;
    dp_tune_result r;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_int_equal(r.folds, 0);
    assert_true(isnan(r.held_out.auroc) && isnan(r.held_out_deviation) && isnan(r.untuned_fold_auroc));
    assert_true(r.tuned.auroc >= r.untuned.auroc);
    /* One trial: the untuned configuration itself. */
    settings.trials = 1;
    settings.folds = 3;
    settings.post.low = 11;
    settings.score = DP_SCORE_MEAN;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_float_equal(r.post.low, 11, 0);
    assert_int_equal(r.score, DP_SCORE_MEAN);
    assert_float_equal(r.tuned.auroc, r.untuned.auroc, 0);
    assert_float_equal(r.held_out.auroc, r.untuned_fold_auroc, 0);
    assert_memory_equal(&r.held_out.confusion, &r.untuned.confusion, sizeof r.held_out.confusion);
    /* More folds than pictures of a class; two of a class are the least. */
    for (size_t i = 0; i < 20; i++)
        m->labels[i] = i < 3;
    settings.folds = 10;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_int_equal(r.folds, 3);
    m->labels[0] = m->labels[1] = 0;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_int_equal(r.folds, 0);
    free_maps(m);
}

/* Filters of the settings belong to every trial and to the result. */
static void filters_stay(void **state)
{
    (void)state;
    struct maps *m = make_maps(20, 20, 20, 10);
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    settings.trials = 200;
    settings.post.gaussian = 1;
    settings.post.median = 3;
    dp_tune_result r;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_float_equal(r.post.gaussian, 1, 0);
    assert_int_equal(r.post.median, 3);
    double scores[20], auroc;
    float out[400], scratch[400];
    for (size_t i = 0; i < 20; i++) {
        assert_ok(dp_post_apply(&r.post, m->map[i], m->map_valid[i], 20, 20, 1, out, err));
        scores[i] = dp_score_cells(r.score, out, m->map_valid[i], 400, scratch);
    }
    assert_ok(dp_auroc(scores, m->labels, 20, &auroc, err));
    assert_float_equal(auroc, r.tuned.auroc, 1e-12);
    free_maps(m);
}

static int stop(void *user, const char *stage, size_t done, size_t total)
{
    (void)total;
    assert_string_equal(stage, "tune");
    *(size_t *)user = done;
    return done >= 300;
}

static void stopped_timed_and_refused(void **state)
{
    (void)state;
    struct maps *m = make_maps(12, 12, 10, 10);
    dp_tune_settings settings;
    dp_tune_settings_init(&settings);
    dp_tune_result r = {.trials = 42};
    dp_run run;
    size_t done = 0;
    dp_run_init(&run);
    run.progress = stop;
    run.user = &done;
    assert_fails(DP_E_CANCELLED, "was stopped after", dp_tune(&m->set, &settings, &run, &r, err));
    assert_int_equal(r.trials, 42);
    assert_true(done >= 300 && done < 1000);
    settings.trials = 0;
    settings.seconds = 0.05;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    assert_true(r.trials >= 256);
    settings.seconds = 0;
    assert_fails(DP_E_ARGUMENT, "give a number of trials or a time", dp_tune(&m->set, &settings, NULL, &r, err));
    settings.trials = 10;
    settings.post.unit = DP_UNIT_PIXELS;
    assert_fails(DP_E_ARGUMENT, "in cells", dp_tune(&m->set, &settings, NULL, &r, err));
    settings.post.unit = DP_UNIT_CELLS;
    m->values[12 * 12 * 3 + 100] = NAN;
    assert_fails(DP_E_NUMERIC, "map 4 of 10: cell 100 is nan", dp_tune(&m->set, &settings, NULL, &r, err));
    m->valid[12 * 12 * 3 + 100] = 0;
    assert_ok(dp_tune(&m->set, &settings, NULL, &r, err));
    memset(m->valid, 0, 144);
    assert_fails(DP_E_ARGUMENT, "map 1 of 10 has no valid cell", dp_tune(&m->set, &settings, NULL, &r, err));
    memset(m->labels, 0, 10);
    assert_fails(DP_E_ARGUMENT, "10 good and 0 anomalous", dp_tune(&m->set, &settings, NULL, &r, err));
    free_maps(m);
}

/* ------------------------------------------------------------------------------------------------------- calibration */

static void calibration_promises_what_it_can(void **state)
{
    (void)state;
    double scores[100];
    for (size_t i = 0; i < 100; i++)
        scores[i] = (double)((i * 37) % 100);
    dp_calibration c;
    assert_ok(dp_calibrate(scores, 38, 0.001, &c, err));
    assert_int_equal(c.n, 38);
    assert_false(c.supported);
    assert_int_equal(c.n_needed, 999);
    assert_float_equal(c.fpr_least, 1.0 / 39, 1e-12);
    assert_float_equal(c.fpr, 1.0 / 39, 1e-12);
    assert_float_equal(c.fpr_95, 1 - pow(0.05, 1.0 / 38), 1e-9); /* no false alarm among 38 */
    double largest = 0;
    for (size_t i = 0; i < 38; i++)
        largest = fmax(largest, scores[i]);
    assert_float_equal(c.threshold, largest, 0);

    assert_ok(dp_calibrate(scores, 99, 0.05, &c, err));
    assert_true(c.supported);
    assert_int_equal(c.n_needed, 19);
    assert_float_equal(c.fpr, 0.05, 1e-12); /* the 95th of 99 */
    /* the 0.95 quantile of Beta(5, 95) */
    assert_float_equal(c.fpr_95, 0.090073558, 1e-8);
    scores[3] = (double)NAN;
    assert_ok(dp_calibrate(scores, 99, 0.05, &c, err));
    assert_int_equal(c.n, 98);
    assert_ok(dp_calibrate(scores, 0, 0.05, &c, err));
    assert_true(isnan(c.threshold) && c.fpr == 1 && c.fpr_95 == 1 && !c.supported);
    assert_ok(dp_calibrate(scores, 99, 1e-300, &c, err)); /* more pictures than a size can say */
    assert_true(c.n_needed == (size_t)1 << 53 && !c.supported);
    assert_fails(DP_E_ARGUMENT, "false-alarm rate is 1", dp_calibrate(scores, 99, 1, &c, err));
    scores[4] = (double)INFINITY;
    assert_fails(DP_E_NUMERIC, "score 5 of 99 is infinite", dp_calibrate(scores, 99, 0.1, &c, err));
}

static void the_threshold_lies_between_order_statistics(void **state)
{
    (void)state;
    double scores[200];
    dp_calibration c;
    for (size_t i = 0; i < 200; i++)
        scores[i] = (double)((i * 77) % 200);            /* 0..199 in another order */
    assert_ok(dp_calibrate(scores, 200, 0.01, &c, err)); /* position 201 * 0.99 = 198.99 */
    assert_float_equal(c.threshold, exp(log(197) * 0.01 + log(198) * 0.99), 1e-9);
    assert_float_equal(c.expected, 0.01, 1e-12);
    assert_float_equal(c.fpr, 3.0 / 201, 1e-12); /* the 198th is what holds */
    assert_true(c.supported && c.low < 0.01 && c.high > 0.01 && c.high < c.fpr_95);
    assert_ok(dp_calibrate(scores, 200, 0.9999, &c, err)); /* never below the smallest */
    assert_true(c.threshold == 0);
    assert_ok(dp_calibrate(scores, 200, 0.99, &c, err)); /* 2.01: the 2nd is 1, the 3rd 2 */
    assert_float_equal(c.threshold, pow(2, 0.01), 1e-9);
    assert_ok(dp_calibrate(scores, 200, 0.993, &c, err)); /* 1.407: linear from the first, which is 0 */
    assert_float_equal(c.threshold, 0.407, 1e-9);
    for (size_t i = 0; i < 99; i++)
        scores[i] = (double)i;
    assert_ok(dp_calibrate(scores, 99, 0.01, &c, err)); /* 100 * 0.99 = 99 exactly, the largest */
    assert_true(c.threshold == 98 && c.supported);
    assert_float_equal(c.fpr, 0.01, 1e-12);
    assert_ok(dp_calibrate(scores, 99, 0.5, &c, err));
    assert_true(c.threshold == 49);
    assert_float_equal(c.expected, 0.5, 1e-12);
    scores[2] = (double)NAN;
    assert_ok(dp_calibrate(scores, 4, 0.05, &c, err)); /* of 3: the largest, which 1 in 4 passes */
    assert_true(c.threshold == 3 && !c.supported && c.n_needed == 19);
    assert_float_equal(c.fpr, 0.25, 1e-12);
    assert_float_equal(c.expected, 0.25, 1e-12);
    scores[0] = (double)NAN;
    assert_ok(dp_calibrate(scores, 1, 0.01, &c, err));
    assert_true(isnan(c.threshold) && c.fpr == 1 && c.expected == 1);
    assert_ok(dp_calibrate(scores + 1, 1, 0.999, &c, err));
    assert_true(c.threshold == 1);
    const double equal[3] = {0.1, 0.1, 0.1};
    assert_ok(dp_calibrate(equal, 3, 0.4, &c, err));
    assert_true(c.threshold == 0.1); /* no rounding lifts it above, or below, what all of them are */
    assert_fails(DP_E_ARGUMENT, "above 0 and below 1", dp_calibrate(scores, 4, 0, &c, err));
    assert_fails(DP_E_ARGUMENT, "above 0 and below 1", dp_calibrate(scores, 4, (double)NAN, &c, err));
}

static void rates_of_a_table(void **state)
{
    (void)state;
    static const struct {
        size_t n, rows;
        double fpr, rates[DP_MOST_RATES];
    } tables[] = {{0, 0, .05, {0}},
                  {1, 1, .05, {.5}},
                  {4, 1, .05, {.2}},
                  {10, 3, .05, {1. / 11, .1, .2}},
                  {19, 3, .05, {.05, .1, .2}},
                  {40, 4, .05, {1. / 41, .05, .1, .2}},
                  {99, 5, .05, {.01, .02, .05, .1, .2}},
                  {99, 6, .07, {.01, .02, .05, .07, .1, .2}},
                  {99, 5, .001, {.01, .02, .05, .1, .2}},
                  {1999, 6, .001, {.001, .01, .02, .05, .1, .2}}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        double rates[DP_MOST_RATES];
        size_t n = dp_calibration_rates(tables[i].n, tables[i].fpr, rates);
        assert_int_equal(n, tables[i].rows);
        for (size_t r = 0; r < n; r++)
            assert_float_equal(rates[r], tables[i].rates[r], 1e-12);
    }
}

/* METHODS: with 95 % confidence 10 % from 29 pictures, 5 % from 59, 2 % from 149, 1 % from 299. */
static void certificates(void **state)
{
    (void)state;
    static double scores[1000];
    for (size_t i = 0; i < 1000; i++)
        scores[i] = (double)((i * 377) % 1000);
    static const struct {
        size_t n;
        double fpr;
    } first[] = {{29, .1}, {59, .05}, {149, .02}, {299, .01}};
    dp_certificate c;
    for (size_t i = 0; i < 4; i++) {
        assert_ok(dp_certify(scores, first[i].n, first[i].fpr, &c, err));
        assert_true(c.supported && c.k == 1 && c.rate <= first[i].fpr && c.n_needed == first[i].n);
        assert_ok(dp_certify(scores, first[i].n - 1, first[i].fpr, &c, err));
        assert_true(!c.supported && c.k == 1 && c.rate > first[i].fpr && c.n_needed == first[i].n);
        assert_float_equal(c.rate, 1 - pow(0.05, 1.0 / (double)(first[i].n - 1)), 1e-9);
    }
    assert_ok(dp_certify(scores, 1000, 0.05, &c,
                         err)); /* the 0.95 quantile of Beta(39, 962) is .0495, of Beta(40, 961) .0506 */
    assert_int_equal(c.k, 39);
    assert_true(c.threshold == 961 && c.rate <= 0.05 && c.low < c.expected && c.expected < c.high);
    scores[0] = (double)NAN;
    assert_ok(dp_certify(scores, 1, 0.05, &c, err));
    assert_true(isnan(c.threshold) && c.rate == 1 && !c.supported);
    assert_fails(DP_E_ARGUMENT, "above 0 and below 1", dp_certify(scores, 4, 1, &c, err));
}

static void p_values(void **state)
{
    (void)state;
    const double scores[5] = {3, 1, 2, (double)NAN, 2};
    assert_float_equal(dp_conformal_p(scores, 5, 4), 1.0 / 5, 1e-12);
    assert_float_equal(dp_conformal_p(scores, 5, 3), 2.0 / 5, 1e-12);
    assert_float_equal(dp_conformal_p(scores, 5, 2), 4.0 / 5, 1e-12);
    assert_float_equal(dp_conformal_p(scores, 5, 0), 1, 1e-12);
    assert_float_equal(dp_conformal_p(scores, 0, 0), 1, 1e-12);
    assert_true(isnan(dp_conformal_p(scores, 5, (double)NAN)));
    /* An alarm at rate fpr is a p-value of at most fpr; on average over fresh draws the bound holds. */
    size_t alarms = 0;
    const size_t rounds = 20000;
    for (size_t round = 0; round < rounds; round++) {
        double good[39];
        for (size_t i = 0; i < 39; i++)
            good[i] = floor(uniform() * 1000);
        double fresh = floor(uniform() * 1000);
        dp_calibration c;
        assert_ok(dp_calibrate(good, 39, 0.1, &c, err));
        int alarm = fresh > c.threshold;
        assert_int_equal(alarm, dp_conformal_p(good, 39, fresh) <= 0.1 + 1e-12);
        alarms += alarm;
    }
    double rate = (double)alarms / (double)rounds;
    if (rate > 0.106 || rate < 0.09)
        fail_msg("false-alarm rate %g at 0.1", rate);
}

/* The short way to a score is the long one, wherever it is taken: random maps with rings around holes, cells that are not valid, odd
 * shapes, all readings and scores. */
static void the_short_way_is_the_long_one(void **state)
{
    (void)state;
    size_t taken = 0, filled = 0;
    static const size_t shapes[][2] = {{56, 56}, {1, 40}, {33, 1}, {7, 13}, {20, 31}};
    for (size_t round = 0; round < 400; round++) {
        size_t rows = shapes[round % 5][0], cols = shapes[round % 5][1], cells = rows * cols, seen = 0;
        float *map = malloc(cells * sizeof *map), *out = malloc(cells * sizeof *out),
              *scratch = malloc(cells * sizeof *scratch);
        uint8_t *valid = malloc(cells);
        for (size_t i = 0; i < cells; i++) {
            double y = (double)(i / cols) - (double)rows / 2, x = (double)(i % cols) - (double)cols / 2,
                   r = sqrt(x * x + y * y);
            map[i] = (float)(floor(8 * uniform()) / 8 + (r > 2 && r < 4.5 && round % 3 ? 1 : 0));
            valid[i] = round % 2 ? 1 : uniform() > 0.05;
            seen += valid[i];
        }
        dp_sorted_map sorted;
        dp_sparse_work work;
        assert_ok(dp_sorted_map_open(map, valid, rows, cols, &sorted, err));
        assert_ok(dp_sparse_work_open(rows, cols, &work, err));
        for (size_t t = 0; t < 60 && seen; t++) {
            dp_post post;
            dp_post_init(&post);
            post.low = 0.125 * floor(1 + 15 * uniform());
            post.high = uniform() < 0.3 ? 0 : post.low + 0.125 * floor(6 * uniform());
            post.min_object = (size_t)(6 * uniform());
            post.max_hole = (size_t)(9 * uniform());
            dp_score how = (dp_score)(t / 3 % 4);
            double score;
            if (!dp_sparse_score(&post, how, &sorted, &work, &score))
                continue;
            taken++;
            filled += post.max_hole > 0;
            assert_ok(dp_post_apply(&post, map, valid, rows, cols, 1, out, err));
            double expected = dp_score_cells(how, out, valid, cells, scratch);
            if (score != expected)
                fail_msg("round %zu (%zux%zu), low %g, high %g, objects %zu, holes %zu, score %d: %.17g, not %.17g",
                         round, rows, cols, post.low, post.high, post.min_object, post.max_hole, (int)how, score,
                         expected);
        }
        dp_sorted_map_close(&sorted);
        dp_sparse_work_close(&work);
        free(map), free(out), free(scratch), free(valid);
    }
    assert_true(taken > 5000 && filled > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tuning_finds_what_is_there),
        cmocka_unit_test(held_out_is_honest),
        cmocka_unit_test(cells_are_weighted),
        cmocka_unit_test(without_folds),
        cmocka_unit_test(filters_stay),
        cmocka_unit_test(stopped_timed_and_refused),
        cmocka_unit_test(calibration_promises_what_it_can),
        cmocka_unit_test(the_threshold_lies_between_order_statistics),
        cmocka_unit_test(rates_of_a_table),
        cmocka_unit_test(certificates),
        cmocka_unit_test(p_values),
        cmocka_unit_test(the_short_way_is_the_long_one),
    };
    return cmocka_run_group_tests_name("tune", tests, NULL, NULL);
}
