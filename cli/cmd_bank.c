/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bank - shows what is in a bank, checks that it is whole, and finds pictures that may be bad. */
#include "bank_verbs.h"
#include "feedback.h"
#include "rates.h"
#include "recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *json_layers(const dp_recipe *recipe)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < recipe->n_layers; i++)
        cli_json_append(layers, json_integer((json_int_t)recipe->layers[i]));
    return layers;
}

/* [local, global] for each feature block that is scaled separately; null if there are no scales. */
static json_t *json_scales(const dp_bank *bank, const dp_recipe *recipe)
{
    dp_view view;
    dp_view_init(bank, &view);
    json_t *list = json_array();
    for (size_t i = 0; i < (recipe->layer_mix == DP_LAYERS_SEPARATE ? recipe->n_layers : 1); i++)
        cli_json_append(
            list, cli_json_pack("[o,o]", cli_json_real(view.scales.local[i]), cli_json_real(view.scales.global[i])));
    return list;
}

/* 64 hexadecimal digits, or null if the digest is unknown. */
static json_t *json_digest(const unsigned char *digest)
{
    char text[65] = "";
    for (size_t i = 0; digest && i < 32; i++)
        g_snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return digest ? json_string(text) : json_null();
}

/* Where the threshold came from; null if there is none. */
static json_t *json_origin(const dp_bank_details *info)
{
    const dp_threshold_origin *o = &info->threshold_origin;
    if (isnan(info->threshold))
        return json_null();
    json_t *origin = cli_json_pack("{s:s, s:o, s:I, s:I}", "by", dp_origin_name(o->by), "fpr",
                                   o->fpr > 0 ? json_real(o->fpr) : json_null(), "good", (json_int_t)o->n_good, "bad",
                                   (json_int_t)o->n_bad);
    if (o->by == DP_ORIGIN_HELD_OUT) {
        cli_json_set(origin, "k", json_integer((json_int_t)o->k));
        cli_json_set(origin, "certified", cli_json_real(o->certified));
    }
    return origin;
}

static void print_threshold(const dp_bank_details *info)
{
    const dp_threshold_origin *o = &info->threshold_origin;
    printf("%.6g (", info->threshold);
    switch (o->by) {
    case DP_ORIGIN_LEAVE_ONE_OUT:
    case DP_ORIGIN_CALIBRATE:
        printf("%sleave-one-out scores of %zu good pictures, false-alarm rate aimed at: %g",
               o->by == DP_ORIGIN_CALIBRATE ? "calibrate, from " : "", o->n_good, o->fpr);
        break;
    case DP_ORIGIN_VALUE: printf("a value given by hand"); break;
    case DP_ORIGIN_TUNE:
        printf("tune, on %zu good and %zu bad picture%s", o->n_good, o->n_bad, o->n_bad == 1 ? "" : "s");
        break;
    case DP_ORIGIN_HELD_OUT:
        printf("held-out good pictures: number %zu of %zu from the top; certified with 95 %% confidence: a false-alarm "
               "rate "
               "within %.2g",
               o->k, o->n_good, o->certified);
        break;
    case DP_ORIGIN_UNKNOWN:
        printf("an older dinopatch did not say where it came from; false-alarm rate aimed at: %g", info->recipe.fpr);
        break;
    }
    printf(")\n");
}

static json_t *json_pair(double low, double high)
{
    return cli_json_pack("[o,o]", cli_json_real(low), cli_json_real(high));
}

/* The range of the good pictures: a picture far outside it is not inspected. */
static json_t *json_range(const dp_good_range *range)
{
    return cli_json_pack(
        "{s:[I,I], s:[I,I], s:o, s:o, s:o, s:o}", "width_px", (json_int_t)range->min_width_px,
        (json_int_t)range->max_width_px, "height_px", (json_int_t)range->min_height_px,
        (json_int_t)range->max_height_px, "aspect_ratio", json_pair(range->min_ratio, range->max_ratio), "dark",
        json_pair(range->dark.low, range->dark.high), "bright", json_pair(range->bright.low, range->bright.high),
        "fine", json_pair(range->fine.low, range->fine.high));
}

/* What fit chose, with the reasons. */
static json_t *json_choices(const dp_bank *bank)
{
    size_t n;
    const dp_choice *choices = dp_bank_choices(bank, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        cli_json_append(list, cli_json_pack("{s:s, s:s, s:s}", "option", choices[i].option, "value", choices[i].value,
                                            "reason", choices[i].reason));
    return list;
}

static void print_choices(const dp_bank *bank)
{
    size_t n;
    const dp_choice *choices = dp_bank_choices(bank, &n);
    for (size_t i = 0; i < n; i++)
        printf("%s%s %s: %s\n", i ? "              " : "  chosen      ", choices[i].option, choices[i].value,
               choices[i].reason);
}

/* The number of bits from the lowest to the highest one set in white. */
static size_t significant_bits(size_t white)
{
    return white ? g_bit_storage(white) - (size_t)g_bit_nth_lsf(white, -1) : 0;
}

/* One option as JSON: numbers as numbers, 0 for "off". */
static json_t *json_option(const dp_recipe *r, const dp_option *option)
{
    char *text = cli_option_text(r, option->key);
    json_t *value = NULL;
    switch (option->kind) {
    case DP_OPTION_LAYERS: value = json_layers(r); break;
    case DP_OPTION_FLAG: value = json_boolean(!strcmp(text, "yes")); break;
    case DP_OPTION_CANVAS:
        value = cli_json_pack("[I,I]", (json_int_t)r->canvas_height_px, (json_int_t)r->canvas_width_px);
        break;
    case DP_OPTION_WINDOW:
        value = r->window == DP_WINDOW_GLOBAL || r->layout == DP_LAYOUT_FLAT ? json_string("global")
                                                                             : json_integer((json_int_t)r->window);
        break;
    case DP_OPTION_WHOLE: value = json_integer(g_ascii_strtoll(text, NULL, 10)); break;
    case DP_OPTION_REAL:
    case DP_OPTION_SHARE: value = cli_json_real(g_ascii_strtod(text, NULL)); break;
    default: value = json_string(text); break;
    }
    g_free(text);
    return value;
}

/* Every option that has a long name, under that name, and the values that fit found. */
static json_t *json_recipe(const dp_recipe *r)
{
    json_t *recipe = json_object();
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *option = dp_option_at(i);
        if (!option->alias || !strcmp(option->key, "method"))
            continue;
        char *name = g_strdelimit(g_strdup(!strcmp(option->key, "size") ? "short_side" : option->alias), "-", '_');
        cli_json_set(recipe, name, json_option(r, option));
        g_free(name);
    }
    cli_json_set(recipe, "sample_white", json_integer((json_int_t)r->sample_white));
    cli_json_set(recipe, "roi", json_string(r->roi == DP_ROI_FIXED ? "fixed" : r->roi ? "object" : "none"));
    return recipe;
}

/* Of each picture with rows that do not answer, how many of how many, and where. */
static json_t *json_quarantine(const dp_bank *bank, size_t n_pictures)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n_pictures; i++) {
        size_t n, all;
        dp_box box;
        dp_bank_quarantined(bank, i, &n, &all, &box);
        if (n)
            cli_json_append(list,
                            cli_json_pack("{s:o, s:I, s:I, s:o}", "name", cli_json_text(dp_bank_picture_name(bank, i)),
                                          "rows", (json_int_t)n, "of", (json_int_t)all, "place",
                                          isnan(box.x0_px) ? json_null() : cli_box_json(&box)));
    }
    return list;
}

/* Of each picture of which only a part was added, that part. */
static json_t *json_regions(const dp_bank *bank, size_t n_pictures)
{
    json_t *list = json_array();
    dp_box box;
    for (size_t i = 0; i < n_pictures; i++)
        if (dp_bank_region(bank, i, &box))
            cli_json_append(list, cli_json_pack("{s:o, s:o}", "name", cli_json_text(dp_bank_picture_name(bank, i)),
                                                "place", cli_box_json(&box)));
    return list;
}

static void print_regions(const dp_bank *bank, size_t n_pictures)
{
    dp_box box;
    for (size_t i = 0, first = 1; i < n_pictures; i++) {
        if (!dp_bank_region(bank, i, &box))
            continue;
        printf("%sonly %g,%g,%gx%g of %s\n", first ? "  added       " : "              ", box.x0_px, box.y0_px,
               box.x1_px - box.x0_px, box.y1_px - box.y0_px, cli_shown(dp_bank_picture_name(bank, i)));
        first = 0;
    }
}

static void print_quarantine(const dp_bank *bank, size_t n_pictures)
{
    for (size_t i = 0, first = 1; i < n_pictures; i++) {
        size_t n, all;
        dp_box box;
        dp_bank_quarantined(bank, i, &n, &all, &box);
        if (!n)
            continue;
        printf("%s%zu of %zu rows of %s", first ? "  quarantine  " : "              ", n, all,
               cli_shown(dp_bank_picture_name(bank, i)));
        if (!isnan(box.x0_px))
            printf(", within %.0f,%.0f,%.0fx%.0f", fmax(box.x0_px, 0), fmax(box.y0_px, 0), box.x1_px - box.x0_px,
                   box.y1_px - box.y0_px);
        printf("\n");
        first = 0;
    }
}

static json_t *json_info(const dp_bank *bank, const dp_bank_details *info, const cli_rates *rates)
{
    const dp_recipe *r = &info->recipe;
    json_t *recipe = json_recipe(r);
    json_t *pictures = json_array();
    for (size_t i = 0; i < info->n_pictures; i++) {
        const char *name = dp_bank_picture_name(bank, i);
        json_t *picture = cli_json_pack("{s:o, s:o}", "name", cli_json_text(name), "leave_one_out",
                                        cli_json_real(dp_bank_picture_score(bank, i)));
        cli_json_bytes(picture, "name", name);
        cli_json_set(picture, "digest", json_digest(dp_bank_picture_digest(bank, i)));
        cli_json_append(pictures, picture);
    }
    json_t *all = cli_json_pack("{s:[I,I,I], s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o}",
                                "grid", (json_int_t)info->grid_rows, (json_int_t)info->grid_cols, (json_int_t)info->dim,
                                "n_pictures", (json_int_t)info->n_pictures, "n_rows", (json_int_t)info->n_rows,
                                "patch_px", (json_int_t)info->patch_px, "bytes", (json_int_t)info->file_bytes,
                                "feature_bytes", (json_int_t)info->feature_bytes, "threshold",
                                cli_json_real(info->threshold), "cell_threshold", cli_json_real(info->cell_threshold),
                                "threshold_origin", json_origin(info), "model_path", cli_json_text(info->model_path),
                                "model_sha256", info->model_sha256, "model_stand_in", info->model_stand_in, "recipe",
                                recipe, "distance_scales", json_scales(bank, r), "pictures", pictures);
    cli_json_set(all, "model_licence", *info->model_licence ? cli_json_text(info->model_licence) : json_null());
    cli_json_set(all, "n_scored", json_integer((json_int_t)info->n_scored));
    cli_json_set(all, "quarantine", json_quarantine(bank, info->n_pictures));
    cli_json_set(all, "regions", json_regions(bank, info->n_pictures));
    cli_json_set(all, "good_range", json_range(&info->range));
    cli_json_set(all, "choices", json_choices(bank));
    cli_json_set(all, "rates", cli_rates_json(rates));
    cli_json_set(all, "drift", cli_json_real(info->drift));
    return all;
}

static void print_range(const dp_good_range *range)
{
    if (range->max_width_px && range->min_width_px == range->max_width_px
        && range->min_height_px == range->max_height_px)
        printf("  size        %zu x %zu pixels (width x height)\n", range->min_width_px, range->min_height_px);
    else if (range->max_width_px)
        printf("  size        %zu to %zu x %zu to %zu pixels (width x height), aspect ratio %.3f to %.3f\n",
               range->min_width_px, range->max_width_px, range->min_height_px, range->max_height_px, range->min_ratio,
               range->max_ratio);
    if (isnan(range->bright.low))
        printf("  light       not kept: this bank cannot tell frames that are too dark or too bright\n");
    else
        printf("  light       darkest parts %.1f to %.1f, brightest %.1f to %.1f, fine contrast %.1f to %.1f of 255\n",
               range->dark.low, range->dark.high, range->bright.low, range->bright.high, range->fine.low,
               range->fine.high);
}

static void print_distance(const dp_recipe *r)
{
    printf("  distance    %s, window ", dp_option_choice("search.metric", (int)r->metric));
    if (r->layout == DP_LAYOUT_FLAT || r->window == DP_WINDOW_GLOBAL)
        printf("global");
    else
        printf("%zu", r->window);
    printf(", nearest %zu", r->knn);
    if (r->blend > 0)
        printf(", blended with %g of the global distance", r->blend);
}

static bool print_info(const dp_bank *bank, const char *path, const dp_bank_details *info, const cli_rates *rates,
                       int *code)
{
    const dp_recipe *r = &info->recipe;
    printf("%s\n", cli_shown(path));
    bool flat = r->layout == DP_LAYOUT_FLAT;
    const bool moments = r->layout == DP_LAYOUT_MOMENTS;
    printf("  pictures    %zu", info->n_pictures);
    if (moments)
        printf(" (%s, their features %s)", dp_option_choice("moments", (int)r->moments),
               r->keep_features ? "kept" : "not kept");
    else if (!flat)
        printf(" (%s at each place)", cli_count(info->n_rows, "row"));
    if (flat)
        printf("\n  flat        %s", cli_count(info->n_rows, "row"));
    else
        printf("\n  grid        %zu x %zu cells", info->grid_rows, info->grid_cols);
    printf(" of %s in %s, %.1f MB\n", cli_count(info->dim, "feature"),
           dp_option_choice("bank.storage", (int)r->storage), (double)info->file_bytes / 1e6);
    if (info->dim_in != info->dim)
        printf("  projected   from %zu features on their principal components (--pca %g)\n", info->dim_in, r->pca);
    if (r->kmeans)
        printf("  k-means     %s at each place, seed %zu\n", cli_count(r->kmeans, "centre"), r->seed);
    if (r->coreset > 0)
        printf("  coreset     %g%s, seed %zu\n", r->coreset, r->coreset < 1 ? " of the rows" : " rows", r->seed);
    if (r->thin > 0)
        printf("  thinned     to %g%s, seed %zu\n", r->thin, r->thin < 1 ? " of the rows" : " rows", r->seed);
    if (r->shots)
        printf("  shots       %zu%s\n", r->shots, r->seed ? ", drawn" : ", the first by name");
    if (r->crop_px)
        printf("  canvas      %zu x %zu pixels in the middle of the picture, resized to a smaller side of %zu; "
               "rotations %zu\n",
               r->crop_px, r->crop_px, r->edge_px, r->rotations);
    else if (r->edge_px)
        printf("  canvas      each picture's own, its smaller side %zu pixels; rotations %zu\n", r->edge_px,
               r->rotations);
    else
        printf("  canvas      %zu x %zu pixels, fill %.3f, align %s, polarity %s\n", r->canvas_height_px,
               r->canvas_width_px, r->fill, dp_option_choice("align", (int)r->align),
               dp_option_choice("align.polarity", (int)r->polarity));
    if (r->tile_px)
        printf("  tiles       of %zu pixels\n", r->tile_px);
    print_regions(bank, info->n_pictures);
    print_quarantine(bank, info->n_pictures);
    print_range(&info->range);
    if (r->sample_white)
        printf("  depth       16-bit files hold %zu significant bits (white is %zu)\n",
               significant_bits(r->sample_white), r->sample_white);
    printf("  features    block");
    for (size_t i = 0; i < r->n_layers; i++)
        printf("%s%zu", i ? ", " : " ", r->layers[i]);
    if (r->layer_norm)
        printf(r->layer_norm == DP_LAYER_NORM_RAW ? ", %s" : ", normalised (%s)",
               dp_option_choice("layers.norm", (int)r->layer_norm));
    if (r->channels)
        printf(", %zu numbers of a cell (seed %zu)", info->dim_in, r->seed);
    if (r->neighbourhood > 1)
        printf(", mean over %zux%zu cells", r->neighbourhood, r->neighbourhood);
    printf("%s%s, %s\n", r->n_layers > 1 ? ", " : "",
           r->n_layers > 1 ? dp_option_choice("layers.mix", (int)r->layer_mix) : "",
           dp_option_choice("precision", (int)r->precision));
    if (moments)
        printf("  distance    %s", r->moments == DP_MOMENTS_GAUSSIAN
                                       ? "Mahalanobis, by the mean and the covariance of each cell"
                                       : "what the leading components of the good features leave over");
    else
        print_distance(r);
    printf("%s", r->mirror ? ", mirror pictures included" : "");
    if (r->brightness > 0)
        printf(", each picture also in another brightness (%g to %g)", 1 - r->brightness, 1 + r->brightness);
    printf("\n");
    cli_order_print(r, info->n_pictures, "  ");
    if (r->roi)
        printf("  region      inspected only in a part, %s\n",
               r->roi == DP_ROI_FIXED ? "the same pixels of every picture" : "which follows the object");
    if (r->background)
        printf("  background  masked in %s, threshold %g, rule %s\n",
               r->background == DP_BACKGROUND_TEST   ? "pictures inspected"
               : r->background == DP_BACKGROUND_BOTH ? "all pictures"
                                                     : "good pictures",
               r->background_threshold, dp_option_choice("background.rule", (int)r->background_rule));
    char *map = cli_option_text(r, "map");
    if (strcmp(map, "none") != 0)
        printf("  map         %s\n", map);
    if (r->map_sigma_px > 0)
        printf("  smoothed    in the picture, Gaussian of sigma %g pixels\n", r->map_sigma_px);
    g_free(map);
    printf("  score       %s", dp_option_choice("score", (int)r->score));
    if (r->reweight)
        printf(", weighted by %s", cli_count(r->reweight, "neighbour"));
    printf(", threshold ");
    if (isnan(info->threshold))
        printf("none\n");
    else
        print_threshold(info);
    if (isnan(info->cell_threshold))
        printf("  cells       no threshold\n");
    else
        printf("  cells       threshold %.6g: boxes, contour and area (the largest distance in a picture's map, at the "
               "same rate)\n",
               info->cell_threshold);
    if (!isnan(info->threshold))
        cli_rates_print_few(rates->n_scores, info->recipe.fpr, "              ");
    cli_rates_print(rates, "  ");
    if (!isnan(info->drift))
        printf("  drift       %.3f: scores without the fifth by name that a picture belongs to, by scores without "
               "itself\n",
               info->drift);
    cli_drift_print(info->drift, "  ");
    if (!isnan(info->threshold) && !cli_suspects_print(bank, path, 3, false, code))
        return false;
    printf("  checkpoint  %s%s\n              SHA-256 %s\n", cli_shown(info->model_path),
           info->model_stand_in ? " (a stand-in)" : "", info->model_sha256);
    if (*info->model_licence)
        printf("  licence     %s\n", cli_shown(info->model_licence));
    return true;
}

/* The leave-one-out scores without the bank's order statistics; NULL: *code, complained.  g_free. */
static double *plain_scores(const dp_bank *bank, size_t n_pictures, int *code)
{
    dp_bank_details info;
    dp_view view;
    dp_error err;
    dp_good good = {.scores = g_new(double, n_pictures), .peaks = g_new(double, n_pictures)};
    dp_bank_get_details(bank, &info);
    dp_view_init(bank, &view);
    view.order = 0;
    if (dp_bank_calibrate(bank, &view, info.recipe.fpr, NULL, &good, &err)) {
        *code = cli_failed(&err);
        g_free(good.scores);
        good.scores = NULL;
    }
    g_free(good.peaks);
    return good.scores;
}

/* Prints the n pictures that differ most from the others, the most different one first; with order statistics also their
 * plain scores. False: complained. */
static bool print_suspects(const dp_bank *bank, size_t n_pictures, size_t n, bool json, int *code)
{
    size_t *pictures = g_new(size_t, n_pictures);
    double *z = g_new(double, n_pictures);
    dp_error err;
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    const bool ordered = info.recipe.order > 0;
    bool good = dp_bank_suspects(bank, pictures, z, &err) == DP_OK;
    if (!good)
        *code = cli_failed(&err);
    double *plain = good && ordered ? plain_scores(bank, n_pictures, code) : NULL;
    good = good && (plain || !ordered);
    json_t *list = json ? json_array() : NULL;
    for (size_t i = 0; good && i < n && i < n_pictures; i++) {
        const char *name = dp_bank_picture_name(bank, pictures[i]);
        double score = dp_bank_picture_score(bank, pictures[i]);
        if (json) {
            json_t *line = cli_json_pack("{s:o, s:o, s:o}", "name", cli_json_text(name), "leave_one_out",
                                         cli_json_real(score), "robust_z", cli_json_real(z[i]));
            if (plain)
                cli_json_set(line, "plain_leave_one_out", cli_json_real(plain[pictures[i]]));
            cli_json_append(list, line);
        } else if (plain)
            printf("  %3zu  %8.4f  %+8.1f  %8.4f without order statistics  %s%s\n", i + 1, score, z[i],
                   plain[pictures[i]], cli_shown(name), z[i] > CLI_OUTLIER ? "  <- look at it" : "");
        else if (isnan(score))
            printf("  %3zu         -         -  %s\n", i + 1, cli_shown(name));
        else
            printf("  %3zu  %8.4f  %+8.1f  %s%s\n", i + 1, score, z[i], cli_shown(name),
                   z[i] > CLI_OUTLIER ? "  <- look at it" : "");
    }
    if (json && good && !cli_json_print(list)) {
        good = false;
        *code = EXIT_JOB_FAILED;
    }
    g_free(plain);
    g_free(pictures);
    g_free(z);
    return good;
}

static bool print_learning(const dp_bank *bank, const dp_run *run, bool json, int *code)
{
    dp_learning_curve curve;
    dp_error err;
    cli_progress_begin("learning curve", false);
    dp_status status = dp_bank_learning_curve(bank, run, &curve, &err);
    cli_progress_end();
    if (status) {
        *code = cli_failed(&err);
        return false;
    }
    if (!json)
        cli_learning_print(&curve);
    return !json || cli_json_print(cli_learning_json(&curve));
}

static int bank_info(int argc, char **argv)
{
    gboolean json = FALSE, learning = FALSE;
    dp_run run;
    cli_number suspects = {.value = 10};
    const cli_option entries[] = {
        {"suspects", 0, CLI_LONE, CLI_WHOLE, &suspects,
         "list the N pictures (default 10) that differ most from the others: look for bad ones", "N", 1, 1e9},
        {"learning-curve", 0, 0, CLI_FLAG, &learning,
         "show the scores that fewer pictures would have given: would more pictures help?", NULL},
        {"json", 0, 0, CLI_FLAG, &json, "one JSON line on stdout", NULL},
        CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "[--json] [--suspects [N] | --learning-curve] BANK",
                   "Prints what a bank holds.", NULL, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one bank");
    if (learning && suspects.given)
        return cli_usage("give --suspects or --learning-curve, not both");
    const char *path = argv[1];
    dp_bank *bank = NULL;
    dp_error err;
    if (dp_bank_open(path, &bank, &err))
        return cli_failed(&err);
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    cli_rates rates;
    bool good = true;
    code = EXIT_JOB_FAILED;
    dp_run_init(&run);
    run.progress = cli_progress;
    if (learning)
        good = print_learning(bank, &run, json, &code);
    else if (suspects.given)
        good = print_suspects(bank, info.n_pictures, (size_t)suspects.value, json, &code);
    else if (!cli_rates_of_bank(bank, &rates, &code))
        good = false;
    else if (json)
        good = cli_json_print(json_info(bank, &info, &rates));
    else {
        good = print_info(bank, path, &info, &rates, &code);
        print_choices(bank);
    }
    if (good)
        code = EXIT_DONE;
    dp_bank_close(&bank);
    return code;
}

static int bank_verify(int argc, char **argv)
{
    const cli_option entries[] = {CLI_OPTION_END};
    int code;
    if (!cli_parse(&argc, &argv, entries, NULL, "BANK", "Reads every byte of a bank and checks it.", NULL, &code))
        return code;
    if (argc != 2)
        return cli_usage("give one bank");
    dp_error err;
    dp_status status = dp_bank_verify_file(argv[1], &err);
    if (status)
        return cli_failed(&err);
    printf("%s: whole\n", cli_shown(argv[1]));
    return EXIT_DONE;
}

int cmd_bank(int argc, char **argv)
{
    static const cli_verb verbs[] = {
        {"info", bank_info, "info BANK",
         "says what a bank holds; --suspects: which pictures may be bad; --learning-curve: whether more would help"},
        {"verify", bank_verify, "verify BANK", "reads every byte and checks it"},
        {"compress", cli_bank_compress, "compress BANK --out OUT",
         "makes a bank smaller: --pca, --kmeans, --coreset, --storage"},
        {"add", cli_bank_add, "add --bank B PICTURES", "adds pictures of good parts"},
        {"remove", cli_bank_remove, "remove --bank B NAME...", "takes pictures out"},
        {"merge", cli_bank_merge, "merge A B --out OUT", "makes one bank of two, or of the shards of a fit"},
        {"split", cli_bank_split, "split --shares N --out PREFIX BANK",
         "writes its rows as N files, for several processes"},
        {"quarantine", cli_bank_quarantine, "quarantine --bank B PICTURE",
         "takes the rows that excused a missed defect out of the search"},
        {"release", cli_bank_release, "release --bank B [NAME...]",
         "lets rows in quarantine take part in the search again"},
    };
    return cli_run_verb(argc, argv, verbs, G_N_ELEMENTS(verbs));
}
