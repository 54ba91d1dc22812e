/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_json.c - the JSON of settings and results: the recipe of a bank, the state of a stopped evaluation, and what the
 * report is made of. */
#include "options/network_fit.h"
#include "container.h"
#include "fuzz.h"

#include "options/recipe_json.h"
#include "eval/eval.h"
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

static void recipe(const char *text)
{
    dp_recipe read, again;
    dp_error err;
    memset(&read, 0x5a, sizeof read);
    memset(&again, 0x5a, sizeof again);
    if (!fuzz_ok(dp_recipe_from_json(text, "the recipe", &read, &err), &err)) {
        fuzz_must(memcmp(&read, &again, sizeof read) == 0, "a failed reading leaves its output alone");
        return;
    }
    char *written = NULL, *rewritten = NULL;
    fuzz_must(fuzz_ok(dp_recipe_to_json(&read, &written, &err), &err), "a recipe that was read can be written");
    fuzz_must(fuzz_ok(dp_recipe_from_json(written, "the recipe", &again, &err), &err),
              "a recipe that was written can be read");
    fuzz_must(fuzz_ok(dp_recipe_to_json(&again, &rewritten, &err), &err) && !strcmp(written, rewritten),
              "a recipe comes back as it was");
    dp_memory_free(written);
    dp_memory_free(rewritten);
    const dp_network_facts network = {.depth = 12, .patch_px = 14, .dim = 384};
    fuzz_ok(dp_recipe_fit_network(&read, &network, &err), &err);
}

/* The first line is taken as what the evaluation is bound to, so that those after it are read. */
static void state(const uint8_t *data, size_t bytes)
{
    const uint8_t *stop = memchr(data, '\n', bytes);
    json_t *header = stop ? json_loadb((const char *)data, (size_t)(stop - data), 0, NULL) : NULL;
    fuzz_put("state.jsonl", data, bytes);
    eval_state state;
    for (int other = 0; other < 2; other++) {
        json_t *wanted = other || !header ? json_pack("{s:s, s:{s:s}, s:s, s:s}", "dinopatch", "0.1.0", "settings",
                                                      "canvas", "112x224", "model", "0123", "files", "4567")
                                          : json_incref(header);
        if (eval_state_open(&state, fuzz_folder(), (cli_shard){0}, wanted, false)) {
            fuzz_must(json_is_object(eval_state_run(&state, "screw")), "a run is an object");
            eval_state_put(&state, "screw", NULL, 3, json_pack("{s:f}", "score", 0.5));
            eval_state_put(&state, "screw", "fit", -1, json_object());
            double row[EVAL_COLUMNS];
            const char *name;
            json_t *run;
            json_object_foreach(state.runs, name, run) eval_row(run, row);
        }
        eval_state_close(&state);
        json_decref(wanted);
    }
    json_decref(header);
}

static void report(const uint8_t *data, size_t bytes)
{
    char page[256], *html = NULL;
    gsize length = 0;
    fuzz_put("run.json", data, bytes);
    g_snprintf(page, sizeof page, "%s/report.html", fuzz_folder());
    if (!report_write(fuzz_folder(), page, 8) || !g_file_get_contents(page, &html, &length, NULL))
        return;
    fuzz_must(fuzz_is_utf8(html, length), "the report is UTF-8");
    for (gsize i = 0; i < length; i++)
        fuzz_must((unsigned char)html[i] >= 32 || html[i] == '\n', "the report has no control characters");
    fuzz_must(strstr(html, "<script") == NULL, "the report has no script");
    g_free(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = g_strndup((const char *)data, bytes), *complete = container_recipe(text);
    recipe(text);
    if (complete)
        recipe(complete);
    free(complete);
    g_free(text);
    state(data, bytes);
    report(data, bytes);
    return 0;
}
