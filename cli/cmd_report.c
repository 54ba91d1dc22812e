/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch report - makes the HTML page of a finished evaluation. */
#include "outputs.h"
#include "report/report.h"

int cmd_report(int argc, char **argv)
{
    char *out = NULL;
    gboolean overwrite = FALSE;
    cli_number gallery = {.value = 48};
    int code;
    const cli_option entries[] = {
        {"out", 'o', 0, CLI_FILE, &out, "the page (default: DIR/report.html)", "FILE"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        {"gallery", 0, 0, CLI_WHOLE, &gallery, "show at most N pictures of each run (default 48)", "N", 0, 1e6},
        CLI_OPTION_END};
    if (!cli_parse(&argc, &argv, entries, NULL, "DIR", "Makes one HTML page of what 'dinopatch eval --out DIR' wrote.",
                   NULL, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one folder of 'dinopatch eval --out'");
    char *file = out ? g_strdup(out) : g_build_filename(argv[1], "report.html", NULL);
    char *run = g_build_filename(argv[1], "run.json", NULL);
    cli_outputs *files = cli_outputs_new(overwrite);
    cli_outputs_read(files, run, "what the page is made of");
    if (!out && report_is_page(file)) /* the page of an earlier run, in the folder of the evaluation */
        cli_outputs_write_own(files, file);
    else
        cli_outputs_write(files, file);
    code = EXIT_JOB_FAILED;
    if (cli_outputs_check(files, &code)
        && (!g_file_test(run, G_FILE_TEST_EXISTS) || cli_outputs_begin(files, NULL, &code)))
        code = report_write(argv[1], file, (size_t)gallery.value) ? EXIT_DONE : EXIT_JOB_FAILED;
    cli_outputs_free(files);
    g_free(run);
    g_free(file);
    return code;
}
