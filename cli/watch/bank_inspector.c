/* SPDX-License-Identifier: Apache-2.0 */
/* bank_inspector.c - one bank and all that inspects pictures by it. */
#include "bank_inspector.h"
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

static bool open_all(bank_inspector *b, const bank_inspector_settings *settings, int *code)
{
    dp_error err;
    dp_status status = nameless_bank_open(settings->folder, settings->bank, &b->bank, b->sha256, &err);
    if (!status) {
        dp_bank_get_details(b->bank, &b->details);
        if (!cli_model_open_for_bank(settings->model, &b->details, &b->network, code))
            return false;
        b->view.threshold = settings->threshold;
        status = cli_view_make(b->bank, &b->details.recipe, NULL, &b->run, &b->view, &err);
    }
    if (!status)
        status = dp_session_open(b->network, b->details.recipe.precision, &b->run, &b->session, &err);
    if (!status)
        status = dp_inspector_open_views(b->session, b->bank, &b->view.view, 1, &b->inspector, &err);
    if (status)
        *code = cli_failed(&err);
    return !status;
}

bank_inspector *bank_inspector_open(const bank_inspector_settings *settings, int *code)
{
    bank_inspector *b = g_new0(bank_inspector, 1);
    b->run = settings->run;
    b->name = name_of(settings->bank);
    if (!open_all(b, settings, code))
        bank_inspector_close(&b);
    return b;
}

void bank_inspector_close(bank_inspector **opened)
{
    bank_inspector *b = *opened;
    *opened = NULL;
    if (!b)
        return;
    dp_inspector_close(&b->inspector);
    dp_session_close(&b->session);
    cli_view_free(&b->view);
    dp_network_close(&b->network);
    dp_bank_close(&b->bank);
    g_free(b->name);
    g_free(b);
}

void bank_inspector_run(bank_inspector *b, const char *name, dp_picture *picture, bank_inspection *made)
{
    const dp_picture_options options = {
        .max_pixels = b->run.max_picture_pixels, .tolerant = b->run.tolerant, .white = b->details.recipe.sample_white};
    gint64 begun_us = g_get_monotonic_time();
    const dp_result *result = NULL;
    dp_status status = DP_OK;
    dp_error err;
    *made = (bank_inspection){.picture = picture, .explained = g_ptr_array_new()};
    if (!picture) {
        dp_picture_notes notes = {.text = ""};
        status = dp_picture_load_with(name, &options, &made->loaded, &notes, &err);
        made->picture = made->loaded;
        if (!status && *notes.text)
            log_line(LOG_LEVEL_INFO, "%s: %s", name, notes.text);
    }
    if (!status)
        status = dp_inspector_run_picture(b->inspector, made->picture, &result, &err);
    if (status) {
        name_in_place_of("picture: ", "", &err);
        if (!g_str_has_prefix(err.message, name)) {
            g_autofree char *message = g_strdup(err.message);
            g_snprintf(err.message, sizeof err.message, "%s: %s", name, message);
        }
        made->fault = cli_spelled(err.message);
    }
    made->row = (cli_row){.bank = b->bank,
                          .path = name,
                          .result = result,
                          .fault = made->fault,
                          .explained = made->explained,
                          .threshold = b->view.view.threshold,
                          .cell_threshold = b->view.view.cell_threshold,
                          .ms = (double)(g_get_monotonic_time() - begun_us) / 1000};
}

void bank_inspection_clear(bank_inspection *made)
{
    dp_picture_free(&made->loaded);
    g_ptr_array_unref(made->explained);
    g_free(made->fault);
}
