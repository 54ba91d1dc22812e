/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_changes.c - feedback on banks: what excused a missed defect, quarantine, the journal of changes and their undoing. */
#include "changes.h"
#include "kept.h"
#include "routes.h"
#include "../feedback.h"

#include <math.h>
#include <string.h>

#define MOST_CHANGES 100

static void take_job(request *r, job_kind kind, const char *bank, json_t *settings)
{
    int64_t id;
    dp_error err;
    char *text = cli_json_dumped(settings, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(settings);
    if (ledger_add_job(r->service->ledger, kind, bank, text, NULL, &id, &err))
        reply_problem(r, 503, "the job could not be taken: %s", err.message);
    else
        reply_job(r, id);
    free(text);
}

struct found {
    char *bank, *source, *picture;
};

static int on_row(void *user, const store_row *row)
{
    struct found *found = user;
    *found = (struct found){g_strdup(row->bank), g_strdup(row->source), g_strdup(row->picture)};
    return 0;
}

static void found_clear(struct found *found)
{
    g_free(found->bank);
    g_free(found->source);
    g_free(found->picture);
}

/* A result whose picture is kept, and its bank; false: answered.  found_clear and served_bank_drop in any case. */
static bool find_result(request *r, int64_t id, struct found *found, served_bank **bank)
{
    bool there;
    dp_error err;
    if (store_get(r->service->results, id, on_row, found, &there, &err))
        reply_fault(r, &err);
    else if (!there)
        reply_problem(r, 404, "there is no result of that number");
    else if (!(*bank = banks_get(r->service->banks, found->bank)) || (*bank)->broken)
        reply_problem(r, 409, "the bank of this result, %s, is not there any more", found->bank);
    else if (!found->picture)
        reply_problem(r, 409, "the picture of this result was not kept; start the service with --keep all");
    else
        return true;
    return false;
}

bool request_region(request *r, const json_t *body, dp_box *box, bool *given)
{
    const json_t *region = json_object_get(body, "region");
    *given = region && !json_is_null(region);
    if (!request_only(r, body, " region ", "the body") || !request_only(r, region, " x y width height ", "region"))
        return false;
    if (!*given || cli_box_read(region, box))
        return true;
    reply_problem(r, 400, "region: give {\"x\", \"y\", \"width\", \"height\"} in pixels of the picture");
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- excuses */

static json_t *lower_json(const served_bank *bank, const inspection_task *task)
{
    double value = task->label == DP_LABEL_GOOD ? cli_threshold_below(bank->bank, task->score) : NAN;
    if (isnan(value))
        return json_null();
    cli_cost cost = cli_cost_of(bank->bank, value);
    json_t *lower = cli_json_pack("{s:o, s:o}", "value", cli_json_real(value), "cost", cli_cost_json(&cost));
    cli_cost_clear(&cost);
    return lower;
}

static void answer_excuses(request *r, const inspection_task *task)
{
    cli_cost now = cli_cost_of(task->bank->bank, task->threshold);
    reply_json(r, 200,
               cli_json_pack("{s:o, s:o, s:s, s:O, s:o, s:o}", "score", cli_json_real(task->score), "threshold",
                             cli_json_real(task->threshold), "label", dp_label_name(task->label), "places",
                             task->excuses, "cost", cli_cost_json(&now), "lower_threshold",
                             lower_json(task->bank, task)));
    cli_cost_clear(&now);
}

void post_excuses(request *r)
{
    struct found found = {0};
    served_bank *bank = NULL;
    dp_box box;
    bool given;
    unsigned retry_s;
    int64_t id = request_id(r, 0, "result");
    json_t *body = id ? request_json(r) : NULL;
    if (!body)
        return;
    if (request_region(r, body, &box, &given) && find_result(r, id, &found, &bank)) {
        g_autofree char *path = kept_path(r->service, found.picture);
        g_autofree char *data = NULL;
        gsize bytes;
        inspection_task task = {.bank = bank, .name = found.source, .want = WANT_EXCUSES};
        task.region = given ? &box : NULL;
        if (!g_file_get_contents(path, &data, &bytes, NULL)) {
            reply_problem(r, 409, "the picture of this result is not kept any more");
        } else {
            task.data = data;
            task.bytes = bytes;
            if (!workers_do(r->service->workers, &task, &retry_s)) {
                reply_problem(r, 429, "too many pictures wait already; try again in %u s", retry_s);
                reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "2");
            } else if (task.status) {
                reply_fault(r, &task.err);
            } else {
                answer_excuses(r, &task);
            }
            inspection_clear(&task);
        }
    }
    found_clear(&found);
    served_bank_drop(bank);
    json_decref(body);
}

/* ------------------------------------------------------------------------------------------------------- quarantine */

/* NULL: answered. */
static json_t *read_places(request *r, const json_t *body, const served_bank *bank)
{
    const json_t *list = json_object_get(body, "places");
    size_t i;
    json_t *item, *places = json_array();
    if (!request_only(r, body, " places preview result ", "the body")) {
        json_decref(places);
        return NULL;
    }
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "picture"));
        dp_box box;
        if (!request_only(r, item, " picture x y width height cells distance ", "places")) {
            name = NULL;
        } else if (!name || !cli_box_read(item, &box)) {
            reply_problem(r, 400, "places: give {\"picture\", \"x\", \"y\", \"width\", \"height\"}, as excuses does");
        } else if (cli_bank_find(bank->bank, name) == SIZE_MAX) {
            reply_problem(r, 409, "bank %s has no picture %s", bank->name, name);
        } else {
            json_t *place = cli_box_json(&box);
            cli_json_set(place, "picture", cli_json_text(name));
            cli_json_append(places, place);
            continue;
        }
        json_decref(places);
        return NULL;
    }
    if (json_array_size(places) && json_array_size(places) <= 1000)
        return places;
    reply_problem(r, 400, "places: give a list of 1 to 1000 places");
    json_decref(places);
    return NULL;
}

void post_quarantine(request *r)
{
    served_bank *bank = request_bank(r), *of_result = NULL;
    json_t *body = bank ? request_json(r) : NULL, *places = body ? read_places(r, body, bank) : NULL;
    if (places) {
        const json_t *preview = json_object_get(body, "preview"), *result = json_object_get(body, "result");
        struct found found = {0};
        bool named = result && !json_is_null(result);
        if (preview && !json_is_boolean(preview)) {
            reply_problem(r, 400, "preview: give true or false");
        } else if (named && !json_is_integer(result)) {
            reply_problem(r, 400, "result: give the number of a result");
        } else if (!named || find_result(r, json_integer_value(result), &found, &of_result)) {
            json_t *settings = cli_json_pack("{s:O, s:b}", "places", places, "preview", json_is_true(preview));
            if (named) {
                cli_json_set(settings, "result", json_incref((json_t *)result));
                cli_json_set(settings, "file", cli_json_text(found.picture));
            }
            take_job(r, JOB_QUARANTINE, bank->name, settings);
        }
        found_clear(&found);
    }
    json_decref(places);
    json_decref(body);
    served_bank_drop(of_result);
    served_bank_drop(bank);
}

/* ---------------------------------------------------------------------------------------------------------- journal */

void get_changes(request *r)
{
    served_bank *bank = request_bank(r);
    g_autoptr(GPtrArray) changes = NULL;
    dp_error err;
    if (bank && changes_of(r->service->ledger, bank->name, MOST_CHANGES, &changes, &err)) {
        reply_fault(r, &err);
    } else if (bank) {
        json_t *list = json_array();
        for (guint i = 0; i < changes->len; i++)
            cli_json_append(list, change_json(changes->pdata[i]));
        reply_json(r, 200, cli_json_pack("{s:o}", "changes", list));
    }
    served_bank_drop(bank);
}

void post_undo(request *r)
{
    int64_t id = request_id(r, 0, "change");
    ledger_change *change = NULL;
    dp_error err;
    if (!id)
        return;
    if (changes_get(r->service->ledger, id, &change, &err))
        reply_fault(r, &err);
    else if (!change)
        reply_problem(r, 404, "there is no change of that number");
    else if (!change_can_be_undone(change))
        reply_problem(r, 409, "this change cannot be undone%s", change->undone_ms ? " again" : "; delete the bank");
    else
        take_job(r, JOB_UNDO, change->bank, cli_json_pack("{s:I}", "change", (json_int_t)id));
    ledger_change_free(change);
}
