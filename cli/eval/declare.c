/* SPDX-License-Identifier: Apache-2.0 */
/* declare.c - declares what an evaluation reads and writes before the work begins, its own folder included. */
#include "eval.h"

#include "../report/report.h"

#include <stdio.h>
#include <string.h>

/* True if the first line is that of an evaluation, or if the file is empty, as one that was killed at once leaves
 * it. */
static bool begins_evaluation(const char *path)
{
    char start[4096];
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(start, 1, sizeof start - 1, file) : 0;
    bool there = file != NULL;
    if (file)
        (void)fclose(file);
    start[n] = 0;
    return there && (!n || g_str_has_prefix(start, "{\"dinopatch\":"));
}

/* True if a folder holds the state of an evaluation, or that of one of its shards. */
static bool is_evaluation(const char *out)
{
    GDir *dir = g_dir_open(out, 0, NULL);
    bool found = false;
    for (const char *name; dir && !found && (name = g_dir_read_name(dir));)
        if (g_str_has_prefix(name, "state") && g_str_has_suffix(name, ".jsonl")) {
            char *path = g_build_filename(out, name, NULL);
            found = begins_evaluation(path);
            g_free(path);
        }
    if (dir)
        g_dir_close(dir);
    return found;
}

static void declare(cli_outputs *files, bool own, const char *out, const char *folder, const char *name)
{
    char *path = out ? g_build_filename(out, folder, name, NULL) : g_strdup(name);
    if (own)
        cli_outputs_write_own(files, path);
    else
        cli_outputs_write(files, path);
    g_free(path);
}

static void declare_place(cli_outputs *files, bool own, const char *out, char *place)
{
    declare(files, own, out, "", place);
    g_free(place);
}

static void declare_figures(cli_outputs *files, bool own, const eval_run *run)
{
    static const char *const charts[] = {"histogram.svg", "roc.svg", "precision-recall.svg"};
    for (size_t i = 0; i < G_N_ELEMENTS(charts); i++)
        declare_place(files, own, run->out, eval_figure_place(run, charts[i]));
    for (int i = 1; i <= 6; i++) {
        char file[32];
        g_snprintf(file, sizeof file, "axes-%d.jpg", i);
        declare_place(files, own, run->out, eval_figure_place(run, file));
    }
}

static void declare_run(cli_outputs *files, bool own, const eval_run *run)
{
    static const char *const roots[][2] = {{"anomaly_maps", ".tiff"}, {"pictures", ".jpg"}, {"explained", ".jpg"}};
    for (guint i = 0; i < run->set->test->len; i++)
        for (size_t r = 0; r < G_N_ELEMENTS(roots); r++)
            declare_place(files, own, run->out, eval_place(run, roots[r][0], eval_item(run, i), roots[r][1]));
    declare_figures(files, own, run);
}

void eval_declare_outputs(cli_outputs *files, const GPtrArray *sets, const char *out, cli_shard shard, size_t n_seeds,
                          const char *report)
{
    static const char *const names[] = {"metrics.json", "run.json"};
    bool own = is_evaluation(out);
    char *of_shard[] = {eval_shard_path(out, "state", shard, ".jsonl"), eval_shard_path(out, "resume", shard, ".bank")};
    for (size_t i = 0; i < G_N_ELEMENTS(of_shard); i++) {
        declare(files, own, NULL, NULL, of_shard[i]);
        g_free(of_shard[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        declare(files, own, out, "", names[i]);
    for (size_t seed = 0; seed < MAX(n_seeds, 1); seed++) {
        char *folder = n_seeds ? g_strdup_printf("seed-%zu", seed + 1) : g_strdup("");
        declare(files, own, out, folder, "scores.csv");
        for (guint s = 0; s < sets->len; s++) {
            const eval_run run = {.set = sets->pdata[s], .out = out, .folder = folder};
            declare_run(files, own, &run);
        }
        g_free(folder);
    }
    if (report)
        declare(files, own && report_is_page(report), NULL, NULL, report);
}
