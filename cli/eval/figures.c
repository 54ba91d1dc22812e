/* SPDX-License-Identifier: Apache-2.0 */
/* figures.c - computes the figures of a run from its scores and maps. */
#include "eval.h"
#include "dinopatch/eval.h"

#include <stdlib.h>
#include <string.h>

#define RESAMPLES 2000
#define CONFIDENCE 0.95

static const double aupro_limits[2] = {0.30, 0.05};

static json_t *json_confusion(const dp_confusion *c)
{
    return cli_json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "true_positives", (json_int_t)c->true_positives,
                         "false_positives", (json_int_t)c->false_positives, "true_negatives",
                         (json_int_t)c->true_negatives, "false_negatives", (json_int_t)c->false_negatives, "accuracy",
                         cli_json_real(c->accuracy), "precision", cli_json_real(c->precision), "recall",
                         cli_json_real(c->recall), "f1", cli_json_real(c->f1));
}

static json_t *json_interval(const dp_interval *interval)
{
    return cli_json_pack("[o,o]", cli_json_real(interval->low), cli_json_real(interval->high));
}

/* Counts the decisions of the bank's threshold on the inspected pictures. Pictures that were not inspected are counted
 * separately. */
static dp_status measure_decisions(const eval_run *run, double threshold, json_t *figures, dp_error *err)
{
    size_t n = 0, not_inspected[2] = {0, 0};
    dp_confusion confusion;
    double *scores = g_new(double, run->set->test->len);
    uint8_t *labels = g_new(uint8_t, run->set->test->len);
    for (guint i = 0; i < run->set->test->len; i++) {
        const json_t *known = eval_state_picture(run->state, run->name, i), *score = json_object_get(known, "score");
        const char *decision = json_string_value(json_object_get(known, "decision"));
        bool anomalous = eval_item(run, i)->label != 0;
        if (decision && !strcmp(decision, dp_label_name(DP_LABEL_NOT_INSPECTED))) {
            not_inspected[anomalous]++;
        } else if (json_is_number(score)) {
            scores[n] = json_number_value(score);
            labels[n++] = anomalous;
        }
    }
    dp_status status = dp_confusion_at(scores, labels, n, threshold, &confusion, err);
    if (!status) {
        json_t *at = json_confusion(&confusion);
        cli_json_set(at, "threshold", cli_json_real(threshold));
        cli_json_set(at, "not_inspected",
                     cli_json_pack("{s:I, s:I}", "good", (json_int_t)not_inspected[0], "anomalous",
                                   (json_int_t)not_inspected[1]));
        cli_json_set(figures, "at_bank_threshold", at);
    }
    g_free(scores);
    g_free(labels);
    return status;
}

static dp_status measure_images(const eval_run *run, json_t *figures, dp_error *err)
{
    size_t n = 0;
    double *scores = g_new(double, run->set->test->len);
    uint8_t *labels = g_new(uint8_t, run->set->test->len);
    for (guint i = 0; i < run->set->test->len; i++) {
        const json_t *score = json_object_get(eval_state_picture(run->state, run->name, i), "score");
        if (!json_is_number(score))
            continue;
        scores[n] = json_number_value(score);
        labels[n++] = (uint8_t)eval_item(run, i)->label;
    }
    dp_measures m;
    dp_interval auroc, precision, f1;
    dp_status status = dp_measure(scores, labels, n, &m, err);
    if (!status)
        status = dp_bootstrap(scores, labels, n, RESAMPLES, CONFIDENCE, 0, &auroc, &precision, &f1, err);
    if (!status) {
        cli_json_set(figures, "image_auroc", cli_json_real(m.auroc));
        cli_json_set(figures, "image_ap", cli_json_real(m.average_precision));
        cli_json_set(figures, "image_f1_max", cli_json_real(m.f1_max));
        cli_json_set(figures, "intervals_95",
                     cli_json_pack("{s:o, s:o, s:o}", "image_auroc", json_interval(&auroc), "image_ap",
                                   json_interval(&precision), "image_f1_max", json_interval(&f1)));
        json_t *at = json_confusion(&m.at_f1);
        cli_json_set(at, "threshold", cli_json_real(m.decision_threshold));
        cli_json_set(figures, "at_f1_max", at);
    }
    const json_t *bank = json_object_get(json_object_get(eval_state_run(run->state, run->name), "fit"), "threshold");
    if (!status && json_is_number(bank))
        status = measure_decisions(run, json_number_value(bank), figures, err);
    g_free(scores);
    g_free(labels);
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of one timing over the test pictures; null if there is none. */
static json_t *median_of(const eval_run *run, const char *timing)
{
    size_t n = 0;
    double *ms = g_new(double, run->set->test->len);
    for (guint i = 0; i < run->set->test->len; i++) {
        const json_t *value = json_object_get(eval_state_picture(run->state, run->name, i), timing);
        if (json_is_number(value))
            ms[n++] = json_number_value(value);
    }
    qsort(ms, n, sizeof *ms, ascending);
    json_t *median = n ? cli_json_ms(0.5 * (ms[n / 2] + ms[(n - 1) / 2])) : json_null();
    g_free(ms);
    return median;
}

dp_status eval_figures(const eval_run *run, dp_pixel_meter *pixels, json_t **figures, dp_error *err)
{
    *figures = json_object();
    dp_status status = measure_images(run, *figures, err);
    cli_json_set(*figures, "embed_ms", median_of(run, "embed_ms"));
    cli_json_set(*figures, "search_ms", median_of(run, "search_ms"));
    cli_json_share(*figures, "bank_bytes",
                   json_object_get(json_object_get(eval_state_run(run->state, run->name), "fit"), "bank_bytes"));
    dp_measures pixel = {0};
    double aupro[2] = {0};
    if (!status && pixels)
        status = dp_pixel_meter_measure(pixels, &pixel, aupro_limits, 2, aupro, err);
    if (!status && pixels) {
        const double values[] = {pixel.auroc, pixel.average_precision, pixel.f1_max, aupro[0], aupro[1]};
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
            cli_json_set(*figures, eval_columns[3 + i], cli_json_real(values[i]));
    }
    if (status) {
        json_decref(*figures);
        *figures = NULL;
    }
    return status;
}
