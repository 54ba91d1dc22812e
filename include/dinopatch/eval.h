/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch/eval.h - figures of scores and maps against labels and masks, and tuning on them.
 *
 * The conventions of dinopatch.h hold. */
#ifndef DINOPATCH_EVAL_H
#define DINOPATCH_EVAL_H

#include "dinopatch/experimental.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------------------------------------------------- measure */

/* Figures of scores against labels (non-zero = anomalous).  Every distinct score is a threshold; -0 equals 0.  A score that
 * is not finite is DP_E_NUMERIC.  Where a class is missing: AUROC is NaN; average precision and F1 are NaN without anomalous
 * items, and 1 without good ones.  All scores equal: AUROC 0.5, average precision the share of anomalous items. */

/* Area under the ROC curve, ties counted half. */
DP_API dp_status dp_auroc(const double *scores, const uint8_t *labels, size_t n, double *auroc, dp_error *err);

typedef struct dp_confusion {
    uint64_t true_positives, false_positives, true_negatives, false_negatives; /* positive = called anomalous */
    double accuracy;                                                           /* NaN without items */
    double precision;                                                          /* 0 where nothing is called anomalous */
    double recall;                                                             /* NaN without anomalous items */
    double f1;                                                                 /* NaN without anomalous items */
} dp_confusion;

/* At a threshold: a score above it is called anomalous, as inspection does.  DP_E_NUMERIC for a threshold that is NaN. */
DP_API dp_status dp_confusion_at(const double *scores, const uint8_t *labels, size_t n, double threshold,
                                 dp_confusion *confusion, dp_error *err);

typedef struct dp_measures {
    uint64_t n_good, n_anomalous;
    double auroc;
    double average_precision; /* sum of (R_i - R_(i-1)) P_i, as scikit-learn's average_precision_score */
    double f1_max;
    double f1_threshold;       /* the smallest score that is called anomalous there; of several, the lowest */
    double decision_threshold; /* a threshold for "above it" with the same calls: half way to the next lower score, or a
                                  millionth below where there is none */
    dp_confusion at_f1;
} dp_measures;

DP_API dp_status dp_measure(const double *scores, const uint8_t *labels, size_t n, dp_measures *measures,
                            dp_error *err);

typedef struct dp_curve_point {
    double threshold;           /* "score >= threshold"; infinite in the first point */
    double false_positive_rate; /* NaN without good items */
    double recall;              /* NaN without anomalous items */
    double precision;           /* 1 in the first point */
} dp_curve_point;

/* ROC and precision-recall curve in one: *points [*n_points], from no alarm at all down to the lowest score.
 * The caller frees with dp_memory_free. */
DP_API dp_status dp_curve(const double *scores, const uint8_t *labels, size_t n, dp_curve_point **points,
                          size_t *n_points, dp_error *err);

/* Percentile intervals by resampling each class with replacement; the same for the same seed.  confidence in (0,1), 0.95
 * say; resamples at least 1, 2000 say.  NaN where a class is missing.  Each output may be NULL. */
DP_API dp_status dp_bootstrap(const double *scores, const uint8_t *labels, size_t n, size_t resamples,
                              double confidence, uint64_t seed, dp_interval *auroc, dp_interval *average_precision,
                              dp_interval *f1_max, dp_error *err);

/* Figures of distance maps against masks, exact, map by map.  It keeps 4 bytes for each good pixel and 8 for each
 * anomalous one; dp_pixel_meter_measure needs at most 40 more for each anomalous pixel while it runs. */
typedef struct dp_pixel_meter dp_pixel_meter;
DP_API dp_status dp_pixel_meter_open(dp_pixel_meter **meter, dp_error *err);
/* map and mask [height, width]; a pixel with mask > 0 is anomalous; mask NULL: none is.
 * Errors (the meter stays as it was): DP_E_NUMERIC (a distance that is not finite), DP_E_MEMORY. */
DP_API dp_status dp_pixel_meter_add(dp_pixel_meter *meter, const float *map, const uint8_t *mask, size_t height,
                                    size_t width, dp_error *err);
/* pixel (may be NULL): the figures over all pixels, decision_threshold being the next number below f1_threshold.
 * aupro [n_limits]: area under the per-region-overlap curve up to each false-positive rate of fpr_limits (in (0,1]),
 * divided by it, as MVTec's evaluation computes it: the mean share of each region (connected by sides and corners) at or above
 * the threshold, against the share of good pixels there.  NaN without regions or without good pixels. */
DP_API dp_status dp_pixel_meter_measure(dp_pixel_meter *meter, dp_measures *pixel, const double *fpr_limits,
                                        size_t n_limits, double *aupro, dp_error *err);
DP_API void dp_pixel_meter_close(dp_pixel_meter **meter);

/* ----- tuning: a search over post-processing and score, on maps that are computed once */

typedef struct dp_tune_set {
    size_t rows, cols;           /* of every map */
    size_t n;                    /* pictures */
    const float *const *maps;    /* [n] of [rows, cols]: distance maps without post-processing */
    const uint8_t *const *valid; /* [n] of [rows, cols]; NULL, or an entry NULL: all cells */
    const uint8_t *labels;       /* [n] non-zero = anomalous */
    const float *const
        *weights; /* [n] of [rows, cols], dp_result.weights: what the score max is multiplied by; NULL: nothing */
} dp_tune_set;

typedef struct dp_tune_settings {
    size_t trials;  /* 0: as many as fit into `seconds` */
    double seconds; /* looked at only where trials is 0; the number of trials then depends on the machine */
    size_t folds;   /* stratified; 0 or 1: none, the paper's way, all figures on the data that was tuned on */
    uint64_t seed;
    dp_post post; /* what is compared with; its filters are part of every trial, the rest is searched; unit cells */
    dp_score score;
} dp_tune_settings;

/* 20,000 trials, 5 folds, seed 0, no post-processing, the default score. */
DP_API void dp_tune_settings_init(dp_tune_settings *settings);

typedef struct dp_tune_figures {
    double auroc;
    dp_confusion confusion; /* at a threshold that is the best F1's on the pictures the configuration was chosen on */
} dp_tune_figures;

typedef struct dp_tune_result {
    size_t trials; /* that were made */
    size_t folds;  /* that were made: no more than pictures of the smaller class; 0: no held-out figures */
    dp_post post;  /* the best configuration on all pictures, ... */
    dp_score score;
    double threshold;      /* ... its threshold, ... */
    double margin;         /* ... and (least anomalous - largest good score) / (range of the scores) */
    dp_tune_figures tuned; /* its figures on the pictures it was chosen on: too good to be believed */
    dp_tune_figures
        untuned; /* of settings->post and ->score; nothing was chosen but the threshold, which comes from the
                                  other folds where there are folds */
    dp_tune_figures
        held_out; /* each fold by the configuration and threshold chosen on the others: AUROC is the mean over the
                                  folds weighted by their pairs, the counts are summed.  NaN without folds */
    double untuned_fold_auroc; /* the untuned configuration on the same folds, to set beside held_out.auroc */
    double held_out_deviation; /* standard deviation of the folds' AUROC; NaN with fewer than two */
} dp_tune_result;

/* Random search (Bergstra and Bengio 2012; the paper's way of tuning): low, high, min_object, max_hole and score.
 * Best is the largest AUROC, then the largest margin, then the earliest trial; trial 0 is the untuned configuration.
 * One run of trials serves all folds: a fold's choice is made by the figures of the pictures outside it.  The range
 * from which thresholds are drawn comes from all maps, without their labels.
 * Trial k of a seed is the same for any thread count and any number of trials.  run (may be NULL): threads and
 * progress, stage "tune".
 * Errors: DP_E_ARGUMENT (a class is missing, settings out of range), DP_E_NUMERIC, DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_tune(const dp_tune_set *set, const dp_tune_settings *settings, const dp_run *run,
                         dp_tune_result *result, dp_error *err);

/* ----------------------------------------------------------------------------------------------------------- drift */

/* Whether the scores of a stream of pictures drift: a conformal test martingale (src/score/drift.c has the formulas). A score is ranked among
 * all before it, so nothing is assumed of their distribution, and the good pictures of the bank are not needed. */
typedef struct dp_drift dp_drift;

#define DP_DRIFT_SCORES ((size_t)1 << 17) /* after so many scores, and after an alarm, it begins anew */

typedef struct dp_drift_state {
    size_t n;             /* scores since it began */
    double p_value;       /* of this score among them, ties broken at random */
    double log10_capital; /* of the martingale, which began at 0 */
    double rising;        /* from -1, the capital bets on scores that fall, to 1, on scores that rise */
    int alarm;            /* non-zero: the capital has reached 1 / bound */
} dp_drift_state;

/* bound: of streams whose scores are exchangeable at most this share ever raises an alarm before it begins anew. Errors: DP_E_ARGUMENT,
 * DP_E_MEMORY. */
DP_API dp_status dp_drift_open(double bound, uint64_t seed, dp_drift **drift, dp_error *err);
/* Fills *state. Errors: DP_E_NUMERIC (a score that is not finite), DP_E_MEMORY. */
DP_API dp_status dp_drift_add(dp_drift *drift, double score, dp_drift_state *state, dp_error *err);
DP_API void dp_drift_close(dp_drift **drift);

#ifdef __cplusplus
}
#endif
#endif
