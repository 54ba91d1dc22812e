/* SPDX-License-Identifier: Apache-2.0 */
/* drift_alarm.c - says when the scores of one bank's pictures in one stream drift. */
#include "drift_alarm.h"
#include "log.h"

#include "dinopatch/eval.h"

#include <math.h>

struct drift_alarm {
    double bound;
    char *stream;
    char sha256[65]; /* of the bank */
    dp_drift *drift;
    drift_standing standing;
};

dp_status drift_alarm_open(double bound, const char *stream, drift_alarm **opened, dp_error *err)
{
    dp_drift *drift;
    dp_status status = dp_drift_open(bound, 0, &drift, err);
    if (status)
        return status;
    *opened = g_new0(drift_alarm, 1);
    (*opened)->bound = bound;
    (*opened)->stream = g_strdup(stream);
    (*opened)->drift = drift;
    return DP_OK;
}

void drift_alarm_close(drift_alarm **opened)
{
    if (*opened) {
        dp_drift_close(&(*opened)->drift);
        g_free((*opened)->stream);
    }
    g_free(*opened);
    *opened = NULL;
}

/* The scores of another bank are other scores. */
static void begin_anew(drift_alarm *d, const char *sha256)
{
    dp_drift *drift;
    if (!dp_drift_open(d->bound, 0, &drift, NULL)) {
        dp_drift_close(&d->drift);
        d->drift = drift;
    }
    g_strlcpy(d->sha256, sha256, sizeof d->sha256);
    d->standing = (drift_standing){0};
}

static json_t *alarm_of(const drift_alarm *d, const char *bank, const dp_drift_state *state, int64_t time_ms)
{
    g_autofree char *time = store_time_text(time_ms);
    const char *direction = state->rising > 0 ? "rising" : "falling";
    g_autofree char *text = g_strdup_printf("the scores drift (%s) after %zu pictures: light, lens, position or "
                                            "material have changed; such an alarm is false "
                                            "with a probability of at most %g",
                                            direction, state->n, d->bound);
    return cli_json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:s}", "alarm", "drift", "time", time, "bank", bank,
                         "stream", d->stream, "pictures", (json_int_t)state->n, "log10_capital",
                         cli_json_real(state->log10_capital), "bound", cli_json_real(d->bound), "direction", direction,
                         "text", text);
}

json_t *drift_alarm_look(drift_alarm *d, const char *bank, const char *sha256, double score, int64_t time_ms)
{
    dp_drift_state state;
    dp_error err;
    if (g_strcmp0(d->sha256, sha256) != 0)
        begin_anew(d, sha256);
    if (!isfinite(score))
        return NULL;
    if (dp_drift_add(d->drift, score, &state, &err)) {
        log_line(LOG_LEVEL_WARNING, "%s", err.message);
        return NULL;
    }
    d->standing = (drift_standing){state.n, state.log10_capital, state.rising};
    return state.alarm ? alarm_of(d, bank, &state, time_ms) : NULL;
}

/* An alarm among them was raised before; the next score began anew after it. */
static void on_score(void *user, const char *bank_sha256, double score)
{
    json_decref(drift_alarm_look(user, "", bank_sha256, score, 0));
}

dp_status drift_alarm_resume(drift_alarm *d, store *s, const char *bank, dp_error *err)
{
    return drift_store_scores(s, bank, d->stream, on_score, d, err);
}

dp_status drift_alarm_remember(drift_alarm *d, store *s, const char *bank, int64_t id, dp_error *err)
{
    return d->standing.n_pictures == 1 ? drift_store_begin(s, bank, d->stream, id - 1, err) : DP_OK;
}

drift_standing drift_alarm_standing(const drift_alarm *d)
{
    return d->standing;
}
