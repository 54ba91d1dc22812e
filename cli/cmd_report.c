/* dinopatch report - the HTML page of an evaluation that is done. */
#include "report/report.h"

int cmd_report(int argc, char **argv)
{
    char *out = NULL;
    cli_number gallery = {.value = 48};
    int code;
    const cli_option entries[] = {
        {"out", 'o', 0, CLI_FILE, &out, "the page (default: DIR/report.html)", "FILE"},
        {"gallery", 0, 0, CLI_WHOLE, &gallery, "show at most N pictures of each run (default 48)", "N", 0, 1e6},
        CLI_OPTION_END};
    if (!cli_parse(&argc, &argv, entries, NULL, "DIR", "Makes one HTML page of what 'dinopatch eval --out DIR' wrote.", NULL, &code))
        return code;
    if (argc != 2)
        return cli_usage("one folder of 'dinopatch eval --out' at a time");
    char *file = out ? g_strdup(out) : g_build_filename(argv[1], "report.html", NULL);
    bool good = report_write(argv[1], file, (size_t)gallery.value);
    g_free(file);
    return good ? EXIT_DONE : EXIT_JOB_FAILED;
}
