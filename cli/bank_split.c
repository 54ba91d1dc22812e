/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bank split - writes a bank as files that each hold a share of its rows. */
#include "bank_verbs.h"
#include "outputs.h"

#include <stdio.h>

int cli_bank_split(int argc, char **argv)
{
    char *out = NULL;
    gboolean overwrite = FALSE;
    cli_number shares = {0};
    const cli_option entries[] = {{"shares", 'n', 0, CLI_WHOLE, &shares, "how many files", "N", 2, 65536},
                                  {"out", 'o', 0, CLI_FILE, &out, "write PREFIX-1.bank to PREFIX-N.bank", "PREFIX"},
                                  CLI_OVERWRITE_ENTRY(&overwrite),
                                  CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "--shares N --out PREFIX BANK",
                   "Writes a bank as N files that each hold a share of its rows.",
                   "'inspect' takes them together: --bank 'PREFIX-*.bank', in one process or in several that mpirun "
                   "starts, each with "
                   "a part\nof the rows in its memory. Keep the whole bank: only it can be changed.",
                   &code))
        return code;
    if (argc != 2)
        return cli_usage("give one bank");
    if (!shares.given)
        return cli_usage("--shares is missing");
    if (!out)
        return cli_usage("--out is missing");
    const size_t n = (size_t)shares.value;
    dp_bank *bank = NULL;
    dp_error err;
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    cli_outputs *files = cli_outputs_new(overwrite);
    cli_outputs_read(files, argv[1], "the bank to split");
    for (size_t i = 1; i <= n; i++) {
        char *path = g_strdup_printf("%s-%zu.bank", out, i);
        cli_outputs_write(files, path);
        g_ptr_array_add(paths, path);
    }
    bool good = cli_outputs_check(files, &code);
    if (good && dp_bank_open(argv[1], &bank, &err)) {
        code = cli_failed(&err);
        good = false;
    }
    for (size_t i = 0; good && i < n; i++)
        if (dp_bank_save_share(bank, i + 1, n, paths->pdata[i], &err)) {
            code = cli_failed(&err);
            good = false;
        }
    if (good) {
        printf("%s -> %s-1.bank .. %s-%zu.bank\n", cli_shown(argv[1]), cli_shown(out), cli_shown(out), n);
        code = EXIT_DONE;
    }
    dp_bank_close(&bank);
    cli_outputs_free(files);
    g_ptr_array_unref(paths);
    return code;
}
