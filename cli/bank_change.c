/* SPDX-License-Identifier: Apache-2.0 */
/* bank_change.c - opens a bank that a command changes, and saves the changed one. */
#include "bank_change.h"
#include "outputs.h"

bool cli_bank_change_parse(cli_bank_change *change, int *argc, char ***argv, const char *usage, const char *summary,
                           int *code)
{
    const cli_option entries[] = {{"bank", 'b', 0, CLI_FILE, &change->path, "the bank", "B"},
                                  {"out", 'o', 0, CLI_FILE, &change->out, "write another bank instead", "OUT"},
                                  CLI_OVERWRITE_ENTRY(&change->overwrite),
                                  CLI_MAX_MEMORY_ENTRY(&change->run),
                                  CLI_OPTION_END};
    if (!cli_parse(argc, argv, entries, cli_run_group(&change->run), usage, summary, NULL, code)
        || !cli_run_resolve(&change->run, code))
        return false;
    if (!change->path)
        *code = cli_usage("--bank is missing");
    return change->path != NULL;
}

const char *cli_bank_change_out(const cli_bank_change *change)
{
    return change->out ? change->out : change->path;
}

bool cli_bank_change_open(cli_bank_change *change, int *code)
{
    const char *out = cli_bank_change_out(change);
    dp_error err;
    cli_outputs *files = cli_outputs_new(change->overwrite);
    bool ready = cli_outputs_bank(files, out, change->path, NULL, code);
    cli_outputs_free(files);
    if (!ready)
        return false;
    if (!dp_bank_lock_take(out, &change->run.run, &change->lock, &err)
        && !dp_bank_open(change->path, &change->bank, &err))
        return true;
    *code = cli_failed(&err);
    cli_bank_change_close(change);
    return false;
}

int cli_bank_change_save(cli_bank_change *change, dp_status made, dp_error *err)
{
    dp_status status = made ? made : dp_bank_save(change->changed, cli_bank_change_out(change), err);
    cli_progress_end();
    return status ? cli_failed(err) : EXIT_DONE;
}

void cli_bank_change_close(cli_bank_change *change)
{
    dp_bank_lock_release(&change->lock);
    dp_bank_close(&change->changed);
    dp_bank_close(&change->bank);
}
