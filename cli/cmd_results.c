/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch results - asks the results that 'serve' and 'watch' keep, and exports them. */
#include "cli.h"
#include "service/drift_store.h"
#include "service/store_page.h"
#include "shard_lines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct asked {
    char *data, *since, *until, *label, *bank, *verdict;
    cli_number limit;
    gboolean json, csv, counts, html, alarms;
};

struct printing {
    const struct asked *asked;
    GString *line; /* of CSV */
    size_t n;
    bool broken;
};

static void print_text(const store_row *row)
{
    g_autofree char *time = store_time_text(row->time_ms);
    printf("%" G_GINT64_FORMAT "  %s  %s  %s: %s", row->id, time, cli_shown(row->bank), cli_shown(row->source),
           row->label ? row->label : "no threshold");
    if (row->reason)
        printf(" (%s)", cli_shown(row->reason));
    if (isfinite(row->score))
        printf(", score %.4f", row->score);
    if (isfinite(row->threshold))
        printf(" (threshold %.4f)", row->threshold);
    if (row->verdict)
        printf(", verdict %s", row->verdict);
    putchar('\n');
}

static int on_row(void *user, const store_row *row)
{
    struct printing *p = user;
    p->n++;
    if (p->asked->json) {
        p->broken = !cli_json_print(store_row_json(row));
    } else if (p->asked->csv) {
        g_string_truncate(p->line, 0);
        store_csv_row(p->line, row);
        fputs(p->line->str, stdout);
        p->broken = !cli_output_good();
    } else {
        print_text(row);
        p->broken = !cli_output_good();
    }
    return p->broken || cli_interrupted();
}

static bool read_time(const char *option, const char *text, bool end, int64_t *time_ms, int *code)
{
    if (!text || store_time_read(text, end, time_ms))
        return true;
    *code = cli_usage("%s %s: is no time; give a day like 2026-11-30, a time like 2026-11-30T14:00, or today", option,
                      text);
    return false;
}

static int print_counts(store *s, const store_filter *filter, const struct asked *asked)
{
    store_counts c;
    dp_error err;
    if (store_count(s, filter, &c, &err))
        return cli_failed(&err);
    if (asked->json)
        return cli_json_print(store_counts_json(&c)) ? EXIT_DONE : EXIT_JOB_FAILED;
    printf("%" G_GINT64_FORMAT " pictures: %" G_GINT64_FORMAT " good, %" G_GINT64_FORMAT " anomalous, %" G_GINT64_FORMAT
           " not inspected, %" G_GINT64_FORMAT " without a threshold\n",
           c.good + c.anomalous + c.not_inspected + c.unlabelled, c.good, c.anomalous, c.not_inspected, c.unlabelled);
    return EXIT_DONE;
}

static int print_rows(store *s, const store_filter *filter, const struct asked *asked)
{
    dp_error err;
    struct printing printing = {.asked = asked, .line = g_string_new(NULL)};
    if (asked->csv) {
        store_csv_header(printing.line);
        fputs(printing.line->str, stdout);
    }
    dp_status status = store_query(s, filter, on_row, &printing, &err);
    g_string_free(printing.line, TRUE);
    if (status)
        return cli_failed(&err);
    if (!asked->json && !asked->csv && filter->limit && printing.n == filter->limit)
        cli_note("the newest %zu are shown; --limit shows more", printing.n);
    return printing.broken ? EXIT_JOB_FAILED : EXIT_DONE;
}

static int print_alarms(store *s, const store_filter *filter, const struct asked *asked)
{
    json_t *alarms, *alarm;
    size_t i;
    dp_error err;
    bool good = true;
    if (drift_store_alarms(s, filter, &alarms, &err))
        return cli_failed(&err);
    json_array_foreach(alarms, i, alarm)
    {
        if (asked->json)
            good = good && cli_json_print(json_incref(alarm));
        else
            printf("%s  %s: %s\n", json_string_value(json_object_get(alarm, "time")),
                   cli_shown(json_string_value(json_object_get(alarm, "bank"))),
                   cli_shown(json_string_value(json_object_get(alarm, "text"))));
    }
    json_decref(alarms);
    return good && cli_output_good() ? EXIT_DONE : EXIT_JOB_FAILED;
}

static int print_page(store *s, const store_filter *filter, const struct asked *asked)
{
    dp_error err;
    GString *html;
    if (store_page(s, filter, asked->data, &html, &err))
        return cli_failed(&err);
    fputs(html->str, stdout);
    g_string_free(html, TRUE);
    return cli_output_good() ? EXIT_DONE : EXIT_JOB_FAILED;
}

int cmd_results(int argc, char **argv)
{
    static const char *const labels[] = {"good", "anomalous", "not_inspected", "none", NULL};
    static const char *const verdicts[] = {"good", "defect", "none", "any", NULL};
    struct asked asked = {0};
    const cli_option entries[] = {
        {"data", 'd', 0, CLI_FILE, &asked.data, "the folder of 'serve' or 'watch', which holds results.db", "DIR"},
        {"since", 0, 0, CLI_TEXT, &asked.since, "from this time on: 2026-11-30, 2026-11-30T14:00, today", "TIME"},
        {"until", 0, 0, CLI_TEXT, &asked.until, "up to this time; a day is taken to its end", "TIME"},
        {"bank", 'b', 0, CLI_TEXT, &asked.bank, "of this bank only", "NAME"},
        {"label", 0, 0, CLI_TEXT, &asked.label, "with this label only", "good|anomalous|not_inspected|none"},
        {"verdict", 0, 0, CLI_TEXT, &asked.verdict, "with this verdict of a person only", "good|defect|none|any"},
        {"limit", 0, 0, CLI_WHOLE, &asked.limit, "at most so many, the newest (default: 50; with --csv, --json all)",
         "N", 1, 1e15},
        {"csv", 0, 0, CLI_FLAG, &asked.csv, "a CSV table on stdout", NULL},
        {"json", 0, 0, CLI_FLAG, &asked.json, "one JSON line per result on stdout", NULL},
        {"html", 0, 0, CLI_FLAG, &asked.html, "one HTML page on stdout, with the pictures that were kept", NULL},
        {"counts", 0, 0, CLI_FLAG, &asked.counts, "how many of each label, in place of the results", NULL},
        {"alarms", 0, 0, CLI_FLAG, &asked.alarms, "the alarms for drift, in place of the results", NULL},
        CLI_OPTION_END};
    int code;
    if (argc > 1 && !strcmp(argv[1], "merge")) {
        cli_begin_verb("merge");
        return cli_results_merge(argc - 1, argv + 1);
    }
    if (!cli_parse(&argc, &argv, entries, NULL, "--data DIR [--since TIME] [--until TIME] [--csv|--json]",
                   "Shows and exports the results that 'dinopatch serve' and 'dinopatch watch' keep, the newest first.",
                   "Times without a zone are local. The service may run meanwhile. Exit code: 0 done; 2 wrong usage; "
                   "4 the results cannot be read.\n"
                   "'dinopatch results merge SHARD.jsonl...' joins the lines of the shards of 'inspect --shard'.",
                   &code))
        return code;
    store_filter filter = {.bank = asked.bank, .label = asked.label, .verdict = asked.verdict};
    if (!asked.data)
        return cli_usage("--data is missing: it names the folder that holds results.db");
    if (argc > 1)
        return cli_usage("'%s': results takes no names", argv[1]);
    if (asked.json + asked.csv + asked.html > 1)
        return cli_usage("give one of --json, --csv and --html");
    if (asked.counts && (asked.html || asked.csv || asked.label || asked.verdict || asked.limit.given))
        return cli_usage("--counts goes with --since, --until, --bank and --json only");
    if ((asked.label && cli_choose("label", asked.label, labels, &code) < 0)
        || (asked.verdict && cli_choose("verdict", asked.verdict, verdicts, &code) < 0)
        || !read_time("--since", asked.since, false, &filter.since_ms, &code)
        || !read_time("--until", asked.until, true, &filter.until_ms, &code))
        return code;
    if (asked.alarms && (asked.html || asked.csv || asked.counts || asked.label || asked.verdict))
        return cli_usage("--alarms goes with --since, --until, --bank, --limit and --json only");
    filter.limit = asked.limit.given ? (size_t)asked.limit.value : asked.json || asked.csv || asked.html ? 0 : 50;
    g_autofree char *path = g_build_filename(asked.data, "results.db", NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        cli_complain("%s: is not there; --data names the folder that 'serve' or 'watch' was given", path);
        return EXIT_JOB_FAILED;
    }
    store *s;
    dp_error err;
    if (store_open(path, DATABASE_READ, &s, &err))
        return cli_failed(&err);
    code = asked.counts   ? print_counts(s, &filter, &asked)
           : asked.alarms ? print_alarms(s, &filter, &asked)
           : asked.html   ? print_page(s, &filter, &asked)
                          : print_rows(s, &filter, &asked);
    store_close(&s);
    return code;
}
