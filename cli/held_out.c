/* SPDX-License-Identifier: Apache-2.0 */
#include "held_out.h"
#include "models.h"

#include <math.h>

static void add_inputs(GPtrArray *all, char **arguments, size_t *n_failed)
{
    GPtrArray *found = cli_inputs(arguments, arguments ? (int)g_strv_length(arguments) : 0, n_failed);
    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(all, g_strdup(found->pdata[i]));
    g_ptr_array_unref(found);
}

static cli_scored none(size_t given)
{
    return (cli_scored){.given = given,
                        .scores = g_array_new(FALSE, FALSE, sizeof(double)),
                        .peaks = g_array_new(FALSE, FALSE, sizeof(double))};
}

bool cli_held_out_begin(char **good, char **bad, cli_held_out *held, int *code)
{
    *held = (cli_held_out){.inputs = g_ptr_array_new_with_free_func(g_free)};
    cli_used_begin(&held->used);
    add_inputs(held->inputs, good, &held->n_unread);
    held->n_good = held->inputs->len;
    add_inputs(held->inputs, bad, &held->n_unread);
    held->good = none(held->n_good);
    held->bad = none(held->inputs->len - held->n_good);
    if ((!good || held->good.given) && (!bad || held->bad.given))
        return true;
    cli_complain("no pictures below what %s names", good && !held->good.given ? "--good" : "--bad");
    *code = EXIT_JOB_FAILED;
    return false;
}

void cli_held_out_end(cli_held_out *held)
{
    g_ptr_array_unref(held->inputs);
    cli_used_end(&held->used);
    cli_scored *both[] = {&held->good, &held->bad};
    for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
        g_array_unref(both[i]->scores);
        g_array_unref(both[i]->peaks);
    }
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double ms, const char *message)
{
    cli_held_out *held = user;
    cli_scored *scored = index < held->n_good ? &held->good : &held->bad;
    (void)picture;
    (void)ms;
    if (message)
        cli_complain("%s", message);
    if (!result || result->label == DP_LABEL_NOT_INSPECTED || isnan(result->score)) {
        scored->failed += !result;
        scored->not_inspected += result != NULL;
        if (index < held->n_good)
            cli_used_left_out(&held->used, path, result ? result->reason : message);
        return cli_interrupted();
    }
    double peak = 0;
    for (size_t i = 0; i < result->height_px * result->width_px; i++)
        peak = MAX(peak, (double)result->map[i]);
    g_array_append_val(scored->scores, result->score);
    g_array_append_val(scored->peaks, peak);
    return cli_interrupted();
}

bool cli_held_out_score(cli_held_out *held, const dp_bank *bank, const char *bank_path, const dp_view *view,
                        const char *model, const dp_run *run, int *code)
{
    dp_network *network = NULL;
    dp_session *session = NULL;
    dp_bank_details info;
    dp_error err;
    dp_bank_get_details(bank, &info);
    bool good = cli_check_labelled(bank, bank_path, held->inputs, held->n_good, run, code)
                && cli_model_open_for_bank(model, &info, &network, code);
    if (good
        && (dp_session_open(network, info.recipe.precision, run, &session, &err)
            || dp_session_inspect_files(session, bank, view, (const char *const *)held->inputs->pdata,
                                        held->inputs->len, on_result, held, &err))) {
        good = false;
        *code = cli_failed(&err);
    }
    dp_session_close(&session);
    dp_network_close(&network);
    return good;
}

json_t *cli_scored_json(const cli_scored *scored)
{
    return cli_json_pack("{s:I, s:I, s:I, s:I}", "given", (json_int_t)scored->given, "scored",
                         (json_int_t)scored->scores->len, "not_inspected", (json_int_t)scored->not_inspected, "failed",
                         (json_int_t)scored->failed);
}

size_t cli_scored_above(const cli_scored *scored, double threshold)
{
    size_t n = 0;
    for (guint i = 0; i < scored->scores->len; i++)
        n += g_array_index(scored->scores, double, i) > threshold;
    return n;
}
