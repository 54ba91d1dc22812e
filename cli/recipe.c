/* recipe.c - from option texts to a dp_recipe. */
#include "recipe.h"

#include <math.h>
#include <string.h>

cli_option *cli_recipe_entries(cli_recipe *o, unsigned parts, const cli_option *own)
{
    *o = (cli_recipe){0};
    const struct {
        unsigned part;
        cli_option entry;
    } known[] = {
        {CLI_RECIPE_ALIGN, {"canvas", 0, 0, CLI_TEXT, &o->canvas,
                            "aligned picture: HxW in multiples of the patch, or auto (auto:W for another width); default 784x784", "HxW|auto[:W]"}},
        {CLI_RECIPE_BANK, {"method", 0, 0, CLI_TEXT, &o->method,
                           "settings of a published method, before all other options", "dinopatch|anomalydino|patchcore"}},
        {CLI_RECIPE_BANK, {"edge", 0, 0, CLI_WHOLE, &o->edge,
                           "resize the smaller side of each picture to N pixels, crop to whole patches; needs --align none, and --layout pool or --crop",
                           "N", 1, 20000}},
        {CLI_RECIPE_BANK, {"crop", 0, 0, CLI_WHOLE, &o->crop,
                           "with --edge: look at the square of N pixels in the middle of the resized picture only", "N", 0, 20000}},
        {CLI_RECIPE_BANK, {"rotations", 0, 0, CLI_WHOLE, &o->rotations,
                           "8: each good picture also enters turned by 45, 90, ... degrees (default 1)", "1|8", 1, 8}},
        {CLI_RECIPE_BANK, {"map-sigma", 0, 0, CLI_REAL, &o->map_sigma,
                           "smooth the map in the picture with a Gaussian (default 0: not)", "PIXELS", 0, 64}},
        {CLI_RECIPE_ALIGN, {"align", 0, 0, CLI_TEXT, &o->align,
                            "pca: find the object; none: textures and fixtures", "pca|none"}},
        {CLI_RECIPE_ALIGN, {"fill", 0, 0, CLI_REAL, &o->fill,
                            "share of the canvas width that a straight rod fills (default 0.866)", "F", 0.05, 4}},
        {CLI_RECIPE_ALIGN, {"blur", 0, CLI_ODD, CLI_WHOLE, &o->blur, "side of the Gaussian kernel in pixels (default 5)", "N", 1, 99}},
        {CLI_RECIPE_ALIGN, {"canny", 0, 0, CLI_TEXT, &o->canny,
                            "thresholds on the gradient (default 50,150), or auto: from the median", "LOW,HIGH|auto"}},
        {CLI_RECIPE_EMBED, {"polarity", 0, 0, CLI_TEXT, &o->polarity,
                            "how the last half turn is settled: mirror the grid, rotate the picture, or not at all",
                            "mirror|rotate|none"}},
        {CLI_RECIPE_EMBED, {"layers", 0, 0, CLI_TEXT, &o->layers,
                            "blocks whose output is used, counted from 0, negative from the end (default -1)", "I,J,..."}},
        {CLI_RECIPE_EMBED, {"layer-mix", 0, 0, CLI_TEXT, &o->layer_mix, "several blocks: average, concatenate, or a distance for each",
                            "mean|concat|separate"}},
        {CLI_RECIPE_EMBED, {"precision", 0, 0, CLI_TEXT, &o->precision, "arithmetic of the transformer", "fp32|int8"}},
        {CLI_RECIPE_BANK, {"layout", 0, 0, CLI_TEXT, &o->layout,
                           "features kept per place, or of all places in one list that is searched as a whole", "grid|pool"}},
        {CLI_RECIPE_BANK, {"storage", 0, 0, CLI_TEXT, &o->storage, "in what the bank keeps its features", "f32|f16|int8"}},
        {CLI_RECIPE_BANK, {"pca", 0, 0, CLI_SHARE, &o->pca,
                           "project on principal components: a share of the variance to keep (0.99), or their number", "P", 1, 1e6}},
        {CLI_RECIPE_BANK, {"kmeans", 0, 0, CLI_WHOLE, &o->kmeans, "keep K centres of the features of each place", "K", 1, 1e6}},
        {CLI_RECIPE_BANK, {"shots", 0, 0, CLI_WHOLE, &o->shots, "learn from N of the pictures: the first by name", "N", 1, 1e9}},
        {CLI_RECIPE_BANK, {"seed", 0, 0, CLI_WHOLE, &o->seed,
                           "draw the shots with this seed instead; also of k-means and coreset", "S", 0, UINT32_MAX}},
        {CLI_RECIPE_BANK, {"neighbourhood", 0, CLI_ODD, CLI_WHOLE, &o->neighbourhood,
                           "3: the features of each cell become the mean over 3x3 cells (default 1)", "1|3", 1, 3}},
        {CLI_RECIPE_BANK, {"coreset", 0, CLI_OR_ZERO, CLI_SHARE, &o->coreset,
                           "keep the rows of a pool that cover it best: a share of them (0.1), or their number; 0: all", "F|N", 1, 1e6}},
        {CLI_RECIPE_BANK, {"reweight", 0, 0, CLI_WHOLE, &o->reweight,
                           "weight the largest distance by N neighbours of its nearest row (PatchCore: 9); needs --layout pool --score max",
                           "N", 0, 1000}},
        {CLI_RECIPE_BANK, {"background", 0, 0, CLI_TEXT, &o->background,
                           "mask the background of the pictures inspected, of the good ones, or of both", "none|test|reference|both"}},
        {CLI_RECIPE_BANK, {"background-threshold", 0, 0, CLI_REAL, &o->background_threshold,
                           "object is what passes it on the first principal component of a picture's features (default 10)", "T", 0, 1e9}},
        {CLI_RECIPE_BANK, {"background-rule", 0, 0, CLI_TEXT, &o->background_rule,
                           "smooth the mask over 3x3 cells and do not score what is masked, or as AnomalyDINO's code does", "cells|list"}},
        {CLI_RECIPE_BANK, {"mirror", 0, 0, CLI_FLAG, &o->mirror,
                           "each good picture also enters mirrored (for parts symmetric about their axis)", NULL}},
        {CLI_RECIPE_BANK, {"fpr", 0, CLI_ABOVE | CLI_BELOW, CLI_REAL, &o->fpr,
                           "false-alarm rate the threshold aims at (default 0.01)", "RATE", 0, 1}},
        {CLI_RECIPE_SCORE, {"window", 0, 0, CLI_TEXT, &o->window,
                            "cells to each side that are searched: 0 = same place only", "R|global"}},
        {CLI_RECIPE_SCORE, {"blend", 0, 0, CLI_REAL, &o->blend,
                            "share of the distance to all places beside that within the window (default 0: none)", "A", 0, 1}},
        {CLI_RECIPE_SCORE, {"metric", 0, 0, CLI_TEXT, &o->metric, "distance of two feature vectors", "l2|cosine"}},
        {CLI_RECIPE_SCORE, {"knn", 0, 0, CLI_WHOLE, &o->knn, "average over the K nearest (default 1)", "K", 1, 1000}},
        {CLI_RECIPE_SCORE, {"map", 0, 0, CLI_TEXT, &o->map,
                            "post-processing of the distance map before it is scored, or none: low=, high=, min-object=, "
                            "max-hole=, reading=hysteresis|band|clip, unit=cells|pixels, gaussian=, median=",
                            "KEY=VALUE,...|none"}},
        {CLI_RECIPE_SCORE, {"score", 0, 0, CLI_TEXT, &o->score, "from the distance map to one figure",
                            "max|mean|p99|top1p"}},
    };
    size_t n_known = sizeof known / sizeof *known, n_own = 0, n = 0;
    while (own && own[n_own].long_name)
        n_own++;
    cli_option *entries = g_new0(cli_option, n_own + n_known + 1);
    for (size_t i = 0; i < n_own; i++)
        entries[n++] = own[i];
    for (size_t i = 0; i < n_known; i++)
        if (known[i].part & parts)
            entries[n++] = known[i].entry;
    return entries;
}

/* True where there is no text: *value is as it was. */
static bool choose(const char *option, const char *text, const char *const *names, int *value, int *code)
{
    int i = text ? cli_choose(option, text, names, code) : *value;
    if (i >= 0)
        *value = i;
    return i >= 0;
}

static bool parse_layers(const char *text, dp_recipe *recipe, int *code)
{
    char **parts = g_strsplit(text, ",", -1);
    bool good = true;
    recipe->n_layers = 0;
    for (size_t i = 0; good && parts[i]; i++) {
        double value;
        good = cli_number_is(parts[i], CLI_WHOLE, -999, 999, &value) && recipe->n_layers < DP_MAX_LAYERS;
        if (good)
            recipe->layers[recipe->n_layers++] = (size_t)(gint64)value; /* negative ones are settled once the depth is known */
    }
    g_strfreev(parts);
    if (!good || !recipe->n_layers) {
        *code = cli_usage("--layers %s: give at most %d block numbers with commas between them, such as -1 or 2,5,8,11", text, DP_MAX_LAYERS);
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
    char **ends = g_strsplit(text, ",", -1);
    double low = 0, high = 0;
    bool good = g_strv_length(ends) == 2 && cli_number_is(ends[0], CLI_REAL, 0, 1e6, &low) && cli_number_is(ends[1], CLI_REAL, low, 1e6, &high);
    g_strfreev(ends);
    if (!good) {
        *code = cli_usage("--canny %s: give LOW,HIGH with 0 <= LOW <= HIGH <= 1000000, or auto", text);
        return false;
    }
    recipe->canny_low = low;
    recipe->canny_high = high;
    recipe->canny_auto = 0;
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
    else if (!strcmp(key, "low") && cli_number_is(value, CLI_REAL, 0, 1e30, &number))
        post->low = number;
    else if (!strcmp(key, "high") && cli_number_is(value, CLI_REAL, 0, 1e30, &number))
        post->high = number;
    else if (!strcmp(key, "min-object") && cli_number_is(value, CLI_WHOLE, 0, 1e12, &number))
        post->min_object = (size_t)number;
    else if (!strcmp(key, "max-hole") && cli_number_is(value, CLI_WHOLE, 0, 1e12, &number))
        post->max_hole = (size_t)number;
    else if (!strcmp(key, "gaussian") && cli_number_is(value, CLI_REAL, 0, 64, &number))
        post->gaussian = number;
    else if (!strcmp(key, "median") && cli_number_is(value, CLI_WHOLE, 0, 31, &number) && (number < 1 || fmod(number, 2) == 1))
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

static void take_real(const cli_number *given, double *setting)
{
    if (given->given)
        *setting = given->value;
}

static void take_whole(const cli_number *given, size_t *setting)
{
    if (given->given)
        *setting = (size_t)given->value;
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
        *code = cli_usage("--canvas %s: give HEIGHTxWIDTH with sides from 1 to 65536, auto, or auto:WIDTH", o->canvas);
        return false;
    }
    if (o->canvas)
        recipe->edge_px = recipe->crop_px = 0;
    if (o->edge.given && o->canvas) {
        *code = cli_usage("--edge and --canvas: one or the other");
        return false;
    }
    if (o->edge.given) {
        recipe->edge_px = (size_t)o->edge.value;
        recipe->canvas_height_px = recipe->canvas_width_px = 0;
    }
    if (o->crop.given) {
        recipe->crop_px = (size_t)o->crop.value;
        if (recipe->crop_px && (!recipe->edge_px || recipe->crop_px > recipe->edge_px || recipe->align != DP_ALIGN_NONE)) {
            *code = cli_usage("--crop %zu: needs --align none and --edge, and is no larger than the edge", recipe->crop_px);
            return false;
        }
    }
    if (recipe->edge_px && !recipe->crop_px && (recipe->align != DP_ALIGN_NONE || recipe->layout != DP_LAYOUT_POOL)) {
        *code = cli_usage("--edge: pictures of their own sizes need --align none and --layout pool, or --crop");
        return false;
    }
    if (o->rotations.given) {
        recipe->rotations = (size_t)o->rotations.value;
        if (recipe->rotations != 1 && recipe->rotations != 8) {
            *code = cli_usage("--rotations %zu: give 1 or 8", recipe->rotations);
            return false;
        }
    }
    if (recipe->rotations > 1 && recipe->align != DP_ALIGN_NONE) {
        *code = cli_usage("--rotations 8 needs --align none");
        return false;
    }
    if (o->window && !cli_parse_window(o->window, &recipe->window)) {
        *code = cli_usage("--window %s: give a whole number of cells from 0 to 65536, or global", o->window);
        return false;
    }
    if (o->map && !parse_map(o->map, &recipe->post, code))
        return false;
    if ((o->layers && !parse_layers(o->layers, recipe, code)) || (o->canny && !parse_canny(o->canny, recipe, code)))
        return false;
    take_real(&o->map_sigma, &recipe->map_sigma_px);
    take_real(&o->fill, &recipe->fill);
    take_real(&o->fpr, &recipe->fpr);
    take_real(&o->blend, &recipe->blend);
    take_real(&o->pca, &recipe->pca);
    take_real(&o->coreset, &recipe->coreset);
    take_real(&o->background_threshold, &recipe->background_threshold);
    take_whole(&o->blur, &recipe->blur_px);
    take_whole(&o->knn, &recipe->knn);
    take_whole(&o->kmeans, &recipe->kmeans);
    take_whole(&o->neighbourhood, &recipe->neighbourhood);
    take_whole(&o->reweight, &recipe->reweight);
    take_whole(&o->shots, &recipe->shots);
    take_whole(&o->seed, &recipe->seed);
    if (!o->blend.given && (recipe->layout == DP_LAYOUT_POOL || recipe->window == DP_WINDOW_GLOBAL))
        recipe->blend = 0; /* a bank's, whose window was replaced */
    if (recipe->blend > 0 && (recipe->layout == DP_LAYOUT_POOL || recipe->window == DP_WINDOW_GLOBAL)) {
        *code = cli_usage("--blend needs --layout grid and a --window of cells: it lays the global distance beside the local one");
        return false;
    }
    if (recipe->kmeans && recipe->layout == DP_LAYOUT_POOL) {
        *code = cli_usage("--kmeans is done at each place, and with --layout pool there are none");
        return false;
    }
    if (recipe->coreset > 0 && recipe->layout != DP_LAYOUT_POOL) {
        *code = cli_usage("--coreset needs --layout pool");
        return false;
    }
    if (recipe->background == DP_BACKGROUND_REFERENCE && (o->background || o->method)
        && (recipe->layout != DP_LAYOUT_POOL || recipe->pca > 0)) {
        *code = cli_usage("--background reference needs --layout pool, and does not go with --pca; both and test go with all");
        return false;
    }
    if (!o->reweight.given && recipe->score != DP_SCORE_MAX)
        recipe->reweight = 0; /* a preset's or a bank's, which belongs to max alone */
    if (recipe->layer_mix == DP_LAYERS_SEPARATE && (recipe->pca > 0 || recipe->reweight)) {
        *code = cli_usage("--layer-mix separate does not go with %s", recipe->pca > 0 ? "--pca" : "--reweight");
        return false;
    }
    if (recipe->reweight && (recipe->layout != DP_LAYOUT_POOL || recipe->score != DP_SCORE_MAX)) {
        *code = cli_usage("--reweight needs --layout pool and --score max");
        return false;
    }
    if (o->mirror)
        recipe->mirror = 1;
    /* What was named is meant as it is, also where it is what the preset says of another network. */
    if (o->canvas || o->edge.given || o->crop.given || o->align)
        recipe->preset &= ~(unsigned)DP_PRESET_CANVAS;
    if (o->layers || o->layer_mix)
        recipe->preset &= ~(unsigned)DP_PRESET_LAYERS;
    if (o->neighbourhood.given)
        recipe->preset &= ~(unsigned)DP_PRESET_NEIGHBOURHOOD;
    return true;
}
