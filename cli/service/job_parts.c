/* SPDX-License-Identifier: Apache-2.0 */
/* job_parts.c - what the jobs share: pictures under their names, and figures of the report. */
#include "job_parts.h"
#include "memory_picture.h"

/* ------------------------------------------------------------------------------------------------- pictures by name */

static const char *name_of(void *user, size_t index)
{
    const struct named_files *named = user;
    return ((const ledger_picture *)named->pictures->pdata[index])->name;
}

static dp_status load_named(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                            dp_picture_notes *notes, dp_error *err)
{
    struct named_files *named = user;
    dp_status status = named->files.load(named->files.user, index, options, picture, notes, err);
    if (status)
        name_in_place_of(named->paths[index], name_of(user, index), err);
    return status;
}

static dp_status white_of(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white, dp_error *err)
{
    struct named_files *named = user;
    return named->files.find_white(named->files.user, pictures, n, run, white, err);
}

void named_files_begin(struct named_files *named, const job_work *work, const GPtrArray *pictures)
{
    named->pictures = pictures;
    named->paths = g_new0(const char *, pictures->len + 1);
    for (guint i = 0; i < pictures->len; i++)
        named->paths[i] = g_build_filename(work->pictures, ((const ledger_picture *)pictures->pdata[i])->file, NULL);
    named->files = dp_source_files(named->paths, pictures->len);
}

dp_source named_files_source(struct named_files *named)
{
    return (dp_source){named->pictures->len, name_of, load_named, white_of, named};
}

void named_files_end(struct named_files *named)
{
    g_strfreev((char **)named->paths);
}

/* ------------------------------------------------------------------------------------------------------- the report */

void job_report_counts(job_work *work, size_t given, size_t used, const dp_fit_counts *counts)
{
    cli_json_set(work->report, "given", json_integer((json_int_t)given));
    cli_json_set(work->report, "used", json_integer((json_int_t)used));
    cli_json_set(work->report, "twins", json_integer((json_int_t)counts->n_twins));
    cli_json_set(work->report, "failed", json_integer((json_int_t)counts->n_failed));
}

void job_report_threshold(job_work *work, const dp_bank *before, const dp_bank *after)
{
    g_autofree char *told = cli_threshold_told(before, after);
    cli_json_set(work->report, "threshold", cli_json_text(told));
}
