/* sweep.c - each block of the transformer by itself: one bank and one evaluation per block.
 *
 * The scores are taken from the same map of distances.  The row that is recommended has the best mean rank over them, ties
 * counted half: a block that is best by one score only is likely to be so by chance. */
#include "sweep.h"
#include "eval.h"

#include <math.h>
#include <string.h>

enum { N_SCORES = 3 };
static const char *const score_names[N_SCORES] = {"max", "p99", "top1p"};
static const dp_score score_kinds[N_SCORES] = {DP_SCORE_MAX, DP_SCORE_P99, DP_SCORE_TOP1P};

/* One block under way. */
struct block {
    const dataset *set;
    double *scores[N_SCORES]; /* [test pictures], the first n used */
    uint8_t *labels;
    size_t n, n_failed;
};

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result, double ms,
                     const char *message)
{
    struct block *block = user;
    if (!result) {
        block->n_failed++;
        cli_complain("%s", message);
        return cli_interrupted();
    }
    block->labels[block->n] = (uint8_t)g_array_index(block->set->test, dataset_item, index).label;
    for (size_t k = 0; k < N_SCORES; k++)
        block->scores[k][block->n] = dp_result_score(result, score_kinds[k]);
    block->n++;
    return cli_interrupted();
}

static void on_nominal(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (message)
        cli_complain("%s", message);
}

/* AUROC by each score, for a bank of that block. */
static dp_status evaluate_block(dp_session *session, const dp_recipe *recipe, size_t number, struct block *block,
                                double auroc[N_SCORES], dp_error *err)
{
    const dataset *set = block->set;
    dp_recipe one = *recipe;
    one.n_layers = 1;
    one.layers[0] = number;
    dp_bank *bank = NULL;
    size_t n_left_out = 0;
    dp_status status = dp_bank_fit(session, &one, (const char *const *)set->train->pdata, set->train->len, on_nominal, NULL, &bank,
                                   &n_left_out, err);
    block->n_failed = n_left_out;
    block->n = 0;
    if (!status) {
        dp_view view;
        dp_view_init(bank, &view);
        const char **paths = g_new(const char *, set->test->len);
        for (guint i = 0; i < set->test->len; i++)
            paths[i] = g_array_index(set->test, dataset_item, i).path;
        status = dp_session_inspect_files(session, bank, &view, paths, set->test->len, on_result, block, err);
        g_free(paths);
    }
    for (size_t k = 0; k < N_SCORES && !status; k++)
        status = dp_auroc(block->scores[k], block->labels, block->n, &auroc[k], err);
    dp_bank_close(&bank);
    return status;
}

/* The block with the best mean rank over the scores, the earliest of several; *rank: that mean, 1 the best there is. */
static size_t robust_choice(const double (*auroc)[N_SCORES], size_t depth, double *rank)
{
    size_t best = 0;
    *rank = INFINITY;
    for (size_t b = 0; b < depth; b++) {
        double sum = 0;
        for (size_t other = 0; other < depth; other++)
            for (size_t k = 0; k < N_SCORES && other != b; k++)
                sum += auroc[other][k] > auroc[b][k] ? 1 : auroc[other][k] < auroc[b][k] ? 0 : 0.5;
        double mean = 1 + sum / N_SCORES;
        if (mean < *rank) {
            *rank = mean;
            best = b;
        }
    }
    return best;
}

static int sweep_set(dp_session *session, const dp_recipe *recipe, size_t depth, const cli_run *run, const dataset *set,
                     const char *category, json_t *all, size_t *n_failed)
{
    double (*auroc)[N_SCORES] = g_malloc0_n(depth, sizeof *auroc);
    struct block block = {.set = set, .labels = g_new(uint8_t, set->test->len)};
    for (size_t k = 0; k < N_SCORES; k++)
        block.scores[k] = g_new(double, set->test->len);
    json_t *rows = json_array();
    int code = EXIT_DONE;
    printf("%-20s %8s %8s %8s   image AUROC by score\n", cli_shown(category), score_names[0], score_names[1], score_names[2]);
    fflush(stdout);
    for (size_t b = 0; b < depth && code == EXIT_DONE; b++) {
        dp_error err;
        char name[32];
        g_snprintf(name, sizeof name, "block %zu", b);
        cli_progress_begin(name, run->quiet);
        dp_status status = evaluate_block(session, recipe, b, &block, auroc[b], &err);
        cli_progress_end();
        *n_failed += block.n_failed;
        if (status) {
            cli_complain("%s, block %zu: %s", category, b, err.message);
            code = status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
            break;
        }
        printf("  %-18s %8.4f %8.4f %8.4f\n", name, auroc[b][0], auroc[b][1], auroc[b][2]);
        fflush(stdout);
        json_t *row = json_pack("{s:I}", "block", (json_int_t)b);
        for (size_t k = 0; k < N_SCORES; k++)
            json_object_set_new(row, score_names[k], cli_json_real(auroc[b][k]));
        json_array_append_new(rows, row);
    }
    double rank;
    size_t best = robust_choice((const double (*)[N_SCORES])auroc, depth, &rank);
    if (code == EXIT_DONE && isnan(auroc[0][0]))
        puts("Without good and anomalous test pictures nothing can be chosen.");
    else if (code == EXIT_DONE)
        printf("Robust choice: --layers %zu (mean rank %.1f of %zu). Labels were used: confirm it on other pictures.\n", best, rank,
               depth);
    json_object_set_new(all, category, rows);
    for (size_t k = 0; k < N_SCORES; k++)
        g_free(block.scores[k]);
    g_free(block.labels);
    g_free(auroc);
    return code;
}

int sweep_do(dp_session *session, const dp_recipe *recipe, size_t depth, const cli_run *run, const GPtrArray *sets, const char *out)
{
    json_t *all = json_object();
    size_t n_failed = 0;
    int code = EXIT_DONE;
    for (guint s = 0; s < sets->len && code == EXIT_DONE; s++) {
        const dataset *set = sets->pdata[s];
        char *category = g_utf8_validate(set->category, -1, NULL) ? g_strdup(set->category) : g_strescape(set->category, NULL);
        code = sweep_set(session, recipe, depth, run, set, category, all, &n_failed);
        g_free(category);
    }
    if (code == EXIT_DONE && out && !eval_write_json(out, "layers.json", all))
        code = EXIT_JOB_FAILED;
    json_decref(all);
    return code == EXIT_DONE && n_failed ? EXIT_SOME_FAILED : code;
}
