/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_metrics.c - the files of `dinopatch metrics`: whatever they hold, stdout gets one line of JSON or nothing. */
#include "fuzz.h"

#include "cli.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_catch_stdout();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char command[] = "metrics", json[] = "--json", resamples[] = "--bootstrap=3";
    char *path = g_strdup(fuzz_file(data, bytes));
    char *argv[] = {command, resamples, json, path, NULL};
    cli_begin("metrics");
    int code = cmd_metrics(4, argv);
    size_t length;
    char *line = fuzz_caught(&length);
    fuzz_must(code == EXIT_DONE || code == EXIT_JOB_FAILED, "the exit code is one of two");
    fuzz_must((code == EXIT_DONE) == (length > 0), "something is printed where it went well, and only there");
    if (length) {
        json_error_t reason;
        json_t *value = json_loadb(line, length, JSON_REJECT_DUPLICATES, &reason);
        fuzz_must(json_is_object(value) && memchr(line, '\n', length) == line + length - 1,
                  "what is printed is one line of JSON");
        json_decref(value);
    }
    free(line);
    g_free(path);
    return 0;
}
