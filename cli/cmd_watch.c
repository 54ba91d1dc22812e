/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch watch - inspects what comes into a folder or from a camera, for as long as it runs. */
#include "cli.h"
#include "service/log.h"
#include "watch/watch.h"

#include <math.h>

struct asked {
    char *config, *bank, *model, *in, *source, *camera, *out, *data, *done, *keep, *log_level;
    char *mqtt, *mqtt_password_file, *mqtt_ca, *webhook, *webhook_token_file;
    cli_number threshold, poll, keep_days, keep_bytes, exit_after, spool, drift;
    gboolean json, stop_on_anomaly;
};

/* False: *code, complained. */
static bool resolve(const struct asked *asked, const cli_run *run, watch_settings *settings, int *code)
{
    static const char *const keep[] = {"none", "anomalous", "all", NULL};
    int kept = asked->keep ? cli_choose("keep", asked->keep, keep, code) : KEEPER_ANOMALOUS;
    if (kept < 0)
        return false;
    *settings = (watch_settings){.inspector = {.bank = asked->bank,
                                               .model = asked->model,
                                               .threshold = asked->threshold.given ? asked->threshold.value : NAN,
                                               .run = run->run},
                                 .in = asked->in,
                                 .source = asked->source,
                                 .camera = asked->camera ? asked->camera : "camera",
                                 .outlets = {.mqtt = {asked->mqtt, asked->mqtt_password_file, asked->mqtt_ca},
                                             .webhook = asked->webhook,
                                             .webhook_token_file = asked->webhook_token_file,
                                             .most = (int64_t)asked->spool.value},
                                 .drift_bound = asked->drift.value,
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
    settings->inspector.run.progress = NULL;
    settings->inspector.run.stop = NULL;
    settings->inspector.run.log = log_from_library;
    return true;
}

static int watch_command(int argc, char **argv, struct asked *asked)
{
    cli_run run;
    int code;
    const cli_option entries[] = {
        {"bank", 'b', 0, CLI_FILE, &asked->bank, "the bank that 'dinopatch fit' wrote", "B"},
        {"in", 'i', 0, CLI_FILE, &asked->in, "the folder that pictures come into; with all below it", "DIR"},
        {"source", 's', 0, CLI_TEXT, &asked->source,
         "in place of --in: frames of this GStreamer pipeline, its sink left out: 'v4l2src device=/dev/video0'",
         "PIPELINE"},
        {"camera", 0, 0, CLI_TEXT, &asked->camera, "what the frames of --source are called (default: camera)", "NAME"},
        {"out", 'o', 0, CLI_FILE, &asked->out, "write heat maps and distances here, a folder a day", "DIR"},
        {"data", 'd', 0, CLI_FILE, &asked->data, "keep the results in DIR/results.db, for 'dinopatch results'", "DIR"},
        {"done", 0, 0, CLI_FILE, &asked->done, "move each file here once it is inspected", "DIR"},
        {"mqtt", 0, 0, CLI_TEXT, &asked->mqtt, "publish each result at this broker",
         "mqtt[s]://[USER@]HOST[:PORT]/TOPIC"},
        {"mqtt-password-file", 0, 0, CLI_FILE, &asked->mqtt_password_file, "the password of USER is in this file", "F"},
        {"mqtt-ca", 0, CLI_MORE, CLI_FILE, &asked->mqtt_ca,
         "with mqtts: certificates that the broker's is held against (default: the system's)", "F"},
        {"webhook", 0, 0, CLI_TEXT, &asked->webhook, "post each result to this URL", "URL"},
        {"webhook-token-file", 0, 0, CLI_FILE, &asked->webhook_token_file, "the bearer token for it is in this file",
         "F"},
        {"spool", 0, CLI_MORE, CLI_WHOLE, &asked->spool,
         "messages that may wait for each of these; then the oldest are dropped (default: 100000)", "N", 1, 1e9},
        {"drift", 0, 0, CLI_REAL, &asked->drift,
         "alarm when the scores drift, in vain with at most this probability; 0: no alarm (default: 0.001)", "P", 0,
         0.5},
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
         "end with exit code 3 at the first picture that is not good", NULL},
        CLI_CONFIG_ENTRY(&asked->config),
        {"log-level", 0, 0, CLI_TEXT, &asked->log_level, "what is logged (default: info)", "error|warning|info|debug"},
        CLI_OPTION_END};
    watch_settings settings;
    asked->spool.value = 100000;
    asked->drift.value = 0.001;
    asked->keep_bytes.value = 10.0 * 1024 * 1024 * 1024;
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B (--in DIR | --source PIPELINE)",
                   "Inspects each picture that comes into a folder or from a camera, once, for as long as it runs.",
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
    if (!asked->in == !asked->source)
        return cli_usage("give --in DIR, the folder that pictures come into, or --source PIPELINE");
    if (asked->source && (asked->done || asked->poll.given))
        return cli_usage("--done and --poll go with --in");
    if (asked->camera && !asked->source)
        return cli_usage("--camera goes with --source");
    if ((asked->mqtt_password_file || asked->mqtt_ca) && !asked->mqtt)
        return cli_usage("--mqtt-password-file and --mqtt-ca need --mqtt URL");
    if (asked->webhook_token_file && !asked->webhook)
        return cli_usage("--webhook-token-file needs --webhook URL");
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
    return resolve(asked, &run, &settings, &code) ? watch_run(&settings) : code;
}

int cmd_watch(int argc, char **argv)
{
    struct asked asked = {0};
    return watch_command(argc, argv, &asked);
}
