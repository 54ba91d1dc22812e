/* SPDX-License-Identifier: Apache-2.0 */
/* job_change.c - jobs of feedback: places of good pictures in quarantine, and the undoing of what the journal holds. */
#include "fault.h"
#include "job_parts.h"
#include "memory_picture.h"

#include <math.h>
#include <string.h>

static const dp_box whole = {-INFINITY, -INFINITY, INFINITY, INFINITY};

static dp_status open_served(const job_work *work, const char *path, served_bank **served, dp_bank **bank,
                             dp_error *err)
{
    *served = banks_get(work->banks, work->job->bank);
    return *served && !(*served)->broken ? banks_read(work->banks, path, bank, err)
                                         : service_fail(err, DP_E_IO, "bank %s is not there any more", work->job->bank);
}

/* ------------------------------------------------------------------------------------------------------- quarantine */

/* Appends the places of a list; what is not in the bank any more is left out. */
static void add_places(const dp_bank *bank, const json_t *list, GArray *places)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        dp_bank_place place = {.picture = cli_bank_find(bank, json_string_value(json_object_get(item, "picture")))};
        if (place.picture != SIZE_MAX && cli_box_read(item, &place.box))
            g_array_append_val(places, place);
    }
}

/* The score of the missed picture by a bank, under `key` of the report. */
static dp_status judge(job_work *work, const served_bank *served, const dp_bank *bank, const char *file,
                       const char *key, dp_error *err)
{
    g_autofree char *path = g_build_filename(work->kept, file, NULL);
    const dp_picture_options options = {.max_pixels = work->run.max_picture_pixels,
                                        .tolerant = work->run.tolerant,
                                        .white = served->details.recipe.sample_white};
    dp_picture *picture = NULL;
    dp_session *session = NULL;
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    dp_view view;
    dp_view_init(bank, &view);
    dp_status status = named_picture_load(path, "picture", &options, &picture, NULL, err);
    if (!status)
        status = dp_session_open(served->network->network, served->details.recipe.precision, &work->run, &session, err);
    if (!status)
        status = dp_inspector_open_views(session, bank, &view, 1, &inspector, err);
    if (!status)
        status = dp_inspector_run_picture(inspector, picture, &result, err);
    if (!status)
        cli_json_set(work->report, key,
                     cli_json_pack("{s:o, s:o, s:s}", "score", cli_json_real(result->score), "threshold",
                                   cli_json_real(result->threshold), "label", dp_label_name(result->label)));
    dp_inspector_close(&inspector);
    dp_session_close(&session);
    dp_picture_free(&picture);
    return status;
}

static void report_cost(job_work *work, const char *key, const dp_bank *bank)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    cli_cost cost = cli_cost_of(bank, info.threshold);
    cli_json_set(work->report, key, cli_cost_json(&cost));
    cli_cost_clear(&cost);
}

static dp_status quarantine(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    served_bank *served = NULL;
    dp_bank *bank = NULL, *changed = NULL;
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(dp_bank_place));
    const json_t *list = json_object_get(settings, "places");
    const char *file = json_string_value(json_object_get(settings, "file"));
    dp_status status = open_served(work, path, &served, &bank, err);
    if (!status) {
        add_places(bank, list, places);
        if (places->len < json_array_size(list))
            status = service_fail(err, DP_E_MISMATCH, "the bank has not all of these pictures any more; ask again");
    }
    if (!status)
        status = dp_bank_quarantine(bank, (const dp_bank_place *)(const void *)places->data, places->len, &work->run,
                                    &changed, err);
    if (!status && file)
        status = judge(work, served, bank, file, "before", err);
    if (!status && file)
        status = judge(work, served, changed, file, "after", err);
    if (!status) {
        report_cost(work, "cost_before", bank);
        report_cost(work, "cost", changed);
        job_report_threshold(work, bank, changed);
    }
    if (!status && !json_is_true(json_object_get(settings, "preview"))) {
        status = dp_bank_save(changed, path, err);
        if (!status)
            status =
                changes_add(work->ledger, work->job->bank, "quarantine",
                            cli_json_pack("{s:O, s:O?}", "places", list, "result", json_object_get(settings, "result")),
                            work->job->id, err);
    }
    dp_bank_close(&changed);
    dp_bank_close(&bank);
    served_bank_drop(served);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- undo */

static dp_status undo_add(job_work *work, const ledger_change *change, const dp_bank *bank, dp_bank **changed,
                          dp_error *err)
{
    g_autoptr(GArray) pictures = g_array_new(FALSE, FALSE, sizeof(size_t));
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(change->detail, "names"), i, name)
    {
        size_t picture = cli_bank_find(bank, json_string_value(name));
        if (picture != SIZE_MAX)
            g_array_append_val(pictures, picture);
    }
    if (!pictures->len)
        return DP_OK; /* they are gone already */
    dp_status status =
        dp_bank_remove(bank, (const size_t *)(const void *)pictures->data, pictures->len, &work->run, changed, err);
    json_array_foreach(json_object_get(change->detail, "names"), i, name)
    {
        if (!status)
            status = ledger_set_removed(work->ledger, work->job->bank, json_string_value(name), true, err);
    }
    return status;
}

static dp_status undo_remove(job_work *work, const ledger_change *change, const served_bank *served,
                             const dp_bank *bank, dp_bank **changed, dp_error *err)
{
    const char *name = json_string_value(json_object_get(change->detail, "name"));
    g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func(ledger_picture_free);
    ledger_picture *picture = ledger_removed_picture(work->ledger, work->job->bank, name);
    struct named_files named = {0};
    dp_session *session = NULL;
    dp_fit_counts counts;
    if (!picture)
        return service_fail(err, DP_E_IO, "the file of %s is not kept any more; add the picture again", name);
    g_ptr_array_add(pictures, picture);
    dp_status status =
        dp_session_open(served->network->network, served->details.recipe.precision, &work->run, &session, err);
    if (!status) {
        named_files_begin(&named, work, pictures);
        dp_source source = named_files_source(&named);
        const dp_fit_input input = {.source = &source};
        status = dp_bank_add_from(session, bank, &input, changed, &counts, err);
        named_files_end(&named);
    }
    if (!status)
        status = ledger_set_removed(work->ledger, work->job->bank, name, false, err);
    dp_session_close(&session);
    return status;
}

/* The pictures are released, then what other changes say of them is done again. */
static dp_status undo_quarantine(const job_work *work, const ledger_change *undone, const dp_bank *bank,
                                 dp_bank **changed, dp_error *err)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(dp_bank_place));
    g_autoptr(GPtrArray) all = NULL;
    add_places(bank, json_object_get(undone->detail, "places"), places);
    const guint n = places->len;
    for (guint i = 0; i < n; i++) {
        dp_bank_place *place = &g_array_index(places, dp_bank_place, i);
        place->box = whole;
        place->release = 1;
    }
    dp_status status = changes_of(work->ledger, work->job->bank, SIZE_MAX / 2, &all, err);
    for (guint c = all ? all->len : 0; !status && c-- > 0;) {
        const ledger_change *other = all->pdata[c];
        dp_bank_place place = {.outside = 1};
        if (other->undone_ms || other->id == undone->id)
            continue;
        if (!strcmp(other->kind, "quarantine"))
            add_places(bank, json_object_get(other->detail, "places"), places);
        if (strcmp(other->kind, "add") != 0 || !cli_box_read(json_object_get(other->detail, "region"), &place.box))
            continue;
        const json_t *name = json_array_get(json_object_get(other->detail, "names"), 0);
        place.picture = cli_bank_find(bank, json_string_value(name));
        if (place.picture != SIZE_MAX)
            g_array_append_val(places, place);
    }
    if (status || !n)
        return status;
    return dp_bank_quarantine(bank, (const dp_bank_place *)(const void *)places->data, places->len, &work->run, changed,
                              err);
}

/* A threshold of a rate is found again at that rate, for the good pictures may be others now. */
static dp_status undo_threshold(const job_work *work, const ledger_change *change, const dp_bank *bank,
                                const char *path, dp_error *err)
{
    const json_t *was = json_object_get(change->detail, "was");
    const double value = json_number_value(json_object_get(was, "threshold")),
                 cell = json_number_value(json_object_get(was, "cell_threshold")),
                 fpr = json_number_value(json_object_get(was, "recipe_fpr"));
    dp_bank_details info;
    cli_view made = {.threshold = NAN};
    dp_bank_get_details(bank, &info);
    if (fpr > 0)
        info.recipe.fpr = fpr;
    dp_status status = cli_view_make(bank, &info.recipe, NULL, &work->run, &made, err);
    if (status)
        return status;
    dp_threshold_origin origin = {.by = (dp_origin)json_integer_value(json_object_get(was, "by")),
                                  .fpr = json_number_value(json_object_get(was, "fpr")),
                                  .n_good = (size_t)json_integer_value(json_object_get(was, "n_good")),
                                  .n_bad = (size_t)json_integer_value(json_object_get(was, "n_bad")),
                                  .k = (size_t)json_integer_value(json_object_get(was, "k")),
                                  .certified = json_number_value(json_object_get(was, "certified"))};
    bool rated = origin.by == DP_ORIGIN_LEAVE_ONE_OUT || origin.by == DP_ORIGIN_CALIBRATE;
    made.view.threshold = rated ? made.good.of_scores.threshold : value;
    made.view.cell_threshold = rated || !(cell > 0) ? made.good.of_peaks.threshold : cell;
    made.view.origin = origin;
    status = dp_bank_save_view(bank, &made.view, info.recipe.fpr, path, err);
    cli_view_free(&made);
    return status;
}

static dp_status undo(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    served_bank *served = NULL;
    dp_bank *bank = NULL, *changed = NULL;
    ledger_change *change = NULL;
    dp_status status = changes_get(work->ledger, json_integer_value(json_object_get(settings, "change")), &change, err);
    if (!status && (!change || !change_can_be_undone(change)))
        status = service_fail(err, DP_E_ARGUMENT, "this change was undone already");
    if (!status)
        status = open_served(work, path, &served, &bank, err);
    if (!status)
        status = !strcmp(change->kind, "add")          ? undo_add(work, change, bank, &changed, err)
                 : !strcmp(change->kind, "remove")     ? undo_remove(work, change, served, bank, &changed, err)
                 : !strcmp(change->kind, "quarantine") ? undo_quarantine(work, change, bank, &changed, err)
                                                       : undo_threshold(work, change, bank, path, err);
    if (!status && changed) {
        status = dp_bank_save(changed, path, err);
        job_report_threshold(work, bank, changed);
    }
    if (!status)
        status = changes_set_undone(work->ledger, change->id, err);
    ledger_change_free(change);
    dp_bank_close(&changed);
    dp_bank_close(&bank);
    served_bank_drop(served);
    return status;
}

dp_status job_change(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    return work->job->kind == JOB_UNDO ? undo(work, settings, path, err) : quarantine(work, settings, path, err);
}
