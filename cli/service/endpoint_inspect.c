/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_inspect.c - a picture in, its result out; every result is kept before it is answered. */
#include "inspect_once.h"
#include "kept.h"
#include "log.h"
#include "routes.h"

#include <string.h>

static const char *label_of(const inspection_task *task)
{
    return task->label == DP_LABEL_NONE ? NULL : dp_label_name(task->label);
}

/* Keeps result and picture.  False: answered. */
static bool record(request *r, const inspection_task *task, int64_t *id)
{
    service *s = r->service;
    dp_error err;
    char *defects = NULL;
    g_autofree char *picture =
        task->data && (kept_wants(s, task->label) || (task->keep && s->settings.keep != KEEP_NONE))
            ? kept_add(s, task->data, task->bytes)
            : NULL;
    store_row row = {.time_ms = store_now_ms(),
                     .bank = task->bank->name,
                     .bank_sha256 = task->bank->sha256,
                     .network_sha256 = task->bank->details.model_sha256,
                     .program = dp_version(),
                     .picture = picture,
                     .stream = STORE_STREAM_SERVE};
    store_row_fill(&row, task->line, &defects);
    bool kept = store_add(s->results, &row, id, &err) == DP_OK;
    if (kept)
        drifts_look(s->drifts, &row, *id);
    g_free(defects);
    if (kept)
        return true;
    if (picture)
        kept_take_back(s, picture, task->bytes);
    log_line(LOG_LEVEL_ERROR, "a result was not kept: %s", err.message);
    reply_problem(r, 503, "the result could not be kept, so it is not given: %s", err.message);
    return false;
}

bool inspect_once(request *r, inspection_task *task, bool keep, int64_t *id)
{
    service *s = r->service;
    unsigned retry_s;
    if (g_atomic_int_get(&s->draining)) {
        reply_problem(r, 503, "the service is ending");
        reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "10");
        return false;
    }
    if (!workers_do(s->workers, task, &retry_s)) {
        char seconds[16];
        g_snprintf(seconds, sizeof seconds, "%u", retry_s);
        counters_refused(&s->counters);
        reply_problem(r, 429, "%zu pictures wait already; try again in %s s", s->settings.most_waiting, seconds);
        reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        return false;
    }
    const char *label = label_of(task);
    counters_inspection(&s->counters, task->bank->name, label ? label : "none",
                        (double)(g_get_monotonic_time() - task->came_us) / 1e6);
    *id = 0;
    return !keep || record(r, task, id);
}

/* ?record=no and its like.  False: answered. */
static bool read_flag(request *r, const char *name, bool *value)
{
    const char *text = request_query(r, name);
    if (!text)
        return true;
    *value = !strcmp(text, "yes");
    if (*value || !strcmp(text, "no"))
        return true;
    reply_problem(r, 400, "%s=%s: give yes or no", name, text);
    return false;
}

static void answer(request *r, inspection_task *task, int64_t id)
{
    char number[32];
    if (task->status) {
        g_autofree char *spelled = cli_spelled(task->err.message);
        reply_problem_with(r, status_of_fault(task->status), spelled, "result", json_incref(task->line));
    } else if (task->want & WANT_MAP && task->map_file) {
        reply_bytes(r, 200, g_steal_pointer(&task->map_file), "image/tiff");
    } else if (task->want & WANT_EXPLAINED && task->explained) {
        reply_bytes(r, 200, g_steal_pointer(&task->explained), "image/png");
    } else if (task->want & WANT_EXPLAINED) {
        reply_problem(r, 409, "this picture has no defect to explain");
    } else if (task->want & WANT_OVERLAY && task->overlay) {
        reply_bytes(r, 200, g_steal_pointer(&task->overlay), "image/png");
    } else {
        reply_json(r, 200, json_incref(task->line));
    }
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, id);
    if (id)
        reply_header(r, "Dinopatch-Result", number);
}

void post_inspect(request *r)
{
    const char *name = request_query(r, "name"), *map = request_query(r, "map");
    bool keep = true, explain = false;
    int64_t id;
    served_bank *bank = request_bank(r);
    if (!bank)
        return;
    inspection_task task = {.bank = bank, .name = name && *name ? name : "picture", .data = r->body, .bytes = r->bytes};
    if (map && strcmp(map, "tiff") != 0)
        reply_problem(r, 400, "map=%s: give tiff", map);
    else if (g_utf8_strlen(task.name, -1) > 255)
        reply_problem(r, 400, "the name has more than 255 characters");
    else if (!r->bytes)
        reply_problem(r, 400, "the body is empty: send the bytes of a picture file");
    else if (read_flag(r, "record", &keep) && read_flag(r, "explain", &explain) && read_flag(r, "keep", &task.keep)) {
        task.want = map ? WANT_MAP : explain ? WANT_EXPLAINED : request_accepts(r, "image/png") ? WANT_OVERLAY : 0;
        if (inspect_once(r, &task, keep, &id))
            answer(r, &task, id);
        inspection_clear(&task);
    }
    served_bank_drop(bank);
}
