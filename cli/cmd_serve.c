/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch serve - inspects over HTTP: banks, jobs and results in one folder. */
#include "cli.h"
#include "models.h"
#include "service/log.h"
#include "service/notify.h"
#include "service/transport.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_S 20
#define MEGABYTE 1e6

struct asked {
    char *data, *listen, *token_file, *cert, *key, *model, *keep, *log_level, **hosts;
    char *config;
    cli_number workers, queue, max_body, max_upload, connections, keep_bytes, good_bytes, drift;
};

static int refused(const dp_error *err)
{
    return cli_failed(err);
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL); /* all threads from here on: the loop below waits for them */
    signal(SIGPIPE, SIG_IGN);
}

/* Until it is told to end. */
static void loop(service *s, transport *t, const sigset_t *set)
{
    uint64_t watchdog_us = notify_watchdog_us();
    uint64_t wait_us = watchdog_us ? MIN(watchdog_us / 3, G_USEC_PER_SEC - 1) : G_USEC_PER_SEC - 1;
    const struct timespec pause = {.tv_nsec = (long)wait_us * 1000};
    gint64 told_us = 0;
    for (;;) {
        int signal_number = sigtimedwait(set, NULL, &pause);
        if (signal_number == SIGINT || signal_number == SIGTERM)
            return;
        if (signal_number == SIGHUP) {
            log_line(LOG_LEVEL_INFO, "SIGHUP: the folder of the banks is looked at again");
            notify_manager("RELOADING=1");
            banks_rescan(s->banks);
            notify_manager("READY=1");
        }
        transport_tick(t);
        if (watchdog_us && g_get_monotonic_time() - told_us > (gint64)(watchdog_us / 3)) {
            workers_look(s->workers); /* takes the lock that all work goes through */
            notify_manager("WATCHDOG=1");
            told_us = g_get_monotonic_time();
        }
    }
}

static int run_service(const struct asked *asked, const service_settings *settings)
{
    dp_network *network = NULL;
    service *s = NULL;
    transport *t = NULL;
    dp_error err;
    sigset_t set;
    int code = EXIT_DONE;
    g_autofree char *where = NULL;
    block_signals(&set);
    cli_hide_notes();
    if (!cli_model_open(asked->model, &network, &code))
        return code;
    if (service_open(settings, network, &s, &err)) {
        code = refused(&err);
    } else if (transport_open(s, asked->listen ? asked->listen : "127.0.0.1:8080", &t, &where, &err)) {
        code = refused(&err);
    } else {
        log_line(LOG_LEVEL_INFO, "listening on %s, data in %s, %zu workers", where, settings->data,
                 settings->n_workers);
        printf("%s\n", where);
        cli_output_good();
        notify_manager("READY=1");
        loop(s, t, &set);
        log_line(LOG_LEVEL_INFO, "ending: what has begun is finished first");
        notify_manager("STOPPING=1");
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* a second one ends at once */
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        transport_drain(t, DRAIN_S);
    }
    transport_close(&t);
    service_close(&s);
    dp_network_close(&network);
    return code;
}

/* False: *code, complained. */
static bool resolve(const struct asked *asked, const cli_run *run, service_settings *settings, guard_token *token,
                    int *code)
{
    static const char *const keep[] = {"none", "anomalous", "all", NULL};
    size_t n_cores = MAX(1, g_get_num_processors());
    int kept = asked->keep ? cli_choose("keep", asked->keep, keep, code) : KEEP_ANOMALOUS;
    if (kept < 0)
        return false;
    settings->keep = (keep_pictures)kept;
    settings->n_workers = asked->workers.given ? (size_t)asked->workers.value : MIN(n_cores, 8);
    settings->most_waiting = asked->queue.given ? (size_t)asked->queue.value : MAX(8, 4 * settings->n_workers);
    settings->run = run->run;
    if (!run->threads.given)
        settings->run.threads = MAX(1, n_cores / settings->n_workers);
    settings->run.progress = NULL;
    settings->run.stop = NULL;
    settings->run.log = log_from_library;
    settings->run.max_wait_seconds = 60;
    settings->most_body_bytes = (size_t)asked->max_body.value;
    settings->most_upload_bytes = (size_t)asked->max_upload.value;
    settings->most_connections = (size_t)asked->connections.value;
    settings->most_kept_bytes = (size_t)asked->keep_bytes.value;
    settings->most_good_bytes = (size_t)asked->good_bytes.value;
    settings->drift_bound = asked->drift.value;
    settings->data = asked->data;
    settings->hosts = asked->hosts;
    settings->cert = asked->cert;
    settings->key = asked->key;
    g_autofree char *fault = asked->token_file ? guard_token_read(asked->token_file, token) : NULL;
    settings->token = asked->token_file ? token : NULL;
    if (fault) {
        cli_complain("%s", fault);
        *code = EXIT_USAGE;
    }
    return !fault;
}

static int serve(int argc, char **argv, struct asked *asked)
{
    cli_run run;
    int code;
    const cli_option entries[] = {
        {"data", 'd', 0, CLI_FILE, &asked->data, "banks, results and pictures lie here; made where it is not there",
         "DIR"},
        {"listen", 'l', 0, CLI_TEXT, &asked->listen, "listen here (default: 127.0.0.1:8080)", "ADDRESS:PORT"},
        {"token-file", 0, 0, CLI_FILE, &asked->token_file,
         "who asks must give the token in this file; needed for an address that other machines reach", "F"},
        {"cert", 0, 0, CLI_FILE, &asked->cert, "HTTPS with this certificate (PEM)", "F"},
        {"key", 0, 0, CLI_FILE, &asked->key, "the certificate's key (PEM)", "F"},
        {"host", 0, 0, CLI_FILES, &asked->hosts,
         "a name that the service is asked by, beside its addresses and localhost; again and again", "NAME"},
        {"workers", 0, 0, CLI_WHOLE, &asked->workers, "threads that inspect (default: one a processor, at most 8)", "N",
         1, 256},
        {"queue", 0, CLI_MORE, CLI_WHOLE, &asked->queue,
         "pictures that may wait; more are refused with 429 (default: 4 a worker, at least 8)", "N", 1, 100000},
        {"model", 'm', 0, CLI_FILE, &asked->model, "network of new banks (default: nano, built in)", "M"},
        {"keep", 0, 0, CLI_TEXT, &asked->keep, "which results' pictures are kept (default: anomalous)",
         "none|anomalous|all"},
        {"keep-size", 0, CLI_MORE, CLI_SIZE, &asked->keep_bytes, "so much of them; the oldest make room (default: 1G)",
         "SIZE", 1, 1e15},
        {"good-size", 0, CLI_MORE, CLI_SIZE, &asked->good_bytes,
         "so much of good pictures; the oldest make room (default: 4G)", "SIZE", 1, 1e15},
        {"max-body", 0, CLI_MORE, CLI_SIZE, &asked->max_body, "largest picture file (default: 64M)", "SIZE", 1024,
         1e12},
        {"max-upload", 0, CLI_MORE, CLI_SIZE, &asked->max_upload, "most of one request with pictures (default: 1G)",
         "SIZE", 1024, 1e13},
        {"connections", 0, CLI_MORE, CLI_WHOLE, &asked->connections, "most at the same time (default: 256)", "N", 4,
         10000},
        CLI_CONFIG_ENTRY(&asked->config),
        {"drift", 0, CLI_MORE, CLI_REAL, &asked->drift,
         "alarm when the scores of a bank drift, in vain with at most this probability; 0: no alarm (default: 0.001)",
         "P", 0, 0.5},
        {"log-level", 0, 0, CLI_TEXT, &asked->log_level, "what is logged (default: info)", "error|warning|info|debug"},
        CLI_OPTION_END};
    asked->keep_bytes.value = 1000 * MEGABYTE;
    asked->good_bytes.value = 4000 * MEGABYTE;
    asked->max_body.value = 64 * MEGABYTE;
    asked->max_upload.value = 1000 * MEGABYTE;
    asked->connections.value = 256;
    asked->drift.value = 0.001;
    if (!cli_parse(
            &argc, &argv, entries, cli_run_group(&run), "--data DIR [--listen ADDRESS:PORT]",
            "Inspects pictures over HTTP, learns banks from pictures that are sent, and keeps the results.",
            "Prints the URL it listens on. SIGTERM ends it once what has begun is done, SIGHUP looks for changed "
            "banks.\nGET /openapi.json describes every request; docs/operation.md tells how to run it.",
            &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!asked->data)
        return cli_usage("--data is missing: it names the folder for banks and results");
    if (argc > 1)
        return cli_usage("'%s': serve takes no pictures; they are sent to it", argv[1]);
    if (!asked->cert != !asked->key)
        return cli_usage("--cert and --key go together");
    if (asked->log_level && !log_level_set(asked->log_level))
        return cli_usage("--log-level %s: give error, warning, info or debug", asked->log_level);
    service_settings settings = {0};
    guard_token token;
    return resolve(asked, &run, &settings, &token, &code) ? run_service(asked, &settings) : code;
}

int cmd_serve(int argc, char **argv)
{
    struct asked asked = {0};
    int code = serve(argc, argv, &asked);
    g_strfreev(asked.hosts);
    return code;
}
