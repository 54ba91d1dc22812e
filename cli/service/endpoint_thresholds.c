/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_thresholds.c - the threshold of a bank, what it promises, and what another one would. */
#include "fault.h"
#include "log.h"
#include "routes.h"
#include "../rates.h"
#include "dinopatch/edit.h"

#include <math.h>

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

static json_t *thresholds_json(const served_bank *bank)
{
    cli_rates rates;
    int code;
    size_t above;
    json_t *scores = scores_of(bank, &above);
    const dp_threshold_origin *origin = &bank->details.threshold_origin;
    bool made = cli_rates_of_bank(bank->bank, &rates, &code);
    return cli_json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:I, s:o, s:o}", "threshold", cli_json_real(bank->view.view.threshold),
        "cell_threshold", cli_json_real(bank->view.view.cell_threshold), "by", dp_origin_name(origin->by), "fpr",
        origin->fpr > 0 ? cli_json_real(origin->fpr) : json_null(), "scores", scores, "good_above", (json_int_t)above,
        "rates", made ? cli_rates_json(&rates) : json_array(), "drift", cli_json_real(bank->details.drift));
}

void get_thresholds(request *r)
{
    served_bank *bank = request_bank(r);
    if (bank)
        reply_json(r, 200, thresholds_json(bank));
    served_bank_drop(bank);
}

/* As `dinopatch calibrate --fpr F` or `--value T` does. */
static dp_status set_threshold(service *s, const served_bank *served, double value, double fpr, dp_error *err)
{
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    dp_bank_details info;
    cli_view made = {.threshold = NAN};
    dp_status status = dp_bank_lock_take(served->path, &s->settings.run, &lock, err);
    if (!status)
        status = dp_bank_open(served->path, &bank, err);
    if (status)
        goto done;
    dp_bank_get_details(bank, &info);
    if (isfinite(fpr))
        info.recipe.fpr = fpr;
    status = cli_view_make(bank, &info.recipe, NULL, &s->settings.run, &made, err);
    if (status)
        goto done;
    const dp_calibration *c = &made.good.of_scores;
    dp_view *view = &made.view;
    view->threshold = isfinite(value) ? value : c->threshold;
    view->cell_threshold = made.good.of_peaks.threshold;
    view->origin = isfinite(value) ? (dp_threshold_origin){.by = DP_ORIGIN_VALUE}
                                   : (dp_threshold_origin){.by = DP_ORIGIN_CALIBRATE, .fpr = fpr, .n_good = c->n};
    if (isfinite(fpr) && !c->n)
        status = service_fail(err, DP_E_MISMATCH, "bank %s has too few good pictures for a rate: give a value",
                              served->name);
    else
        status = dp_bank_save_view(bank, view, info.recipe.fpr, served->path, err);
done:
    cli_view_free(&made);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    return status;
}

/* What is asked; false: answered. */
static bool read_asked(request *r, double *value, double *fpr)
{
    json_t *body = request_json(r);
    if (!body)
        return false;
    const json_t *v = json_object_get(body, "value"), *f = json_object_get(body, "fpr");
    *value = *fpr = NAN;
    if (!v == !f || json_object_size(body) != 1)
        reply_problem(r, 400, "give {\"value\": T} or {\"fpr\": RATE}, and nothing else");
    else if (v && (!json_is_number(v) || !(json_number_value(v) >= 0)))
        reply_problem(r, 400, "value: give a score, a number of at least 0");
    else if (f && (!json_is_number(f) || !(json_number_value(f) > 0 && json_number_value(f) < 1)))
        reply_problem(r, 400, "fpr: give a rate above 0 and below 1");
    else if (v)
        *value = json_number_value(v);
    else
        *fpr = json_number_value(f);
    json_decref(body);
    return !r->response;
}

void put_threshold(request *r)
{
    double value, fpr;
    dp_error err;
    served_bank *bank = request_bank(r);
    if (bank && read_asked(r, &value, &fpr)) {
        if (set_threshold(r->service, bank, value, fpr, &err)) {
            reply_fault(r, &err);
        } else {
            banks_rescan(r->service->banks);
            served_bank *now = banks_get(r->service->banks, bank->name);
            log_line(LOG_LEVEL_INFO, "bank %s: a threshold was set by %s", bank->name,
                     isfinite(fpr) ? "rate" : "value");
            if (now && !now->broken)
                reply_json(r, 200, thresholds_json(now));
            else
                reply_problem(r, 503, "bank %s is not there any more", bank->name);
            served_bank_drop(now);
        }
    }
    served_bank_drop(bank);
}
