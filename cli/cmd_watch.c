/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch watch - inspects what comes into a folder, for as long as it runs. */
#include "cli.h"
#include "service/log.h"
#include "watch/watch.h"

#include <math.h>

struct asked {
    char *bank, *model, *in, *out, *data, *done, *keep, *log_level;
    cli_number threshold, poll, keep_days, keep_bytes, exit_after;
    gboolean json, stop_on_anomaly;
};

/* False: *code, complained. */
static bool settle(const struct asked *asked, const cli_run *run, watch_settings *settings, int *code)
{
    static const char *const keep[] = {"none", "anomalous", "all", NULL};
    int kept = asked->keep ? cli_choose("keep", asked->keep, keep, code) : KEEPER_ANOMALOUS;
    if (kept < 0)
        return false;
    *settings = (watch_settings){.judge = {.bank = asked->bank,
                                           .model = asked->model,
                                           .threshold = asked->threshold.given ? asked->threshold.value : NAN,
                                           .run = run->run},
                                 .in = asked->in,
                                 .poll_s = asked->poll.given ? asked->poll.value : -1,
                                 .done = asked->done,
                                 .data = asked->data,
                                 .out = {.out = asked->out,
                                         .which = (keeper_which)kept,
                                         .days = asked->keep_days.value,
                                         .bytes = asked->keep_bytes.value},
                                 .exit_after = (size_t)asked->exit_after.value,
                                 .stop_on_anomaly = asked->stop_on_anomaly,
                                 .json = asked->json};
    settings->judge.run.progress = NULL;
    settings->judge.run.stop = NULL;
    settings->judge.run.log = log_from_library;
    return true;
}

static int watch_command(int argc, char **argv, struct asked *asked)
{
    cli_run run;
    int code;
    const cli_option entries[] = {
        {"bank", 'b', 0, CLI_FILE, &asked->bank, "the bank that 'dinopatch fit' wrote", "B"},
        {"in", 'i', 0, CLI_FILE, &asked->in, "the folder that pictures come into; with all below it", "DIR"},
        {"out", 'o', 0, CLI_FILE, &asked->out, "write heat maps and distances here, a folder a day", "DIR"},
        {"data", 'd', 0, CLI_FILE, &asked->data, "keep the results in DIR/results.db, for 'dinopatch results'", "DIR"},
        {"done", 0, 0, CLI_FILE, &asked->done, "move each file here once it is inspected", "DIR"},
        {"json", 0, 0, CLI_FLAG, &asked->json, "one JSON line per picture on stdout", NULL},
        {"model", 'm', 0, CLI_FILE, &asked->model, "checkpoint (default: the one the bank was made with)", "M"},
        {"threshold", 0, 0, CLI_REAL, &asked->threshold, "decide at this score (default: the bank's)", "T", 0,
         CLI_NO_END},
        {"poll", 0, 0, CLI_REAL, &asked->poll,
         "look at the folder so often (default: be told by the system; every 2 s on a network share)", "SECONDS", 0.05,
         86400},
        {"keep", 0, 0, CLI_TEXT, &asked->keep, "which pictures' files --out takes (default: anomalous)",
         "none|anomalous|all"},
        {"keep-days", 0, 0, CLI_REAL, &asked->keep_days, "remove them after so many days (default: never)", "N", 0,
         1e6},
        {"keep-size", 0, 0, CLI_SIZE, &asked->keep_bytes, "so much of them; the oldest make room (default: 10G)",
         "SIZE", 1, 1e15},
        {"exit-after", 0, 0, CLI_WHOLE, &asked->exit_after, "end after so many pictures", "N", 1, 1e15},
        {"stop-on-anomaly", 0, 0, CLI_FLAG, &asked->stop_on_anomaly,
         "end with exit code 3 at the first picture that is anomalous or not inspected", NULL},
        {"log-level", 0, 0, CLI_TEXT, &asked->log_level, "what is logged (default: info)", "error|warning|info|debug"},
        CLI_OPTION_END};
    watch_settings settings;
    asked->keep_bytes.value = 10.0 * 1024 * 1024 * 1024;
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B --in DIR",
                   "Inspects each picture that comes into a folder, once, for as long as it runs.",
                   "Pictures that lie there at the start are inspected too; those that an earlier run inspected are "
                   "not, even after a kill.\n"
                   "SIGTERM ends it once the picture that has begun is done, SIGHUP reads the bank anew.\n"
                   "Exit code: 0 ended as told; 1 some pictures could not be read; 2 wrong usage; 3 --stop-on-anomaly "
                   "ended it;\n4 the job failed. docs/operation.md tells how to run it.",
                   &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!asked->bank)
        return cli_usage("--bank is missing");
    if (!asked->in)
        return cli_usage("--in is missing: it names the folder that pictures come into");
    if (argc > 1)
        return cli_usage("'%s': watch takes no pictures; --in names a folder", argv[1]);
    if (asked->out && !*asked->out)
        return cli_usage("--out: the folder has no name");
    if ((asked->keep || asked->keep_days.given || asked->keep_bytes.given) && !asked->out)
        return cli_usage("--keep, --keep-days and --keep-size need --out DIR");
    if (asked->log_level && !log_level_set(asked->log_level))
        return cli_usage("--log-level %s: give error, warning, info or debug", asked->log_level);
    if (run.quiet && !asked->log_level)
        log_level_set("error");
    return settle(asked, &run, &settings, &code) ? watch_run(&settings) : code;
}

int cmd_watch(int argc, char **argv)
{
    struct asked asked = {0};
    return watch_command(argc, argv, &asked);
}
