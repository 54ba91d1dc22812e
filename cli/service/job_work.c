/* SPDX-License-Identifier: Apache-2.0 */
/* job_work.c - one job: fit, add or remove on one bank. */
#include "job_parts.h"
#include "fault.h"
#include "log.h"
#include "memory_picture.h"
#include "../used.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------- the report */

/* Reasons without "NAME: " in front. */
static void on_picture(void *user, size_t index, const char *name, const dp_pose *pose, const char *message)
{
    job_work *work = user;
    if (!message)
        return;
    size_t named = strlen(name);
    bool begins = !strncmp(message, name, named) && !strncmp(message + named, ": ", 2);
    cli_json_append(json_object_get(work->report, "left_out"),
                    cli_json_pack("{s:o, s:o}", "name", cli_json_text(name), "reason",
                                  cli_json_text(begins ? message + named + 2 : message)));
}

static void on_log(void *user, dp_log_level level, const char *line)
{
    job_work *work = user;
    log_from_library(user, level, line);
    if (level == DP_LOG_WARNING)
        cli_json_append(json_object_get(work->report, "warnings"), cli_json_text(line));
}

static dp_status refuse_few(const json_t *settings, size_t used, size_t asked, const char *not_done, dp_error *err)
{
    if (cli_used_enough(used, asked) || json_is_true(json_object_get(settings, "allow_few")))
        return DP_OK;
    return service_fail(
        err, DP_E_PICTURE,
        "only %zu of %zu pictures could be used, %s; the report says why: give others, or allow_few=yes", used, asked,
        not_done);
}

/* --------------------------------------------------------------------------------------------------------- the work */

/* What the bank does not hold is not kept. */
static void forget_left_out(const job_work *work)
{
    size_t i;
    json_t *left_out;
    json_array_foreach(json_object_get(work->report, "left_out"), i, left_out)
    {
        const char *name = json_string_value(json_object_get(left_out, "name"));
        g_autofree char *file = name ? ledger_picture_file(work->ledger, work->job->bank, name) : NULL;
        if (name && !file) /* of this job, which has not ended */
            ledger_forget(work->ledger, work->job->bank, name, NULL);
    }
}

static dp_status fit(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    GPtrArray *pictures = NULL;
    struct named_files named = {0};
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_recipe recipe;
    dp_fit_counts counts = {0};
    dp_status status = jobs_recipe(json_object_get(settings, "options"), work->network, &recipe, err);
    if (!status)
        status = ledger_pictures(work->ledger, work->job->bank, work->job->id, &pictures, err);
    if (!status)
        status = dp_session_open(work->network, recipe.precision, &work->run, &session, err);
    if (!status) {
        named_files_begin(&named, work, pictures);
        dp_source source = named_files_source(&named);
        dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = work};
        status = dp_bank_fit_from(session, &recipe, &input, &bank, &counts, err);
        named_files_end(&named);
    }
    if (!status) {
        dp_bank_details info;
        dp_bank_get_details(bank, &info);
        job_report_counts(work, pictures->len, info.n_pictures, &counts);
        status = refuse_few(settings, info.n_pictures, MAX(info.n_pictures + counts.n_failed, recipe.shots),
                            "and no bank was written", err);
    }
    if (!status)
        status = dp_bank_save(bank, path, err);
    if (!status) {
        forget_left_out(work);
        ledger_forget_others(work->ledger, work->job->bank, work->job->id, NULL);
        status = changes_add(work->ledger, work->job->bank, "fit", json_object(), work->job->id, err);
    }
    dp_bank_close(&bank);
    dp_session_close(&session);
    if (pictures)
        g_ptr_array_unref(pictures);
    return status;
}

/* Of the one picture that was added only the region answers. */
static dp_status keep_region(const job_work *work, const json_t *settings, dp_bank **bank, dp_error *err)
{
    dp_bank_details info;
    dp_bank *part = NULL;
    dp_bank_get_details(*bank, &info);
    dp_bank_place place = {.picture = info.n_pictures - 1, .outside = 1};
    if (!cli_box_read(json_object_get(settings, "region"), &place.box))
        return DP_OK;
    dp_status status = dp_bank_quarantine(*bank, &place, 1, &work->run, &part, err);
    if (!status) {
        dp_bank_close(bank);
        *bank = part;
    }
    return status;
}

/* Those of the job's pictures that are in the bank now; also where a killed service added them before. */
static dp_status note_added(const job_work *work, const json_t *settings, const dp_bank *bank,
                            const GPtrArray *pictures, dp_error *err)
{
    json_t *names = json_array(), *region = json_object_get(settings, "region");
    for (guint i = 0; i < pictures->len; i++) {
        const char *name = ((const ledger_picture *)pictures->pdata[i])->name;
        if (cli_bank_find(bank, name) != SIZE_MAX)
            cli_json_append(names, cli_json_text(name));
    }
    bool any = json_array_size(names) > 0;
    json_t *detail = cli_json_pack("{s:o}", "names", names);
    if (region)
        cli_json_set(detail, "region", json_incref(region));
    if (any)
        return changes_add(work->ledger, work->job->bank, "add", detail, work->job->id, err);
    json_decref(detail);
    return DP_OK;
}

static dp_status add(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    GPtrArray *pictures = NULL;
    struct named_files named = {0};
    dp_session *session = NULL;
    dp_bank *bank = NULL, *larger = NULL;
    dp_bank_details before, after;
    dp_fit_counts counts;
    served_bank *served = banks_get(work->banks, work->job->bank);
    dp_status status = served && !served->broken
                           ? banks_read(work->banks, path, &bank, err)
                           : service_fail(err, DP_E_IO, "bank %s is not there any more", work->job->bank);
    if (!status)
        status = ledger_pictures(work->ledger, work->job->bank, work->job->id, &pictures, err);
    if (!status) {
        dp_bank_get_details(bank, &before);
        status = dp_session_open(served->network->network, before.recipe.precision, &work->run, &session, err);
    }
    if (!status) {
        named_files_begin(&named, work, pictures);
        dp_source source = named_files_source(&named);
        dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = work};
        status = dp_bank_add_from(session, bank, &input, &larger, &counts, err);
        named_files_end(&named);
    }
    if (!status) {
        after = before;
        if (larger)
            dp_bank_get_details(larger, &after);
        size_t added = after.n_pictures - before.n_pictures;
        job_report_counts(work, pictures->len, added, &counts);
        status = refuse_few(settings, added, added + counts.n_failed, "and nothing was added", err);
    }
    if (!status && larger)
        status = keep_region(work, settings, &larger, err);
    if (!status && larger)
        status = dp_bank_save(larger, path, err);
    if (!status)
        forget_left_out(work);
    if (!status && larger)
        job_report_threshold(work, bank, larger);
    if (!status)
        status = note_added(work, settings, larger ? larger : bank, pictures, err);
    dp_bank_close(&larger);
    dp_bank_close(&bank);
    dp_session_close(&session);
    served_bank_drop(served);
    if (pictures)
        g_ptr_array_unref(pictures);
    return status;
}

/* The picture is named by its digest, which no change of the bank changes. */
static dp_status remove_one(job_work *work, const json_t *settings, const char *path, dp_error *err)
{
    const char *name = json_string_value(json_object_get(settings, "name"));
    dp_bank *bank = NULL, *smaller = NULL;
    dp_bank_details info;
    dp_fit_counts counts = {0};
    dp_status status = banks_read(work->banks, path, &bank, err);
    if (status)
        return status;
    dp_bank_get_details(bank, &info);
    size_t picture = 0;
    while (picture < info.n_pictures && strcmp(dp_bank_picture_name(bank, picture), name) != 0)
        picture++;
    if (picture < info.n_pictures) { /* else it is gone already */
        status = dp_bank_remove(bank, &picture, 1, &work->run, &smaller, err);
        if (!status)
            status = dp_bank_save(smaller, path, err);
        if (!status)
            job_report_threshold(work, bank, smaller);
    }
    if (!status) {
        job_report_counts(work, 1, 1, &counts);
        status = ledger_set_removed(work->ledger, work->job->bank, name, true, err);
    }
    if (!status)
        status = changes_add(work->ledger, work->job->bank, "remove",
                             cli_json_pack("{s:o}", "name", cli_json_text(name)), work->job->id, err);
    dp_bank_close(&smaller);
    dp_bank_close(&bank);
    return status;
}

dp_status jobs_recipe(const json_t *options, const dp_network *network, dp_recipe *recipe, dp_error *err)
{
    const char *key, *method = json_string_value(json_object_get(options, "method"));
    json_t *value;
    dp_recipe_init(recipe);
    dp_status status = method ? dp_recipe_set(recipe, "method", method, err) : DP_OK;
    json_object_foreach((json_t *)options, key, value)
    {
        if (!status && strcmp(key, "method") != 0)
            status = dp_recipe_set(recipe, key, json_string_value(value), err);
    }
    if (!status)
        status = dp_recipe_check(recipe, err);
    return status ? status : dp_network_settle_recipe(network, recipe, err);
}

dp_status job_work_do(job_work *work, dp_error *err)
{
    const ledger_job *job = work->job;
    dp_bank_lock *lock = NULL;
    json_t *settings = json_loads(job->settings, 0, NULL);
    g_autofree char *path = banks_path(work->banks, job->bank);
    work->report = cli_json_pack("{s:[], s:[]}", "left_out", "warnings");
    work->run.log = on_log;
    dp_status status = dp_bank_lock_take(path, &work->run, &lock, err);
    if (!status)
        status = job->kind == JOB_FIT      ? fit(work, settings, path, err)
                 : job->kind == JOB_ADD    ? add(work, settings, path, err)
                 : job->kind == JOB_REMOVE ? remove_one(work, settings, path, err)
                                           : job_change(work, settings, path, err);
    dp_bank_lock_release(&lock);
    json_decref(settings);
    if (!status)
        banks_rescan(work->banks);
    else
        name_in_place_of(path, job->bank, err);
    return status;
}
