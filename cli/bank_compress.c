/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bank compress - makes a bank smaller and says what that costs. */
#include "bank_change.h"
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
        printf("  threshold   %.6g, unchanged: the bank holds no features of single pictures, so they cannot be scored "
               "again\n",
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
    cli_bank_change change = {0};
    int code;
    cli_recipe options;
    dp_recipe recipe;
    const cli_option own[] = {{"out", 'o', 0, CLI_FILE, &change.out, "the bank to write; it may be the old one", "OUT"},
                              CLI_OVERWRITE_ENTRY(&change.overwrite),
                              CLI_MAX_MEMORY_ENTRY(&change.run),
                              CLI_OPTION_END};
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_COMPRESS, own);
    dp_recipe_init(&recipe);
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&change.run),
                   "[--pca P] [--kmeans K | --coreset F|N] [--storage S] BANK --out OUT",
                   "Makes a bank smaller and says what that does to its scores.", NULL, &code)
        || !cli_run_resolve(&change.run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one bank");
    if (!change.out)
        return cli_usage("--out is missing");
    const bool type_given = cli_recipe_is_given(&options, "bank.storage");
    if (!type_given && !(recipe.pca > 0) && !recipe.kmeans && !(recipe.coreset > 0))
        return cli_usage("nothing to do: give --pca, --kmeans, --coreset or --storage");
    dp_compression how;
    dp_compression_report report;
    dp_error err;
    change.path = argv[1];
    if (!cli_bank_change_open(&change, &code))
        return code;
    dp_compression_init(change.bank, &how);
    how.pca = recipe.pca;
    how.kmeans = recipe.kmeans;
    how.coreset = recipe.coreset;
    how.seed = recipe.seed;
    how.storage = type_given ? recipe.storage : how.storage;
    cli_progress_begin("compress", change.run.quiet);
    dp_status status = dp_bank_compress(change.bank, &how, &change.run.run, &change.changed, &report, &err);
    code = cli_bank_change_save(&change, status, &err);
    if (code == EXIT_DONE)
        print_report(change.path, change.out, change.bank, change.changed, &report);
    cli_bank_change_close(&change);
    return code;
}
