/* SPDX-License-Identifier: Apache-2.0 */
/* fit_and_inspect.c - learns from pictures of good parts and judges others: the shortest way through the library.
 *
 *     cc fit_and_inspect.c $(pkg-config --cflags --libs dinopatch-io) -o fit_and_inspect
 *     ./fit_and_inspect GOOD_PICTURE... -- PICTURE... */
#include <dinopatch/io.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const char *const names[] = {"good", "anomalous", "not_inspected", "none"}; /* by dp_label */
    dp_fit *fit = NULL;
    dp_bank *bank = NULL;
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    dp_error err = {0};
    int i = 1;
    dp_status status = dp_fit_begin(NULL, NULL, NULL, &fit, &err); /* the built-in network, automatic settings */
    for (; !status && i < argc && strcmp(argv[i], "--") != 0; i++)
        status = dp_fit_add_file(fit, argv[i], &err);
    if (!status)
        status = dp_fit_end(fit, &bank, &err); /* dp_bank_save keeps it for later runs */
    if (!status)
        status = dp_inspector_open(NULL, bank, NULL, &inspector, &err);
    for (i++; !status && i < argc; i++) {
        status = dp_inspector_run_file(inspector, argv[i], DP_RESULT_MAP, &result, &err);
        if (!status)
            printf("%s: %s, score %.3f of %.3f, %zu defects %s\n", argv[i], names[result->label], result->score,
                   result->threshold, result->n_defects, result->reason);
    }
    if (status)
        fprintf(stderr, "%s\n", err.message);
    dp_inspector_close(&inspector); /* each takes NULL as well */
    dp_bank_close(&bank);
    dp_fit_close(&fit);
    return status ? 1 : 0;
}
