/* SPDX-License-Identifier: Apache-2.0 */
/* judge.c - one bank and all that judges pictures by it. */
#include "judge.h"
#include "../models.h"
#include "../service/log.h"
#include "../service/memory_picture.h"
#include "../service/nameless.h"

#include <math.h>
#include <string.h>

static char *name_of(const char *path)
{
    char *name = g_path_get_basename(path);
    if (g_str_has_suffix(name, ".bank"))
        name[strlen(name) - strlen(".bank")] = '\0';
    return name;
}

static bool open_all(judge *j, const judge_settings *settings, int *code)
{
    dp_error err;
    dp_status status = nameless_bank_open(settings->folder, settings->bank, &j->bank, j->sha256, &err);
    if (!status) {
        dp_bank_get_details(j->bank, &j->details);
        if (!cli_model_open_for_bank(settings->model, &j->details, &j->network, code))
            return false;
        j->view.threshold = settings->threshold;
        status = cli_view_make(j->bank, &j->details.recipe, NULL, &j->run, &j->view, &err);
    }
    if (!status)
        status = dp_session_open(j->network, j->details.recipe.precision, &j->run, &j->session, &err);
    if (!status)
        status = dp_inspector_open_views(j->session, j->bank, &j->view.view, 1, &j->inspector, &err);
    if (status)
        *code = cli_failed(&err);
    return !status;
}

judge *judge_open(const judge_settings *settings, int *code)
{
    judge *j = g_new0(judge, 1);
    j->run = settings->run;
    j->name = name_of(settings->bank);
    if (!open_all(j, settings, code))
        judge_close(&j);
    return j;
}

void judge_close(judge **opened)
{
    judge *j = *opened;
    *opened = NULL;
    if (!j)
        return;
    dp_inspector_close(&j->inspector);
    dp_session_close(&j->session);
    cli_view_free(&j->view);
    dp_network_close(&j->network);
    dp_bank_close(&j->bank);
    g_free(j->name);
    g_free(j);
}

void judge_picture(judge *j, const char *name, dp_picture *picture, judgement *made)
{
    const dp_picture_options options = {
        .max_pixels = j->run.max_picture_pixels, .tolerant = j->run.tolerant, .white = j->details.recipe.sample_white};
    gint64 begun_us = g_get_monotonic_time();
    const dp_result *result = NULL;
    dp_status status = DP_OK;
    dp_error err;
    *made = (judgement){.picture = picture, .explained = g_ptr_array_new()};
    if (!picture) {
        dp_picture_notes notes = {.text = ""};
        status = dp_picture_load_with(name, &options, &made->loaded, &notes, &err);
        made->picture = made->loaded;
        if (!status && *notes.text)
            log_line(LOG_LEVEL_INFO, "%s: %s", name, notes.text);
    }
    if (!status)
        status = dp_inspector_run_picture(j->inspector, made->picture, &result, &err);
    if (status) {
        name_in_place_of("picture: ", "", &err);
        if (!g_str_has_prefix(err.message, name)) {
            g_autofree char *message = g_strdup(err.message);
            g_snprintf(err.message, sizeof err.message, "%s: %s", name, message);
        }
        made->fault = cli_spelled(err.message);
    }
    made->row = (cli_row){.bank = j->bank,
                          .path = name,
                          .result = result,
                          .fault = made->fault,
                          .explained = made->explained,
                          .threshold = j->view.view.threshold,
                          .cell_threshold = j->view.view.cell_threshold,
                          .ms = (double)(g_get_monotonic_time() - begun_us) / 1000};
}

void judgement_clear(judgement *made)
{
    dp_picture_free(&made->loaded);
    g_ptr_array_unref(made->explained);
    g_free(made->fault);
}
