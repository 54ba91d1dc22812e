/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdio.h>

static bool same(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

bool cli_rates_make(const double *scores, size_t n, double fpr, double threshold, cli_rates *rates, int *code)
{
    dp_error err;
    *rates = (cli_rates){.in_use = SIZE_MAX};
    for (size_t i = 0; i < n; i++)
        rates->n_scores += !isnan(scores[i]);
    rates->n = dp_calibration_rates(rates->n_scores, fpr, rates->fpr);
    for (size_t i = 0; i < rates->n; i++) {
        if (dp_calibrate(scores, n, rates->fpr[i], &rates->rows[i], &err)) {
            *code = cli_failed(&err);
            return false;
        }
        if (same(rates->fpr[i], MAX(fpr, rates->rows[i].fpr_least)) && same(rates->rows[i].threshold, threshold))
            rates->in_use = i;
    }
    return true;
}

bool cli_rates_of_bank(const dp_bank *bank, cli_rates *rates, int *code)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    const dp_threshold_origin *origin = &info.threshold_origin;
    bool at_rate = origin->by == DP_ORIGIN_LEAVE_ONE_OUT || origin->by == DP_ORIGIN_CALIBRATE;
    double *scores = g_new(double, info.n_pictures);
    for (size_t i = 0; i < info.n_pictures; i++)
        scores[i] = dp_bank_picture_score(bank, i);
    bool good = cli_rates_make(scores, info.n_pictures, at_rate && origin->fpr > 0 ? origin->fpr : info.recipe.fpr,
                               at_rate ? info.threshold : NAN, rates, code);
    g_free(scores);
    return good;
}

void cli_rates_print(const cli_rates *rates, const char *indent)
{
    if (!rates->n)
        return;
    printf("%s  rate    threshold  expected false alarms in 100 good pictures like these (90 %% range)\n", indent);
    for (size_t i = 0; i < rates->n; i++) {
        const dp_calibration *row = &rates->rows[i];
        printf("%s%c %-7.3g %-10.6g %.3g (%.2g to %.2g)", indent, i == rates->in_use ? '*' : ' ', rates->fpr[i],
               row->threshold, 100 * row->expected, 100 * row->low, 100 * row->high);
        if (rates->n_bad)
            printf("; catches %zu of %zu bad", rates->caught[i], rates->n_bad);
        printf("%s\n", i == rates->in_use ? "  in use" : "");
    }
}

json_t *cli_rates_json(const cli_rates *rates)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rates->n; i++) {
        const dp_calibration *row = &rates->rows[i];
        json_t *object =
            cli_json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "fpr", cli_json_real(rates->fpr[i]), "threshold",
                          cli_json_real(row->threshold), "expected", cli_json_real(row->expected), "low",
                          cli_json_real(row->low), "high", cli_json_real(row->high), "in_use", i == rates->in_use);
        if (rates->n_bad)
            cli_json_set(object, "recall", cli_json_real((double)rates->caught[i] / (double)rates->n_bad));
        cli_json_append(list, object);
    }
    return list;
}

void cli_rates_print_few(size_t n_scores, double fpr, const char *indent)
{
    double least = 1 / ((double)n_scores + 1);
    if (n_scores && least > fpr * (1 + 1e-9))
        printf("%s%s cannot promise a false-alarm rate below %.2g, so the threshold is the largest score; a rate of %g "
               "needs %.0f\n",
               indent, cli_count(n_scores, "picture"), least, fpr, ceil(1 / fpr - 1 - 1e-9));
}

#define FIT_SUSPECTS 5
#define ENOUGH_FOR_OUTLIERS 8 /* with fewer pictures, one always seems to stand out */

bool cli_suspects_print(const dp_bank *bank, const char *path, size_t most, bool outliers, int *code)
{
    dp_bank_details info;
    dp_error err;
    dp_bank_get_details(bank, &info);
    size_t *pictures = g_new(size_t, info.n_pictures), n = 0;
    double *z = g_new(double, info.n_pictures);
    bool good = dp_bank_suspects(bank, pictures, z, &err) == DP_OK;
    if (!good)
        *code = cli_failed(&err);
    for (size_t i = 0; good && i < MIN(info.n_scored, most); i++)
        n += !outliers || (z[i] > CLI_OUTLIER && info.n_scored >= ENOUGH_FOR_OUTLIERS);
    if (n && outliers)
        printf("look at %s: if one shows no good part, remove it with 'dinopatch bank remove --bank %s NAME'\n",
               n == 1 ? "this picture" : "these pictures", cli_shown(path));
    for (size_t i = 0; i < n; i++) {
        const char *name = dp_bank_picture_name(bank, pictures[i]);
        double score = dp_bank_picture_score(bank, pictures[i]);
        printf(outliers ? "  %s: score %.6g, %.1f robust standard deviations above the median\n"
                        : "  least alike  %s: score %.6g, robust z %+.1f\n",
               cli_shown(name), score, z[i]);
    }
    g_free(pictures);
    g_free(z);
    return good;
}

#define DRIFTED 1.08

void cli_drift_print(double drift, const char *indent)
{
    if (drift > DRIFTED)
        printf("%swarning: light, lens or batch drifted: without its neighbours by name a good picture scores %.0f %% "
               "more (over 8 %% is not chance).\n%s  Coming pictures will differ more than these: expect more false "
               "alarms, or fit with pictures from several days\n",
               indent, 100 * (drift - 1), indent);
}

/* By what share each doubling of the pictures lowered the scores towards the end; NaN: unknown. */
static double last_doubling(const dp_learning_curve *curve)
{
    size_t n = curve->n_points, all = n ? curve->pictures[n - 1] : 0, i = n;
    while (i > 0 && 2 * curve->pictures[i - 1] > all)
        i--;
    if (!i || !(curve->scores[n - 1] > 0))
        return NAN;
    double doublings = log2((double)all / (double)curve->pictures[i - 1]);
    return 1 - pow(curve->scores[n - 1] / curve->scores[i - 1], 1 / doublings);
}

/* Prints in one line what more pictures would bring. */
static void print_learning(const dp_learning_curve *curve, const char *indent)
{
    double gain = last_doubling(curve);
    if (isnan(gain))
        return;
    printf("%smore pictures? The last doubling lowered the scores of good pictures by %.1f %%: %s\n", indent,
           100 * gain,
           gain >= 0.05   ? "more would help"
           : gain >= 0.02 ? "more would help a little"
                          : "more would change little");
}

void cli_learning_print(const dp_learning_curve *curve)
{
    if (!curve->n_points) {
        printf("no learning curve: it needs at least two pictures, and the layout grid\n");
        return;
    }
    printf("  pictures  mean score of a good picture that is not among them (from %s)\n",
           cli_count(curve->n_sampled, "picture"));
    for (size_t i = 0; i < curve->n_points; i++)
        printf("  %8zu  %.6g (%+.1f %%)\n", curve->pictures[i], curve->scores[i],
               100 * (curve->scores[i] / curve->scores[curve->n_points - 1] - 1));
    print_learning(curve, "");
}

json_t *cli_learning_json(const dp_learning_curve *curve)
{
    json_t *points = json_array();
    for (size_t i = 0; i < curve->n_points; i++)
        cli_json_append(points, cli_json_pack("{s:I, s:o}", "pictures", (json_int_t)curve->pictures[i], "score",
                                              cli_json_real(curve->scores[i])));
    return cli_json_pack("{s:o, s:I, s:o, s:o}", "points", points, "n_sampled", (json_int_t)curve->n_sampled,
                         "last_doubling", cli_json_real(last_doubling(curve)), "drift", cli_json_real(curve->drift));
}

void cli_order_print(const dp_recipe *recipe, size_t n_pictures, const char *indent)
{
    static const char *const words[] = {
        "", "one picture", "two pictures", "three pictures", "four pictures", "five pictures"};
    const bool retrieves = recipe->retrieval && recipe->retrieval < n_pictures;
    const size_t n = retrieves ? recipe->retrieval : n_pictures, c = MIN(n > 10 ? 5 : (n + 1) / 2, 5),
                 m = dp_order_pictures(recipe->order, n);
    if (!m)
        return;
    printf(
        "%sorder statistics: m = %zu of %s%zu%s: %s with one defect hold%s at most %.0f %% of the weight; good poses "
        "that are as rare look like defects\n",
        indent, m, retrieves ? "the " : "", n, retrieves ? " most alike" : "", words[c], c == 1 ? "s" : "",
        100 * dp_order_share(n, m, c));
}

bool cli_print_trust(const dp_bank *bank, const char *path, int *code)
{
    dp_bank_details info;
    cli_rates rates;
    dp_bank_get_details(bank, &info);
    if (!cli_rates_of_bank(bank, &rates, code))
        return false;
    cli_rates_print_few(rates.n_scores, info.recipe.fpr, "");
    cli_rates_print(&rates, "");
    cli_order_print(&info.recipe, info.n_pictures, "");
    cli_drift_print(info.drift, "");
    if (!cli_suspects_print(bank, path, FIT_SUSPECTS, true, code))
        return false;
    dp_learning_curve curve;
    dp_error err;
    if (dp_bank_learning_curve(bank, NULL, &curve, &err)) { /* the bank keeps the curve */
        *code = cli_failed(&err);
        return false;
    }
    print_learning(&curve, "");
    return true;
}
