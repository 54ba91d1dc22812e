/* recipe.c - from option texts to a dp_recipe. */
#include "recipe.h"

#include <math.h>
#include <string.h>

GOptionEntry *cli_recipe_entries(cli_recipe *o, unsigned parts, const GOptionEntry *own)
{
    *o = (cli_recipe){.fill = NAN, .fpr = NAN, .blur = -1, .knn = -1, .pca = NAN, .kmeans = -1, .shots = -1, .seed = -1, .edge = -1, .crop = -1, .rotations = -1, .map_sigma = NAN,
                       .neighbourhood = -1, .coreset = NAN, .reweight = -1, .blend = NAN, .background_threshold = NAN};
    const struct {
        unsigned part;
        GOptionEntry entry;
    } known[] = {
        {CLI_RECIPE_ALIGN, {"canvas", 0, 0, G_OPTION_ARG_STRING, &o->canvas,
                            "aligned picture: HxW in multiples of the patch, or auto (auto:W for another width)", "784x784"}},
        {CLI_RECIPE_BANK, {"method", 0, 0, G_OPTION_ARG_STRING, &o->method,
                           "settings of a published method, before all other options", "dinopatch|anomalydino|patchcore"}},
        {CLI_RECIPE_BANK, {"edge", 0, 0, G_OPTION_ARG_INT, &o->edge,
                           "resize the smaller side of each picture to N pixels, crop to whole patches; needs --align none, and --layout pool or --crop",
                           "N"}},
        {CLI_RECIPE_BANK, {"crop", 0, 0, G_OPTION_ARG_INT, &o->crop,
                           "with --edge: look at the square of N pixels in the middle of the resized picture only", "N"}},
        {CLI_RECIPE_BANK, {"rotations", 0, 0, G_OPTION_ARG_INT, &o->rotations,
                           "8: each good picture also enters turned by 45, 90, ... degrees (default 1)", "1|8"}},
        {CLI_RECIPE_BANK, {"map-sigma", 0, 0, G_OPTION_ARG_DOUBLE, &o->map_sigma,
                           "smooth the map in the picture with a Gaussian (default 0: not)", "PIXELS"}},
        {CLI_RECIPE_ALIGN, {"align", 0, 0, G_OPTION_ARG_STRING, &o->align,
                            "pca: find the object; none: textures and fixtures", "pca|none"}},
        {CLI_RECIPE_ALIGN, {"fill", 0, 0, G_OPTION_ARG_DOUBLE, &o->fill,
                            "share of the canvas width that a straight rod fills (default 0.866)", "F"}},
        {CLI_RECIPE_ALIGN, {"blur", 0, 0, G_OPTION_ARG_INT, &o->blur, "side of the Gaussian kernel in pixels (default 5)", "N"}},
        {CLI_RECIPE_ALIGN, {"canny", 0, 0, G_OPTION_ARG_STRING, &o->canny,
                            "thresholds on the gradient (default 50,150), or auto: from the median", "LOW,HIGH|auto"}},
        {CLI_RECIPE_EMBED, {"polarity", 0, 0, G_OPTION_ARG_STRING, &o->polarity,
                            "how the last half turn is settled: mirror the grid, rotate the picture, or not at all",
                            "mirror|rotate|none"}},
        {CLI_RECIPE_EMBED, {"layers", 0, 0, G_OPTION_ARG_STRING, &o->layers,
                            "blocks whose output is used, counted from 0, negative from the end (default -1)", "I,J,..."}},
        {CLI_RECIPE_EMBED, {"layer-mix", 0, 0, G_OPTION_ARG_STRING, &o->layer_mix, "several blocks: average, concatenate, or a distance for each",
                            "mean|concat|separate"}},
        {CLI_RECIPE_EMBED, {"precision", 0, 0, G_OPTION_ARG_STRING, &o->precision, "arithmetic of the transformer", "fp32|int8"}},
        {CLI_RECIPE_BANK, {"layout", 0, 0, G_OPTION_ARG_STRING, &o->layout,
                           "features kept per place, or of all places in one list that is searched as a whole", "grid|pool"}},
        {CLI_RECIPE_BANK, {"storage", 0, 0, G_OPTION_ARG_STRING, &o->storage, "in what the bank keeps its features", "f32|f16|int8"}},
        {CLI_RECIPE_BANK, {"pca", 0, 0, G_OPTION_ARG_DOUBLE, &o->pca,
                           "project on principal components: a share of the variance to keep (0.99), or their number", "P"}},
        {CLI_RECIPE_BANK, {"kmeans", 0, 0, G_OPTION_ARG_INT, &o->kmeans, "keep K centres of the features of each place", "K"}},
        {CLI_RECIPE_BANK, {"shots", 0, 0, G_OPTION_ARG_INT, &o->shots, "learn from N of the pictures: the first by name", "N"}},
        {CLI_RECIPE_BANK, {"seed", 0, 0, G_OPTION_ARG_INT64, &o->seed,
                           "draw the shots with this seed instead; also of k-means and coreset", "S"}},
        {CLI_RECIPE_BANK, {"neighbourhood", 0, 0, G_OPTION_ARG_INT, &o->neighbourhood,
                           "3: the features of each cell become the mean over 3x3 cells (default 1)", "1|3"}},
        {CLI_RECIPE_BANK, {"coreset", 0, 0, G_OPTION_ARG_DOUBLE, &o->coreset,
                           "keep the rows of a pool that cover it best: a share of them (0.1), or their number; 0: all", "F|N"}},
        {CLI_RECIPE_BANK, {"reweight", 0, 0, G_OPTION_ARG_INT, &o->reweight,
                           "weight the largest distance by N neighbours of its nearest row (PatchCore: 9); needs --layout pool --score max",
                           "N"}},
        {CLI_RECIPE_BANK, {"background", 0, 0, G_OPTION_ARG_STRING, &o->background,
                           "mask the background of the pictures inspected, of the good ones, or of both", "none|test|reference|both"}},
        {CLI_RECIPE_BANK, {"background-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o->background_threshold,
                           "object is what passes it on the first principal component of a picture's features (default 10)", "T"}},
        {CLI_RECIPE_BANK, {"background-rule", 0, 0, G_OPTION_ARG_STRING, &o->background_rule,
                           "smooth the mask over 3x3 cells and do not score what is masked, or as AnomalyDINO's code does", "cells|list"}},
        {CLI_RECIPE_BANK, {"mirror", 0, 0, G_OPTION_ARG_NONE, &o->mirror,
                           "each good picture also enters mirrored (for parts symmetric about their axis)", NULL}},
        {CLI_RECIPE_BANK, {"fpr", 0, 0, G_OPTION_ARG_DOUBLE, &o->fpr,
                           "false-alarm rate the threshold aims at (default 0.01)", "RATE"}},
        {CLI_RECIPE_SCORE, {"window", 0, 0, G_OPTION_ARG_STRING, &o->window,
                            "cells to each side that are searched: 0 = same place only", "R|global"}},
        {CLI_RECIPE_SCORE, {"blend", 0, 0, G_OPTION_ARG_DOUBLE, &o->blend,
                            "share of the distance to all places beside that within the window (default 0: none)", "A"}},
        {CLI_RECIPE_SCORE, {"metric", 0, 0, G_OPTION_ARG_STRING, &o->metric, "distance of two feature vectors", "l2|cosine"}},
        {CLI_RECIPE_SCORE, {"knn", 0, 0, G_OPTION_ARG_INT, &o->knn, "average over the K nearest (default 1)", "K"}},
        {CLI_RECIPE_SCORE, {"map", 0, 0, G_OPTION_ARG_STRING, &o->map,
                            "post-processing of the distance map before it is scored, or none: low=, high=, min-object=, "
                            "max-hole=, reading=hysteresis|band|clip, unit=cells|pixels, gaussian=, median=",
                            "KEY=VALUE,..."}},
        {CLI_RECIPE_SCORE, {"score", 0, 0, G_OPTION_ARG_STRING, &o->score, "from the distance map to one figure",
                            "max|mean|p99|top1p"}},
    };
    size_t n_known = sizeof known / sizeof *known, n_own = 0, n = 0;
    while (own && own[n_own].long_name)
        n_own++;
    GOptionEntry *entries = g_new0(GOptionEntry, n_own + n_known + 1);
    for (size_t i = 0; i < n_own; i++)
        entries[n++] = own[i];
    for (size_t i = 0; i < n_known; i++)
        if (known[i].part & parts)
            entries[n++] = known[i].entry;
    return entries;
}

static bool choose(const char *option, const char *text, const char *const *names, int *value, int *code)
{
    if (!text)
        return true;
    int i = cli_choice(text, names);
    if (i < 0) {
        char *list = g_strjoinv(", ", (char **)names);
        *code = cli_usage("--%s %s: one of %s", option, text, list);
        g_free(list);
        return false;
    }
    *value = i;
    return true;
}

static bool parse_layers(const char *text, dp_recipe *recipe, int *code)
{
    char **parts = g_strsplit(text, ",", -1);
    bool good = true;
    recipe->n_layers = 0;
    for (size_t i = 0; good && parts[i]; i++) {
        char *end;
        gint64 value = g_ascii_strtoll(parts[i], &end, 10);
        good = end != parts[i] && !*end && value > -1000 && value < 1000 && recipe->n_layers < DP_MAX_LAYERS;
        if (good)
            recipe->layers[recipe->n_layers++] = (size_t)value; /* negative ones are settled once the depth is known */
    }
    g_strfreev(parts);
    if (!good || !recipe->n_layers) {
        *code = cli_usage("--layers %s: at most %d block numbers with commas between them", text, DP_MAX_LAYERS);
        return false;
    }
    return true;
}

static bool parse_canny(const char *text, dp_recipe *recipe, int *code)
{
    if (!strcmp(text, "auto")) {
        recipe->canny_auto = 1;
        return true;
    }
    char *end;
    double low = g_ascii_strtod(text, &end), high = 0;
    bool good = end != text && *end == ',';
    if (good) {
        const char *second = end + 1;
        high = g_ascii_strtod(second, &end);
        good = end != second && !*end && low >= 0 && high >= low;
    }
    if (!good) {
        *code = cli_usage("--canny %s: LOW,HIGH with 0 <= LOW <= HIGH, or auto", text);
        return false;
    }
    recipe->canny_low = low;
    recipe->canny_high = high;
    recipe->canny_auto = 0;
    return true;
}

bool cli_pca_is_good(double pca)
{
    return (pca > 0 && pca < 1) || (pca >= 1 && pca <= 1e6 && pca == floor(pca));
}

static bool parse_number(const char *text, double least, double most, bool whole, double *value)
{
    char *end;
    double number = g_ascii_strtod(text, &end);
    if (end == text || *end || !(number >= least && number <= most) || (whole && number != floor(number)))
        return false;
    *value = number;
    return true;
}

/* One KEY=VALUE of --map. */
static bool parse_map_entry(const char *key, const char *value, dp_post *post)
{
    double number;
    int choice;
    if (!strcmp(key, "reading") && (choice = cli_choice(value, cli_reading_names)) >= 0)
        post->reading = (dp_reading)choice;
    else if (!strcmp(key, "unit") && (choice = cli_choice(value, cli_unit_names)) >= 0)
        post->unit = (dp_unit)choice;
    else if (!strcmp(key, "low") && parse_number(value, 0, 1e30, false, &number))
        post->low = number;
    else if (!strcmp(key, "high") && parse_number(value, 0, 1e30, false, &number))
        post->high = number;
    else if (!strcmp(key, "min-object") && parse_number(value, 0, 1e12, true, &number))
        post->min_object = (size_t)number;
    else if (!strcmp(key, "max-hole") && parse_number(value, 0, 1e12, true, &number))
        post->max_hole = (size_t)number;
    else if (!strcmp(key, "gaussian") && parse_number(value, 0, 64, false, &number))
        post->gaussian = number;
    else if (!strcmp(key, "median") && parse_number(value, 0, 31, true, &number) && (number < 1 || fmod(number, 2) == 1))
        post->median = (size_t)number;
    else
        return false;
    return true;
}

/* What is not named is off. */
static bool parse_map(const char *text, dp_post *post, int *code)
{
    dp_post parsed;
    dp_post_init(&parsed);
    if (!strcmp(text, "none")) {
        *post = parsed;
        return true;
    }
    char **entries = g_strsplit(text, ",", -1);
    bool good = true;
    for (size_t i = 0; good && entries[i]; i++) {
        char *equals = strchr(entries[i], '=');
        if (equals)
            *equals = '\0';
        good = equals && parse_map_entry(entries[i], equals + 1, &parsed);
        if (!good)
            *code = cli_usage("--map %s: '%s%s%s' is none of reading=hysteresis|band|clip, low=D, high=D, min-object=N, max-hole=N, "
                              "unit=cells|pixels, gaussian=SIGMA, median=ODD",
                              text, entries[i], equals ? "=" : "", equals ? equals + 1 : "");
    }
    if (good && parsed.high > 0 && parsed.high < parsed.low) {
        *code = cli_usage("--map %s: high lies below low", text);
        good = false;
    }
    g_strfreev(entries);
    if (good)
        *post = parsed;
    return good;
}

/* KEY=VALUE with the fewest digits that give the value back. */
static void append_real(GString *text, const char *key, double value)
{
    char digits[32];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (g_ascii_strtod(digits, NULL) == value)
            break;
    }
    g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key, digits);
}

char *cli_map_text(const dp_post *post)
{
    GString *text = g_string_new(NULL);
    if (post->low > 0 || post->high > 0)
        g_string_append_printf(text, "reading=%s", cli_reading_names[post->reading]);
    if (post->low > 0)
        append_real(text, "low", post->low);
    if (post->high > 0)
        append_real(text, "high", post->high);
    if (text->len && post->min_object > 1)
        append_real(text, "min-object", (double)post->min_object);
    if (text->len && post->max_hole)
        append_real(text, "max-hole", (double)post->max_hole);
    if (text->len && (post->min_object > 1 || post->max_hole))
        g_string_append_printf(text, ",unit=%s", cli_unit_names[post->unit]);
    if (post->gaussian > 0)
        append_real(text, "gaussian", post->gaussian);
    if (post->median > 1)
        append_real(text, "median", (double)post->median);
    return text->len ? g_string_free(text, FALSE) : (g_string_free(text, TRUE), g_strdup("none"));
}

bool cli_recipe_resolve(const cli_recipe *o, dp_recipe *recipe, int *code)
{
    static const char *const methods[] = {"dinopatch", "anomalydino", "patchcore", NULL};
    int method = 0;
    if (!choose("method", o->method, methods, &method, code))
        return false;
    if (o->method)
        dp_recipe_preset(recipe, (dp_method)method);
    int align = (int)recipe->align, polarity = (int)recipe->polarity, mix = (int)recipe->layer_mix;
    int precision = (int)recipe->precision, metric = (int)recipe->metric, score = (int)recipe->score;
    int layout = (int)recipe->layout, storage = (int)recipe->storage;
    int background = (int)recipe->background, rule = (int)recipe->background_rule;
    if (!choose("align", o->align, cli_align_names, &align, code)
        || !choose("polarity", o->polarity, cli_polarity_names, &polarity, code)
        || !choose("layer-mix", o->layer_mix, cli_layer_mix_names, &mix, code)
        || !choose("precision", o->precision, cli_precision_names, &precision, code)
        || !choose("metric", o->metric, cli_metric_names, &metric, code)
        || !choose("score", o->score, cli_score_names, &score, code)
        || !choose("layout", o->layout, cli_layout_names, &layout, code)
        || !choose("storage", o->storage, cli_storage_names, &storage, code)
        || !choose("background", o->background, cli_background_names, &background, code)
        || !choose("background-rule", o->background_rule, cli_background_rule_names, &rule, code))
        return false;
    recipe->align = (dp_align)align;
    recipe->polarity = (dp_polarity)polarity;
    recipe->layer_mix = (dp_layer_mix)mix;
    recipe->precision = (dp_precision)precision;
    recipe->metric = (dp_metric)metric;
    recipe->score = (dp_score)score;
    recipe->layout = (dp_layout)layout;
    recipe->storage = (dp_storage)storage;
    recipe->background = (dp_background)background;
    recipe->background_rule = (dp_background_rule)rule;

    if (o->canvas && !cli_parse_canvas(o->canvas, &recipe->canvas_height_px, &recipe->canvas_width_px)) {
        *code = cli_usage("--canvas %s: HEIGHTxWIDTH, auto, or auto:WIDTH", o->canvas);
        return false;
    }
    if (o->canvas)
        recipe->edge_px = recipe->crop_px = 0;
    if (o->edge != -1) {
        if (o->edge < 1 || o->edge > 20000 || o->canvas) {
            *code = o->canvas ? cli_usage("--edge and --canvas: one or the other") : cli_usage("--edge %d: from 1 to 20000", o->edge);
            return false;
        }
        recipe->edge_px = (size_t)o->edge;
        recipe->canvas_height_px = recipe->canvas_width_px = 0;
    }
    if (o->crop != -1) {
        if (o->crop < 0 || (o->crop && (!recipe->edge_px || (size_t)o->crop > recipe->edge_px || recipe->align != DP_ALIGN_NONE))) {
            *code = cli_usage("--crop %d: needs --align none and --edge, and is no larger than the edge", o->crop);
            return false;
        }
        recipe->crop_px = (size_t)o->crop;
    }
    if (recipe->edge_px && !recipe->crop_px && (recipe->align != DP_ALIGN_NONE || recipe->layout != DP_LAYOUT_POOL)) {
        *code = cli_usage("--edge: pictures of their own sizes need --align none and --layout pool, or --crop");
        return false;
    }
    if (o->rotations != -1) {
        if (o->rotations != 1 && o->rotations != 8) {
            *code = cli_usage("--rotations %d: 1 or 8", o->rotations);
            return false;
        }
        recipe->rotations = (size_t)o->rotations;
    }
    if (recipe->rotations > 1 && recipe->align != DP_ALIGN_NONE) {
        *code = cli_usage("--rotations 8 needs --align none");
        return false;
    }
    if (!isnan(o->map_sigma)) {
        if (!(o->map_sigma >= 0 && o->map_sigma <= 64)) {
            *code = cli_usage("--map-sigma %g: between 0 and 64", o->map_sigma);
            return false;
        }
        recipe->map_sigma_px = o->map_sigma;
    }
    if (o->window && !cli_parse_window(o->window, &recipe->window)) {
        *code = cli_usage("--window %s: a number of cells, or global", o->window);
        return false;
    }
    if (o->map && !parse_map(o->map, &recipe->post, code))
        return false;
    if ((o->layers && !parse_layers(o->layers, recipe, code)) || (o->canny && !parse_canny(o->canny, recipe, code)))
        return false;
    if (!isnan(o->fill)) {
        if (!(o->fill >= 0.05 && o->fill <= 4)) {
            *code = cli_usage("--fill %g: between 0.05 and 4", o->fill);
            return false;
        }
        recipe->fill = o->fill;
    }
    if (!isnan(o->fpr)) {
        if (!(o->fpr > 0 && o->fpr < 1)) {
            *code = cli_usage("--fpr %g: between 0 and 1", o->fpr);
            return false;
        }
        recipe->fpr = o->fpr;
    }
    if (o->blur != -1) {
        if (o->blur < 1 || o->blur > 99 || o->blur % 2 == 0) {
            *code = cli_usage("--blur %d: an odd number from 1 to 99", o->blur);
            return false;
        }
        recipe->blur_px = (size_t)o->blur;
    }
    if (o->knn != -1) {
        if (o->knn < 1 || o->knn > 1000) {
            *code = cli_usage("--knn %d: from 1 to 1000", o->knn);
            return false;
        }
        recipe->knn = (size_t)o->knn;
    }
    if (!isnan(o->blend)) {
        if (!(o->blend >= 0 && o->blend <= 1)) {
            *code = cli_usage("--blend %g: between 0 and 1", o->blend);
            return false;
        }
        recipe->blend = o->blend;
    }
    if (isnan(o->blend) && (recipe->layout == DP_LAYOUT_POOL || recipe->window == DP_WINDOW_GLOBAL))
        recipe->blend = 0; /* a bank's, whose window was replaced */
    if (recipe->blend > 0 && (recipe->layout == DP_LAYOUT_POOL || recipe->window == DP_WINDOW_GLOBAL)) {
        *code = cli_usage("--blend needs --layout grid and a --window of cells: it lays the global distance beside the local one");
        return false;
    }
    if (!isnan(o->pca)) {
        if (!cli_pca_is_good(o->pca)) {
            *code = cli_usage("--pca %g: a share between 0 and 1, or a whole number", o->pca);
            return false;
        }
        recipe->pca = o->pca;
    }
    if (o->kmeans != -1) {
        if (o->kmeans < 1 || o->kmeans > 1000000) {
            *code = cli_usage("--kmeans %d: from 1 to 1000000", o->kmeans);
            return false;
        }
        recipe->kmeans = (size_t)o->kmeans;
    }
    if (recipe->kmeans && recipe->layout == DP_LAYOUT_POOL) {
        *code = cli_usage("--kmeans is done at each place, and with --layout pool there are none");
        return false;
    }
    if (o->neighbourhood != -1) {
        if (o->neighbourhood != 1 && o->neighbourhood != 3) {
            *code = cli_usage("--neighbourhood %d: 1 or 3", o->neighbourhood);
            return false;
        }
        recipe->neighbourhood = (size_t)o->neighbourhood;
    }
    if (!isnan(o->coreset)) {
        if (o->coreset != 0 && !cli_pca_is_good(o->coreset)) {
            *code = cli_usage("--coreset %g: a share between 0 and 1, or a whole number", o->coreset);
            return false;
        }
        recipe->coreset = o->coreset;
    }
    if (recipe->coreset > 0 && recipe->layout != DP_LAYOUT_POOL) {
        *code = cli_usage("--coreset needs --layout pool");
        return false;
    }
    if (!isnan(o->background_threshold)) {
        if (!(o->background_threshold >= 0 && o->background_threshold <= 1e9)) {
            *code = cli_usage("--background-threshold %g: between 0 and 1e9", o->background_threshold);
            return false;
        }
        recipe->background_threshold = o->background_threshold;
    }
    if (recipe->background == DP_BACKGROUND_REFERENCE && (o->background || o->method)
        && (recipe->layout != DP_LAYOUT_POOL || recipe->pca > 0)) {
        *code = cli_usage("--background reference needs --layout pool, and does not go with --pca; both and test go with all");
        return false;
    }
    if (o->reweight != -1) {
        if (o->reweight < 0 || o->reweight > 1000) {
            *code = cli_usage("--reweight %d: from 0 to 1000", o->reweight);
            return false;
        }
        recipe->reweight = (size_t)o->reweight;
    }
    if (o->reweight == -1 && recipe->score != DP_SCORE_MAX)
        recipe->reweight = 0; /* a preset's or a bank's, which belongs to max alone */
    if (recipe->layer_mix == DP_LAYERS_SEPARATE && (recipe->pca > 0 || recipe->reweight)) {
        *code = cli_usage("--layer-mix separate does not go with %s", recipe->pca > 0 ? "--pca" : "--reweight");
        return false;
    }
    if (recipe->reweight && (recipe->layout != DP_LAYOUT_POOL || recipe->score != DP_SCORE_MAX)) {
        *code = cli_usage("--reweight needs --layout pool and --score max");
        return false;
    }
    if (o->shots != -1) {
        if (o->shots < 1) {
            *code = cli_usage("--shots %d: at least 1", o->shots);
            return false;
        }
        recipe->shots = (size_t)o->shots;
    }
    if (o->seed != -1) {
        if (o->seed < 0 || o->seed > UINT32_MAX) {
            *code = cli_usage("--seed %" G_GINT64_FORMAT ": from 0 to %u", o->seed, UINT32_MAX);
            return false;
        }
        recipe->seed = (size_t)o->seed;
    }
    if (o->mirror)
        recipe->mirror = 1;
    /* What was named is meant as it is, also where it is what the preset says of another network. */
    if (o->canvas || o->edge != -1 || o->crop != -1 || o->align)
        recipe->preset &= ~(unsigned)DP_PRESET_CANVAS;
    if (o->layers || o->layer_mix)
        recipe->preset &= ~(unsigned)DP_PRESET_LAYERS;
    if (o->neighbourhood != -1)
        recipe->preset &= ~(unsigned)DP_PRESET_NEIGHBOURHOOD;
    return true;
}
