/* SPDX-License-Identifier: Apache-2.0 */
/* layer_sweep.c - finds which block of the transformer shows the defects: tries each block, with features that are
 * computed once.
 *
 * Prints a row for each block and each data set. It uses labels.
 *
 * One bank holds the features of all blocks side by side (--layer-mix separate). A view of one block gives what a bank
 * of that block alone would give, except for the polarity, which all blocks decide together. So the good pictures and
 * the test pictures go through the network once each. Two more rows use several blocks at once, each divided by the
 * typical distance between good pictures: all blocks, and the middle third.
 *
 * Memory is bounded. If a bank of so many blocks does not fit, half as many are taken at a time, and so on. Pixel
 * figures need 4 to 8 bytes for each pixel of the test set and each block: one pass over the test pictures measures as
 * many blocks as fit into METER_BYTES.
 *
 * The recommended row has the best mean rank over the scores, with ties counted half: a block that is best by one score
 * only is probably best by chance. */
#include "research.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>

#define METER_BYTES 2e9

enum { N_SCORES = 3, N_FIGURES = 5 };
static const char *const figure_names[N_FIGURES] = {"max", "p99", "top1p", "pixel_auroc", "aupro_30"};
static const dp_score score_kinds[N_SCORES] = {DP_SCORE_MAX, DP_SCORE_P99, DP_SCORE_TOP1P};

/* A row of the table. */
struct row {
    char name[32];
    uint64_t blocks; /* of the transformer */
    double figures[N_FIGURES];
};

/* A data set at work. */
struct sweep {
    const research *r;
    const dataset *set;
    struct row *rows;
    size_t n_rows, depth;
    size_t n_failed;
};

/* One pass over the test pictures. */
struct pass {
    struct sweep *sweep;
    size_t n_views, n;       /* n: number of pictures so far */
    double *scores;          /* [n_views, N_SCORES, test pictures] */
    uint8_t *labels;         /* [test pictures] */
    dp_pixel_meter **meters; /* [n_views]; NULL without masks */
    bool failed;             /* the current picture failed */
};

static double *scores_of(const struct pass *pass, size_t view, size_t kind)
{
    return pass->scores + (view * N_SCORES + kind) * pass->sweep->set->test->len;
}

static int on_result(void *user, size_t index, size_t view, const char *path, const dp_picture *picture,
                     const dp_result *result, double ms, const char *message)
{
    struct pass *pass = user;
    const dataset_item *item = &g_array_index(pass->sweep->set->test, dataset_item, index);
    dp_error err;
    uint8_t *mask = NULL;
    char *own;
    eval_drop_blank(path, &result, &message, &own);
    if (own && view > 0) { /* reported once */
        g_free(own);
        return cli_interrupted();
    }
    if (view == 0)
        pass->failed = !result;
    bool good = result != NULL;
    for (size_t k = 0; k < N_SCORES && good; k++)
        scores_of(pass, view, k)[pass->n] = dp_result_score(result, score_kinds[k]);
    if (good && pass->meters) {
        good = dataset_load_mask(item, pass->sweep->r->run.run.max_picture_pixels, result->height_px, result->width_px,
                                 &mask, &err)
               && !dp_pixel_meter_add(pass->meters[view], result->map, mask, result->height_px, result->width_px, &err);
        message = err.message;
    }
    g_free(mask);
    if (!good) {
        pass->sweep->n_failed++;
        cli_complain("%s", message);
    }
    g_free(own);
    pass->labels[pass->n] = (uint8_t)item->label;
    if (view + 1 == pass->n_views && !pass->failed)
        pass->n++;
    return cli_interrupted();
}

/* Measures rows first .. first + n - 1 of `rows`. Their blocks are all in the bank, whose first block is
 * first_block. */
static dp_status pass_over(struct sweep *sweep, const dp_bank *bank, size_t first_block, struct row *const *rows,
                           size_t n, dp_error *err)
{
    const dataset *set = sweep->set;
    struct pass pass = {.sweep = sweep,
                        .n_views = n,
                        .scores = g_new0(double, n *N_SCORES * set->test->len),
                        .labels = g_new0(uint8_t, set->test->len),
                        .meters = set->masks ? g_new0(dp_pixel_meter *, n) : NULL};
    dp_view *views = g_new(dp_view, n);
    const char **paths = research_test_paths(set);
    dp_status status = DP_OK;
    for (size_t v = 0; v < n; v++) {
        dp_view_init(bank, &views[v]);
        views[v].blocks = rows[v]->blocks >> first_block;
        if (pass.meters && !status)
            status = dp_pixel_meter_open(&pass.meters[v], err);
    }
    if (!status)
        status =
            dp_session_inspect_views(sweep->r->session, bank, views, n, paths, set->test->len, on_result, &pass, err);
    for (size_t v = 0; v < n && !status; v++) {
        static const double limit = 0.3;
        dp_measures pixel = {0};
        for (size_t k = 0; k < N_SCORES && !status; k++)
            status = dp_auroc(scores_of(&pass, v, k), pass.labels, pass.n, &rows[v]->figures[k], err);
        if (!status && pass.meters)
            status = dp_pixel_meter_measure(pass.meters[v], &pixel, &limit, 1, &rows[v]->figures[4], err);
        if (!status && pass.meters)
            rows[v]->figures[3] = pixel.auroc;
        if (pass.meters)
            dp_pixel_meter_close(&pass.meters[v]);
    }
    for (size_t v = 0; v < n && pass.meters; v++)
        dp_pixel_meter_close(&pass.meters[v]);
    g_free(pass.meters);
    g_free(pass.scores);
    g_free(pass.labels);
    g_free(views);
    g_free(paths);
    return status;
}

/* Returns how many rows one pass over the test pictures may measure, from the size of the first picture. */
static size_t rows_of_a_pass(const struct sweep *sweep)
{
    dp_picture *picture = NULL;
    double pixels = 1e6;
    if (!sweep->set->masks || !sweep->set->test->len)
        return SIZE_MAX;
    if (!dp_picture_load(g_array_index(sweep->set->test, dataset_item, 0).path, sweep->r->run.run.max_picture_pixels,
                         &picture, NULL))
        pixels = (double)picture->width_px * (double)picture->height_px;
    dp_picture_free(&picture);
    double rows = METER_BYTES / (8 * pixels * sweep->set->test->len);
    return rows < 1 ? 1 : (size_t)rows;
}

static bool is_between(const struct row *row, size_t first, size_t n)
{
    uint64_t all = n < 64 ? ((uint64_t)1 << n) - 1 : UINT64_MAX;
    return !(row->blocks & ~(all << first));
}

/* Measures all rows whose blocks lie in first .. first + n - 1, with one bank of these blocks. */
static dp_status sweep_blocks(struct sweep *sweep, size_t first, size_t n, dp_error *err)
{
    dp_recipe recipe = sweep->r->recipe;
    recipe.n_layers = n;
    recipe.layer_mix = n > 1 ? DP_LAYERS_SEPARATE : DP_LAYERS_MEAN;
    recipe.reweight = 0;
    for (size_t i = 0; i < n; i++)
        recipe.layers[i] = first + i;
    dp_bank *bank = NULL;
    struct row **rows = g_new(struct row *, sweep->n_rows);
    size_t n_rows = 0, most = rows_of_a_pass(sweep);
    for (size_t r = 0; r < sweep->n_rows; r++)
        if (is_between(&sweep->rows[r], first, n))
            rows[n_rows++] = &sweep->rows[r];
    dp_status status = research_fit(sweep->r, sweep->set, &recipe, &bank, &sweep->n_failed, err);
    for (size_t r = 0; r < n_rows && !status; r += most)
        status = pass_over(sweep, bank, first, rows + r, MIN(most, n_rows - r), err);
    dp_bank_close(&bank);
    g_free(rows);
    return status;
}

/* Returns the block with the best mean rank over the scores, the first of equal ones. *rank: that mean; 1 is the best
 * possible. */
static size_t robust_choice(const struct row *rows, size_t depth, double *rank)
{
    size_t best = 0;
    *rank = INFINITY;
    for (size_t b = 0; b < depth; b++) {
        double sum = 0;
        for (size_t other = 0; other < depth; other++)
            for (size_t k = 0; k < N_SCORES && other != b; k++)
                sum += rows[other].figures[k] > rows[b].figures[k]   ? 1
                       : rows[other].figures[k] < rows[b].figures[k] ? 0
                                                                     : 0.5;
        double mean = 1 + sum / N_SCORES;
        if (mean < *rank) {
            *rank = mean;
            best = b;
        }
    }
    return best;
}

static void print_row(const struct row *row)
{
    printf("  %-18s", row->name);
    for (size_t k = 0; k < N_FIGURES; k++)
        if (isnan(row->figures[k]))
            printf(" %8s", "-");
        else
            printf(" %8.4f", row->figures[k]);
    putchar('\n');
}

/* Makes the rows: each block, then all blocks and the middle third. A transformer of fewer than 6 blocks has no middle
 * third. */
static void make_rows(struct sweep *sweep)
{
    size_t depth = sweep->depth;
    sweep->rows = g_new0(struct row, depth + 2);
    for (size_t b = 0; b < depth; b++) {
        sweep->rows[b].blocks = (uint64_t)1 << b;
        g_snprintf(sweep->rows[b].name, sizeof sweep->rows[b].name, "block %zu", b);
        sweep->rows[depth].blocks |= (uint64_t)1 << b;
        if (b >= depth / 3 && b < depth - depth / 3)
            sweep->rows[depth + 1].blocks |= (uint64_t)1 << b;
    }
    sweep->n_rows = depth + (depth >= 6 ? 2 : depth > 1 ? 1 : 0);
    g_strlcpy(sweep->rows[depth].name, "all, separate", sizeof sweep->rows[depth].name);
    g_snprintf(sweep->rows[depth + 1].name, sizeof sweep->rows[depth + 1].name, "%zu to %zu, separate", depth / 3,
               depth - depth / 3 - 1);
    for (size_t r = 0; r < depth + 2; r++)
        for (size_t k = 0; k < N_FIGURES; k++)
            sweep->rows[r].figures[k] = NAN;
}

static json_t *json_row(const struct sweep *sweep, const struct row *row)
{
    json_t *object = json_object(), *blocks = json_array();
    for (size_t b = 0; b < sweep->depth; b++)
        if (row->blocks >> b & 1)
            cli_json_append(blocks, json_integer((json_int_t)b));
    cli_json_set(object, "blocks", blocks);
    for (size_t k = 0; k < N_FIGURES; k++)
        cli_json_set(object, figure_names[k], cli_json_real(row->figures[k]));
    return object;
}

static int sweep_set(const research *r, void *user, const dataset *set, const char *category, json_t *all,
                     size_t *n_failed)
{
    size_t depth = r->about.depth;
    struct sweep sweep = {.r = r, .set = set, .depth = depth};
    dp_error err;
    int code = EXIT_DONE;
    make_rows(&sweep);
    cli_progress_begin(category, r->run.quiet);
    dp_status status = DP_OK;
    /* If rows are chosen or made from whole features, each block would give other rows. */
    size_t at_once = r->recipe.coreset > 0 || r->recipe.kmeans || r->recipe.pca > 0 ? 1 : depth;
    for (size_t first = 0; first < depth && !status;) {
        size_t n = MIN(at_once, depth - first);
        status = sweep_blocks(&sweep, first, n, &err);
        if (status == DP_E_MEMORY && n > 1) { /* take half as many from here on */
            at_once = (n + 1) / 2;
            status = DP_OK;
        } else {
            first += n;
        }
    }
    cli_progress_end();
    *n_failed += sweep.n_failed;
    if (status == DP_E_PICTURE) { /* there is nothing to learn from */
        eval_print_not_possible(category, err.message);
        cli_json_set(all, category, cli_json_pack("{s:o}", "not_possible", cli_json_text(err.message)));
        code = EXIT_SOME_FAILED;
    } else if (status) {
        cli_complain("%s: %s", category, err.message);
        code = status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
    } else {
        printf("%-20s %8s %8s %8s %8s %8s\n", cli_shown(category), "max", "p99", "top1p", "pixel", "AU-PRO");
        json_t *rows = json_array();
        for (size_t i = 0; i < sweep.n_rows; i++) {
            print_row(&sweep.rows[i]);
            cli_json_append(rows, json_row(&sweep, &sweep.rows[i]));
        }
        double rank;
        size_t best = robust_choice(sweep.rows, depth, &rank);
        if (isnan(sweep.rows[0].figures[0]))
            puts("No block can be chosen without good and anomalous test pictures.");
        else
            printf("Robust choice: --layers %zu (mean rank %.1f of %zu). The choice used labels: confirm it on other "
                   "pictures.\n",
                   best, rank, depth);
        fflush(stdout);
        cli_json_set(all, category, rows);
    }
    g_free(sweep.rows);
    return code;
}

static void declare(cli_outputs *files, const research *r)
{
    research_declare(files, r, "layers.json");
}

int main(int argc, char **argv)
{
    research r;
    const cli_option own[] = {CLI_OPTION_END};
    int code;
    research_begin(&r, "layer_sweep");
    if (!research_parse(&r, argc, argv, own, "Prints which block of the transformer shows the defects best.", &code))
        return research_end(&r, code);
    if (cli_recipe_is_given(&r.options, "layers") || cli_recipe_is_given(&r.options, "layers.mix"))
        code = cli_usage("every block is tried; remove --layers and --layer-mix");
    else if (research_open(&r, declare, &code))
        code = research_each(&r, sweep_set, NULL, "layers.json");
    return research_end(&r, code);
}
