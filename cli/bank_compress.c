/* dinopatch bank compress - a smaller bank, and what that costs. */
#include "bank_verbs.h"
#include "outputs.h"
#include "recipe.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_report(const char *in, const char *out, const dp_bank *before, const dp_bank *after,
                         const dp_compression_report *r)
{
    dp_bank_details a, b;
    dp_bank_get_details(before, &a);
    dp_bank_get_details(after, &b);
    printf("%s -> %s\n", cli_shown(in), cli_shown(out));
    printf("  rows        %zu -> %zu%s\n", a.n_rows, b.n_rows,
           a.recipe.layout == DP_LAYOUT_FLAT ? "" : " at each place");
    printf("  features    %zu in %s -> %zu in %s", a.dim, dp_option_choice("bank.storage", (int)a.recipe.storage),
           b.dim, dp_option_choice("bank.storage", (int)b.recipe.storage));
    if (a.dim != b.dim)
        printf(" (%.2f %% of the variance)", 100 * r->kept_variance);
    printf("\n  size        %.1f MB -> %.1f MB (%.1f times smaller)\n", (double)r->bytes_before / 1e6,
           (double)r->bytes_after / 1e6, (double)r->bytes_before / (double)r->bytes_after);
    if (!isnan(r->search_before_s))
        printf("  search      %.1f ms -> %.1f ms a picture\n", 1e3 * r->search_before_s, 1e3 * r->search_after_s);
    if (!r->calibrated) {
        printf("  threshold   %.6g, unchanged: the bank holds no features of single pictures to score again\n",
               r->threshold_after);
        return;
    }
    printf("  threshold   %.6g -> %.6g\n", r->threshold_before, r->threshold_after);
    printf("  cells       threshold %.6g -> %.6g\n", a.cell_threshold, b.cell_threshold);
    if (!isnan(r->mean_change))
        printf("  leave one out  scores change by %+.2f %% on average, %+.2f %% at most", 100 * r->mean_change,
               100 * r->max_change);
    if (!isnan(r->rank_correlation))
        printf("; rank correlation %.4f", r->rank_correlation);
    if (!isnan(r->mean_change))
        printf("\n");
}

int cli_bank_compress(int argc, char **argv)
{
    char *out = NULL, *storage = NULL;
    cli_number pca = {0}, coreset = {0}, kmeans = {0}, seed = {0};
    int code;
    gboolean overwrite = FALSE;
    cli_run run;
    const cli_option entries[] = {
        {"pca", 0, 0, CLI_SHARE, &pca, "project on principal components: a share of the variance (0.99), or a number",
         "P", 1, 1e6},
        {"kmeans", 0, 0, CLI_WHOLE, &kmeans, "keep K centres of the features of each place", "K", 1, 1e6},
        {"coreset", 0, 0, CLI_SHARE, &coreset,
         "keep the rows of a flat bank that cover it best: a share of them (0.1), or their number", "F|N", 1, 1e6},
        {"seed", 0, 0, CLI_WHOLE, &seed, "of k-means and coreset (default 0)", "S", 0, UINT32_MAX},
        {"storage", 0, 0, CLI_TEXT, &storage, "in what the bank keeps its features", "f32|f16|int8"},
        {"out", 'o', 0, CLI_FILE, &out, "the bank to write; may be the old one", "OUT"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_OPTION_END};
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run),
                   "[--pca P] [--kmeans K | --coreset F|N] [--storage S] BANK --out OUT",
                   "Makes a bank smaller and says what that does to its scores.", NULL, &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one bank");
    if (!out)
        return cli_usage("--out is missing");
    if (!pca.given && !kmeans.given && !coreset.given && !storage)
        return cli_usage("nothing to do: give --pca, --kmeans, --coreset or --storage");
    int type = storage ? cli_choose("storage", storage, cli_option_row("bank.storage")->choices, &code) : 0;
    if (type < 0)
        return code;
    dp_bank *bank = NULL, *smaller = NULL;
    dp_bank_lock *lock = NULL;
    dp_compression how;
    dp_compression_report report;
    dp_error err;
    cli_outputs *files = cli_outputs_new(overwrite);
    bool ready = cli_outputs_bank(files, out, argv[1], NULL, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    dp_status status = dp_bank_lock_take(out, &run.run, &lock, &err);
    if (!status)
        status = dp_bank_open(argv[1], &bank, &err);
    if (status) {
        dp_bank_lock_release(&lock);
        return cli_failed(&err);
    }
    dp_compression_init(bank, &how);
    how.pca = pca.value; /* 0: not */
    how.kmeans = (size_t)kmeans.value;
    how.coreset = coreset.value;
    how.seed = (size_t)seed.value;
    how.storage = storage ? (dp_storage)type : how.storage;
    cli_progress_begin("compress", run.quiet);
    status = dp_bank_compress(bank, &how, &run.run, &smaller, &report, &err);
    if (!status)
        status = dp_bank_save(smaller, out, &err);
    cli_progress_end();
    if (status)
        code = cli_failed(&err);
    else
        print_report(argv[1], out, bank, smaller, &report);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    dp_bank_close(&smaller);
    return status ? code : EXIT_DONE;
}
