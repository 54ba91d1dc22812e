/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_thresholds.c - the threshold of a bank, what it promises, and what another one would. */
#include "fault.h"
#include "log.h"
#include "routes.h"
#include "../feedback.h"
#include "../rates.h"
#include "changes.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>

static json_t *scores_of(const served_bank *bank, size_t *above)
{
    json_t *list = json_array();
    *above = 0;
    for (size_t i = 0; i < bank->details.n_pictures; i++) {
        double score = dp_bank_picture_score(bank->bank, i);
        if (isnan(score))
            continue;
        cli_json_append(list, cli_json_real(score));
        *above += score > bank->view.view.threshold;
    }
    return list;
}

static json_t *judged_json(const service *s, const served_bank *bank);

static json_t *thresholds_json(const service *s, const served_bank *bank)
{
    cli_rates rates;
    int code;
    size_t above;
    json_t *scores = scores_of(bank, &above);
    const dp_threshold_origin *origin = &bank->details.threshold_origin;
    bool made = cli_rates_of_bank(bank->bank, &rates, &code);
    return cli_json_pack("{s:o, s:o, s:s, s:o, s:o, s:I, s:o, s:o, s:o}", "threshold",
                         cli_json_real(bank->view.view.threshold), "cell_threshold",
                         cli_json_real(bank->view.view.cell_threshold), "by", dp_origin_name(origin->by), "fpr",
                         origin->fpr > 0 ? cli_json_real(origin->fpr) : json_null(), "scores", scores, "good_above",
                         (json_int_t)above, "rates", made ? cli_rates_json(&rates) : json_array(), "drift",
                         cli_json_real(bank->details.drift), "verdicts", judged_json(s, bank));
}

void get_thresholds(request *r)
{
    served_bank *bank = request_bank(r);
    if (bank)
        reply_json(r, 200, thresholds_json(r->service, bank));
    served_bank_drop(bank);
}

/* ----- what people said of results */

/* The scores of the good pictures and of the results that have a verdict, since the good pictures last changed. */
struct judged {
    GArray *scores;           /* double */
    GByteArray *labels;       /* 1: a defect */
    size_t n_bank;            /* of them: good pictures of the bank */
    size_t n_good, n_defect;  /* verdicts */
    double threshold;         /* that agrees best with all; NaN: there is no verdict */
    size_t n_false, n_missed; /* of the verdicts, by that threshold */
};

static void judged_add(struct judged *j, double score, uint8_t label)
{
    g_array_append_val(j->scores, score);
    g_byte_array_append(j->labels, &label, 1);
}

static int on_judged(void *user, const store_row *row)
{
    struct judged *j = user;
    bool defect = !strcmp(row->verdict, "defect");
    if (!isfinite(row->score))
        return 0;
    judged_add(j, row->score, defect);
    j->n_good += !defect;
    j->n_defect += defect;
    return 0;
}

/* With defects the threshold of the best F1, as `dinopatch calibrate --best-f1`; without, the bank's rate over all good ones. */
static dp_status find_threshold(struct judged *j, double fpr, dp_error *err)
{
    const double *scores = (const double *)(const void *)j->scores->data;
    dp_measures measures;
    dp_calibration calibration;
    dp_status status = DP_OK;
    if (j->n_defect) {
        status = dp_measure(scores, j->labels->data, j->scores->len, &measures, err);
        j->threshold = status ? NAN : measures.decision_threshold;
    } else if (j->n_good) {
        status = dp_calibrate(scores, j->scores->len, fpr, &calibration, err);
        j->threshold = status ? NAN : calibration.threshold;
    }
    for (size_t i = j->n_bank; i < j->scores->len; i++) {
        j->n_false += !j->labels->data[i] && scores[i] > j->threshold;
        j->n_missed += j->labels->data[i] && !(scores[i] > j->threshold);
    }
    return status;
}

static void judged_clear(struct judged *j)
{
    g_array_unref(j->scores);
    g_byte_array_unref(j->labels);
}

/* judged_clear in any case. */
static dp_status judged_find(const service *s, const served_bank *bank, struct judged *j, dp_error *err)
{
    *j = (struct judged){
        .scores = g_array_new(FALSE, FALSE, sizeof(double)), .labels = g_byte_array_new(), .threshold = NAN};
    for (size_t i = 0; i < bank->details.n_pictures; i++)
        if (!isnan(dp_bank_picture_score(bank->bank, i)))
            judged_add(j, dp_bank_picture_score(bank->bank, i), 0);
    j->n_bank = j->scores->len;
    const store_filter filter = {
        .bank = bank->name, .verdict = "any", .since_ms = changes_since_ms(s->ledger, bank->name), .limit = 100000};
    dp_status status = store_query(s->results, &filter, on_judged, j, err);
    return status ? status : find_threshold(j, bank->details.recipe.fpr, err);
}

static json_t *judged_json(const service *s, const served_bank *bank)
{
    struct judged j;
    bool found = !judged_find(s, bank, &j, NULL) && !isnan(j.threshold);
    json_t *object = cli_json_pack("{s:I, s:I, s:o, s:o, s:o}", "good", (json_int_t)j.n_good, "defect",
                                   (json_int_t)j.n_defect, "threshold", cli_json_real(j.threshold), "false_alarms",
                                   found ? json_integer((json_int_t)j.n_false) : json_null(), "missed",
                                   found ? json_integer((json_int_t)j.n_missed) : json_null());
    judged_clear(&j);
    return object;
}

static dp_status note_threshold(const service *s, const served_bank *served, double now, const dp_bank_details *before,
                                dp_error *err)
{
    const dp_threshold_origin *o = &before->threshold_origin;
    json_t *was =
        cli_json_pack("{s:o, s:o, s:f, s:I, s:f, s:I, s:I, s:I, s:o}", "threshold", cli_json_real(before->threshold),
                      "cell_threshold", cli_json_real(before->cell_threshold), "recipe_fpr", before->recipe.fpr, "by",
                      (json_int_t)o->by, "fpr", o->fpr, "n_good", (json_int_t)o->n_good, "n_bad", (json_int_t)o->n_bad,
                      "k", (json_int_t)o->k, "certified", cli_json_real(o->certified));
    return changes_add(s->ledger, served->name, "threshold",
                       cli_json_pack("{s:o, s:o, s:o}", "before", cli_json_real(before->threshold), "after",
                                     cli_json_real(now), "was", was),
                       0, err);
}

/* What is asked of a threshold: one of these. */
struct wanted {
    double value, fpr; /* NaN: not this */
    bool verdicts;
};

/* As `dinopatch calibrate --fpr F`, `--value T` or `--best-f1` does. */
static dp_status set_threshold(service *s, const served_bank *served, const struct wanted *wanted, dp_error *err)
{
    double value = wanted->value, fpr = wanted->fpr;
    struct judged j = {.n_good = 0};
    if (wanted->verdicts) {
        dp_status found = judged_find(s, served, &j, err);
        judged_clear(&j);
        if (!found && isnan(j.threshold))
            found =
                service_fail(err, DP_E_MISMATCH,
                             "no result of bank %s has a verdict since its good pictures last changed", served->name);
        if (found)
            return found;
        value = j.threshold;
    }

    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_bank_details info, before;
    cli_view made = {.threshold = NAN};
    dp_status status = dp_bank_lock_take(served->path, &s->settings.run, &lock, err);
    if (!status)
        status = banks_read(s->banks, served->path, &bank, err);
    if (status)
        goto done;
    dp_bank_get_details(bank, &info);
    before = info;
    if (isfinite(fpr))
        info.recipe.fpr = fpr;
    status = cli_view_make(bank, &info.recipe, NULL, &s->settings.run, &made, err);
    if (status)
        goto done;
    const dp_calibration *c = &made.good.of_scores;
    dp_view *view = &made.view;
    view->threshold = isfinite(value) ? value : c->threshold;
    view->cell_threshold = made.good.of_peaks.threshold;
    if (wanted->verdicts)
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_TUNE, .n_good = j.n_bank + j.n_good, .n_bad = j.n_defect};
    else if (isfinite(value))
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_VALUE};
    else
        view->origin = (dp_threshold_origin){.by = DP_ORIGIN_CALIBRATE, .fpr = fpr, .n_good = c->n};
    if (isfinite(fpr) && !c->n)
        status = service_fail(err, DP_E_MISMATCH, "bank %s has too few good pictures for a rate: give a value",
                              served->name);
    else
        status = dp_bank_save_view(bank, view, info.recipe.fpr, served->path, err);
    if (!status)
        status = note_threshold(s, served, view->threshold, &before, err);
done:
    cli_view_free(&made);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    return status;
}

/* What is asked; false: answered. */
static bool read_asked(request *r, struct wanted *wanted)
{
    json_t *body = request_json(r);
    if (!body)
        return false;
    const json_t *v = json_object_get(body, "value"), *f = json_object_get(body, "fpr"),
                 *by = json_object_get(body, "verdicts");
    *wanted = (struct wanted){.value = NAN, .fpr = NAN, .verdicts = json_is_true(by)};
    if (!v + !f + !wanted->verdicts != 2 || json_object_size(body) != 1)
        reply_problem(r, 400, "give {\"value\": T}, {\"fpr\": RATE} or {\"verdicts\": true}, and nothing else");
    else if (v && (!json_is_number(v) || !(json_number_value(v) >= 0)))
        reply_problem(r, 400, "value: give a score, a number of at least 0");
    else if (f && (!json_is_number(f) || !(json_number_value(f) > 0 && json_number_value(f) < 1)))
        reply_problem(r, 400, "fpr: give a rate above 0 and below 1");
    else if (v)
        wanted->value = json_number_value(v);
    else if (f)
        wanted->fpr = json_number_value(f);
    json_decref(body);
    return !r->response;
}

void put_threshold(request *r)
{
    struct wanted wanted;
    dp_error err;
    served_bank *bank = request_bank(r);
    if (bank && read_asked(r, &wanted)) {
        if (set_threshold(r->service, bank, &wanted, &err)) {
            reply_fault(r, &err);
        } else {
            banks_rescan(r->service->banks);
            served_bank *now = banks_get(r->service->banks, bank->name);
            log_line(LOG_LEVEL_INFO, "bank %s: a threshold was set by %s", bank->name,
                     wanted.verdicts        ? "verdicts"
                     : isfinite(wanted.fpr) ? "rate"
                                            : "value");
            if (now && !now->broken)
                reply_json(r, 200, thresholds_json(r->service, now));
            else
                reply_problem(r, 503, "bank %s is not there any more", bank->name);
            served_bank_drop(now);
        }
    }
    served_bank_drop(bank);
}
