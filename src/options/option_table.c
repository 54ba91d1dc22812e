/* SPDX-License-Identifier: Apache-2.0 */
/* option_table.c - the options of a recipe: the only place with their names, values, defaults and help.
 *
 * The command line, configuration files, the JSON in a bank, the checks, `dinopatch options` and docs/options.md come
 * from these rows. */
#include "options/option_table.h"

#include <stddef.h>
#include <string.h>

static const char *const methods[] = {[DP_METHOD_DINOPATCH] = "dinopatch", [DP_METHOD_ANOMALYDINO] = "anomalydino",
                                      [DP_METHOD_PATCHCORE] = "patchcore", [DP_METHOD_AUTO] = "auto",
                                      [DP_METHOD_PADIM] = "padim",         [DP_METHOD_SUBSPACE] = "subspace",
                                      [DP_METHOD_SUPERADD] = "superadd",   [DP_METHOD_RAD] = "rad",
                                      [DP_METHOD_SPADE] = "spade",         NULL};
static const char *const aligns[] = {
    [DP_ALIGN_PCA] = "pca", [DP_ALIGN_NONE] = "none", [DP_ALIGN_AUTO] = "auto", [DP_ALIGN_FEATURES] = "features", NULL};
static const char *const polarities[] = {
    [DP_POLARITY_MIRROR] = "mirror", [DP_POLARITY_ROTATE] = "rotate", [DP_POLARITY_NONE] = "none", NULL};
static const char *const layer_mixes[] = {
    [DP_LAYERS_MEAN] = "mean", [DP_LAYERS_CONCAT] = "concat", [DP_LAYERS_SEPARATE] = "separate", NULL};
static const char *const layer_norms[] = {[DP_LAYER_NORM_NONE] = "none",
                                          [DP_LAYER_NORM_RMS] = "rms",
                                          [DP_LAYER_NORM_STANDARD] = "standard",
                                          [DP_LAYER_NORM_RAW] = "raw",
                                          NULL};
static const char *const precisions[] = {[DP_FP32] = "fp32", [DP_INT8] = "int8", NULL};
static const char *const layouts[] = {
    [DP_LAYOUT_GRID] = "grid", [DP_LAYOUT_FLAT] = "flat", [DP_LAYOUT_MOMENTS] = "moments", NULL};
static const char *const moments[] = {[DP_MOMENTS_GAUSSIAN] = "gaussian", [DP_MOMENTS_SUBSPACE] = "subspace", NULL};
static const char *const storages[] = {
    [DP_STORAGE_F32] = "f32", [DP_STORAGE_F16] = "f16", [DP_STORAGE_I8] = "int8", NULL};
static const char *const metrics[] = {[DP_METRIC_L2] = "l2", [DP_METRIC_COSINE] = "cosine", NULL};
static const char *const backgrounds[] = {[DP_BACKGROUND_NONE] = "none",
                                          [DP_BACKGROUND_TEST] = "test",
                                          [DP_BACKGROUND_REFERENCE] = "reference",
                                          [DP_BACKGROUND_BOTH] = "both",
                                          NULL};
static const char *const rules[] = {[DP_BACKGROUND_CELLS] = "cells", [DP_BACKGROUND_LIST] = "list", NULL};
static const char *const rois[] = {[DP_ROI_NONE] = "none", [DP_ROI_FIXED] = "fixed", [DP_ROI_OBJECT] = "object", NULL};
static const char *const units[] = {[DP_UNIT_CELLS] = "cells", [DP_UNIT_PIXELS] = "pixels", NULL};
static const char *const scores[] = {[DP_SCORE_MAX] = "max",
                                     [DP_SCORE_MEAN] = "mean",
                                     [DP_SCORE_P99] = "p99",
                                     [DP_SCORE_TOP1P] = "top1p",
                                     [DP_SCORE_TOP10] = "top10",
                                     [DP_SCORE_RETRIEVED] = "retrieved",
                                     NULL};
static const char *const layer_weights[] = {[DP_WEIGHTS_TYPICAL] = "typical", [DP_WEIGHTS_EQUAL] = "equal", NULL};
static const char *const one_or_three[] = {"1", "3", NULL};
static const char *const turns[] = {"1", "8", "30", NULL};

_Static_assert(sizeof(dp_align) == sizeof(int) && sizeof(dp_score) == sizeof(int),
               "choices are read and written as int");

#define FIELD(member) .offset = offsetof(dp_recipe, member), .stored = #member
#define SEEDS 4294967295.0
#define PRESET_LAYERS (DP_PRESET_LAYERS | DP_PRESET_THREE | DP_PRESET_MIDDLE | DP_PRESET_FOUR | DP_PRESET_SUPERADD)
#define ALIGN .stage = DP_STAGE_ALIGN
#define FEATURES .stage = DP_STAGE_FEATURES
#define BANK .stage = DP_STAGE_BANK
#define SCORE .stage = DP_STAGE_SCORE
#define CHOICE(list, words) .kind = DP_OPTION_CHOICE, .choices = (list), .takes = (words)
#define FLAG .kind = DP_OPTION_FLAG, .takes = "yes|no"
#define WHOLE(from, to, word) .kind = DP_OPTION_WHOLE, .low = (from), .high = (to), .takes = (word)
#define REAL(from, to, word) .kind = DP_OPTION_REAL, .low = (from), .high = (to), .takes = (word)
#define SHARE(from, to, word) .kind = DP_OPTION_SHARE, .low = (from), .high = (to), .takes = (word)

const dp_option_row dp_option_table[] = {
    {.option = {"method", "method", BANK,
                CHOICE(methods, "auto|dinopatch|anomalydino|patchcore|padim|subspace|superadd|rad|spade"),
                .help = "auto: the settings that measured best, with pose and canvas chosen from the good pictures; "
                        "other names: the settings of a published method. Other options override them"}},
    {.option =
         {"align", "align", ALIGN, CHOICE(aligns, "auto|pca|features|none"),
          .help =
              "pca: find the part by its edges and turn it upright; features: find it by what the network sees; none: "
              "use pictures unaligned; auto: the one that makes the good pictures most alike"},
     FIELD(align),
     .standard = DP_ALIGN_AUTO,
     .preset = DP_PRESET_CANVAS},
    {.option = {"align.blur", "blur", ALIGN, WHOLE(1, 99, "N"), .flags = DP_OPTION_ODD, .unit = "px",
                .help = "side of the Gaussian kernel before the edges are found"},
     FIELD(blur_px),
     .standard = 5},
    {.option = {ALIGN, REAL(0, 1e6, NULL)}, FIELD(canny_low), .standard = 50},
    {.option = {ALIGN, REAL(0, 1e6, NULL)}, FIELD(canny_high), .standard = 150},
    {.option = {"align.canny", "canny", ALIGN, .kind = DP_OPTION_CANNY, .takes = "LOW,HIGH", .high = 1e6,
                .help = "thresholds on the gradient of an edge", .needs = "LOW <= HIGH"}},
    {.option = {"align.fill", "fill", ALIGN, REAL(0.1, 4, "F"),
                .help = "share of the canvas width that a straight rod fills"},
     FIELD(fill),
     .standard = 0.95},
    {.option = {ALIGN, WHOLE(0, 65536, NULL)}, FIELD(canvas_height_px)}, /* 0: not chosen yet, or of edge */
    {.option = {ALIGN, WHOLE(0, 65536, NULL)}, FIELD(canvas_width_px)},
    {.option = {"canvas", "canvas", ALIGN, .kind = DP_OPTION_CANVAS, .takes = "HxW|auto[:W]", .low = 1, .high = 65536,
                .unit = "px",
                .help = "size of the canvas, in place of size; auto: the height from the good pictures, for a width of "
                        "784 or W pixels",
                .needs = "multiples of the network's patch"},
     .preset = DP_PRESET_CANVAS},
    {.option =
         {"edge", "edge", BANK, WHOLE(1, 20000, "N"), .flags = DP_OPTION_OFF, .unit = "px",
          .help = "in place of a canvas, resize each picture to a short side of N pixels and crop it to whole patches",
          .needs = "align=none, and bank.layout=flat or crop"},
     FIELD(edge_px),
     .preset = DP_PRESET_CANVAS},
    {.option = {"crop", "crop", BANK, WHOLE(0, 20000, "N"), .flags = DP_OPTION_OFF, .unit = "px",
                .help = "use only the square of N pixels in the middle of the resized picture",
                .needs = "align=none, and edge of at least N; a multiple of the patch"},
     FIELD(crop_px),
     .preset = DP_PRESET_CANVAS},
    {.option = {"size", "size", BANK, WHOLE(1, 20000, "N"), .flags = DP_OPTION_OFF, .unit = "px",
                .help = "use the whole picture with a short side of N pixels, in place of a canvas; the aspect ratio "
                        "is the median of the good pictures"},
     FIELD(short_px),
     .late = true,
     .standard = 256,
     .preset = DP_PRESET_CANVAS},
    {.option = {"tile", "tile", BANK, WHOLE(0, 20000, "N"), .flags = DP_OPTION_OFF, .unit = "px",
                .help = "cut a larger canvas into tiles of N pixels, which go through the network one by one and need "
                        "the memory of one tile; 0: no tiles, unless size makes more cells than the limit",
                .needs = "no edge"},
     FIELD(tile_px),
     .late = true},
    {.option = {ALIGN, WHOLE(0, 65535, NULL)}, FIELD(sample_white), .late = true}, /* found by fit */
    {.option = {"align.polarity", "polarity", FEATURES, CHOICE(polarities, "mirror|rotate|none"),
                .help = "how to decide which end of a part comes first: mirror the grid, rotate the picture, or none: "
                        "do not decide"},
     FIELD(polarity),
     .standard = DP_POLARITY_ROTATE},
    {.option = {"layers", "layers", FEATURES, .kind = DP_OPTION_LAYERS, .takes = "I,J,...|auto", .high = 1e6,
                .help = "blocks whose output is used, counted from 0, negative ones from the end; auto: the last "
                        "block, or layers 2 and 3 of a residual network"},
     FIELD(layers),
     .preset = PRESET_LAYERS},
    {.option = {"layers.mix", "layer-mix", FEATURES, CHOICE(layer_mixes, "mean|concat|separate"),
                .help = "several blocks: average them, concatenate them, or search each separately",
                .needs = "separate: no bank.pca, no score.reweight"},
     FIELD(layer_mix),
     .preset = PRESET_LAYERS | DP_PRESET_MIXED},
    {.option = {"layers.weights", NULL, FEATURES, CHOICE(layer_weights, "typical|equal"),
                .help =
                    "how separate blocks weigh: typical: each distance is divided by what good pictures show; equal: "
                    "the plain mean, for distances that are comparable",
                .needs = "layers.mix=separate; equal: no search.blend"},
     FIELD(layer_weights),
     .late = true},
    {.option = {"layers.norm", "layer-norm", BANK, CHOICE(layer_norms, "none|rms|standard|raw"),
                .help = "use raw layers, normalised by the statistics of all good cells: rms for a residual network, "
                        "standard for a transformer; both choose layers and mix. raw: the layers as the network leaves "
                        "them. none: after the network's own last norm",
                .needs = "rms, standard, raw: features.neighbourhood=1"},
     FIELD(layer_norm),
     .standard = DP_LAYER_NORM_RMS, /* the network decides which */
     .preset = PRESET_LAYERS | DP_PRESET_NORMED,
     .late = true},
    {.option = {"precision", "precision", FEATURES, CHOICE(precisions, "fp32|int8"),
                .help = "arithmetic of the network"},
     FIELD(precision)},
    {.option = {"features.neighbourhood", "neighbourhood", BANK, WHOLE(1, 3, "1|3"), .choices = one_or_three,
                .unit = "cells", .help = "3: the features of each cell become the mean over 3x3 cells"},
     FIELD(neighbourhood),
     .standard = 1,
     .preset = DP_PRESET_NEIGHBOURHOOD},
    {.option = {"features.channels", "channels", BANK, WHOLE(1, 1e6, "N"), .flags = DP_OPTION_OFF,
                .help = "keep N of the numbers of each cell, drawn with the seed; the bank says which",
                .needs = "layers.norm=raw, no layers.mix=separate"},
     FIELD(channels),
     .late = true},
    {.option = {"bank.layout", "layout", BANK, CHOICE(layouts, "grid|flat|moments"),
                .help =
                    "grid: keep the features of each cell; flat: keep all features in one list and search the whole "
                    "list; moments: keep only their number, mean and scatter"},
     FIELD(layout)},
    {.option = {"moments", "moments", BANK, CHOICE(moments, "gaussian|subspace"),
                .help = "gaussian: each cell has its own mean and covariance, and the distance is that of Mahalanobis; "
                        "subspace: all cells share them, and the distance is what the leading components leave over, "
                        "squared",
                .needs = "bank.layout=moments"},
     FIELD(moments),
     .late = true},
    {.option = {"moments.ridge", NULL, BANK, REAL(0, 1e9, "R"), .flags = DP_OPTION_ABOVE,
                .help = "added to the variance of each feature of a cell", .needs = "moments=gaussian"},
     FIELD(moments_ridge),
     .standard = 0.01,
     .late = true,
     .late_standard = true},
    {.option = {"moments.variance", NULL, BANK, REAL(0, 1, "F"), .flags = DP_OPTION_ABOVE | DP_OPTION_BELOW,
                .help = "share of the variance that the leading components hold", .needs = "moments=subspace"},
     FIELD(moments_variance),
     .standard = 0.99,
     .late = true,
     .late_standard = true},
    {.option = {"bank.features", "keep-features", BANK, FLAG,
                .help =
                    "keep the features of each picture beside the moments: pictures can then be removed, and a merge "
                    "scores all of them again",
                .needs = "bank.layout=moments"},
     FIELD(keep_features),
     .late = true},
    {.option = {"bank.storage", "storage", BANK, CHOICE(storages, "f32|f16|int8"),
                .help = "number type of the features in the bank"},
     FIELD(storage)},
    {.option = {"bank.pca", "pca", BANK, SHARE(1, 1e6, "P"), .flags = DP_OPTION_OFF,
                .help = "project on principal components: a share of the variance to keep (0.99), or their number"},
     FIELD(pca)},
    {.option = {"bank.kmeans", "kmeans", BANK, WHOLE(1, 1e6, "K"), .flags = DP_OPTION_OFF,
                .help = "keep K centres of the features of each cell",
                .needs = "bank.layout=grid, and K features of each cell"},
     FIELD(kmeans)},
    {.option = {"bank.coreset", "coreset", BANK, SHARE(0, SEEDS, "F|N"), .flags = DP_OPTION_OFF,
                .help = "keep the rows of a flat bank that cover it best: a share of them (0.1), or their number",
                .needs = "bank.layout=flat"},
     FIELD(coreset)},
    {.option = {"bank.thin", "thin", BANK, SHARE(0, SEEDS, "F|N"), .flags = DP_OPTION_OFF,
                .help = "keep fewer rows of a flat bank where they lie dense: a share of them, or at most N",
                .needs = "bank.layout=flat, no bank.coreset, no bank.pca"},
     FIELD(thin),
     .late = true},
    {.option = {"pictures.shots", "shots", BANK, WHOLE(1, 1e9, "N"), .flags = DP_OPTION_OFF,
                .help = "learn from N of the pictures: the first by name, or drawn at random with the seed"},
     FIELD(shots)},
    {.option =
         {"seed", "seed", BANK, WHOLE(0, SEEDS, "S"),
          .help = "seed of the draws of shots, brightness, k-means, coreset and thinning; 0: the first shots by name"},
     FIELD(seed)},
    {.option = {"pictures.rotations", "rotations", BANK, WHOLE(1, 30, "1|8|30"), .choices = turns,
                .help = "8: add each good picture also turned by 45, 90, ... degrees; 30: by 12, 24, ... degrees",
                .needs = "8, 30: align=none"},
     FIELD(rotations),
     .standard = 1,
     .preset = DP_PRESET_ROTATIONS},
    {.option = {"pictures.mirror", "mirror", BANK, FLAG,
                .help = "add each good picture also mirrored (for parts symmetric about their axis)"},
     FIELD(mirror)},
    {.option = {"pictures.brightness", "brightness", BANK, REAL(0, 0.9, "F"), .flags = DP_OPTION_OFF,
                .help = "add each good picture also with its brightness times a number from 1 - F to 1 + F, which the "
                        "seed draws"},
     FIELD(brightness),
     .late = true},
    {.option = {"background", "background", BANK, CHOICE(backgrounds, "none|test|reference|both"),
                .help = "mask the background of inspected pictures, of good ones, or of both",
                .needs = "reference: bank.layout=flat, no bank.pca"},
     FIELD(background)},
    {.option =
         {"background.rule", "background-rule", BANK, CHOICE(rules, "cells|list"),
          .help =
              "cells: smooth the mask over 3x3 cells and do not score masked cells; list: as AnomalyDINO's code does"},
     FIELD(background_rule)},
    {.option = {"background.threshold", "background-threshold", BANK, REAL(0, 1e9, "T"),
                .help = "cells above T on the first principal component of a picture's features belong to the part"},
     FIELD(background_threshold),
     .standard = 10},
    {.option = {BANK, .kind = DP_OPTION_CHOICE, .choices = rois}, FIELD(roi)}, /* for the region that fit gets */
    {.option = {"search.metric", "metric", SCORE, CHOICE(metrics, "l2|cosine"), .flags = DP_OPTION_OVERRIDE,
                .help = "distance of two feature vectors", .needs = "cosine: a bank without bank.pca, or made for it"},
     FIELD(metric)},
    {.option = {"window", "window", SCORE, .kind = DP_OPTION_WINDOW, .high = 65536, .takes = "R|global",
                .flags = DP_OPTION_OVERRIDE, .unit = "cells",
                .help = "search this many cells to each side; 0: the same cell only"},
     FIELD(window),
     .standard = 1,
     .preset = DP_PRESET_WINDOW},
    {.option = {"search.knn", "knn", SCORE, WHOLE(1, 1000, "K"), .flags = DP_OPTION_OVERRIDE,
                .help = "average the distances to the K nearest features", .needs = "K features to compare with"},
     FIELD(knn),
     .standard = 1}, /* each cell keeps so many neighbours */
    {.option = {"search.blend", "blend", SCORE, REAL(0, 1, "A"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help = "weight of the distance to all cells; the distance within the window has the rest",
                .needs = "bank.layout=grid and a window of cells"},
     FIELD(blend)},
    {.option = {"search.order", "order", SCORE, SHARE(1, 1e6, "F|M"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help =
                    "order statistics: the mean over all subsets of M of the pictures (below 1: a share of them) of "
                    "the nearest distance, so that few bad ones among the good ones hide little; rare good poses "
                    "then look like defects",
                .needs = "bank.layout=grid, a window of cells, search.knn=1, no search.blend, no bank.kmeans"},
     FIELD(order),
     .late = true},
    {.option = {"retrieval", "retrieval", BANK, WHOLE(1, 1e6, "K"), .flags = DP_OPTION_OFF,
                .help = "search only the K good pictures most like the inspected one, by the cosine of one vector a "
                        "picture: a transformer's class token, the mean of a residual network's last layer",
                .needs = "bank.layout=grid or flat, no bank.kmeans"},
     FIELD(retrieval),
     .late = true},
    {.option = {"map.low", NULL, SCORE, REAL(0, 1e30, "D"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help = "distances below it become 0"},
     FIELD(post.low)},
    {.option = {"map.high", NULL, SCORE, REAL(0, 1e30, "D"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help = "a group of connected distances becomes 0 unless one of them reaches it",
                .needs = "at least map.low"},
     FIELD(post.high)},
    {.option = {"map.min-object", NULL, SCORE, WHOLE(0, 1e12, "N"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help = "remove objects of fewer elements", .needs = "map.low or map.high"},
     FIELD(post.min_object)},
    {.option = {"map.max-hole", NULL, SCORE, WHOLE(0, 1e12, "N"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .help = "fill holes of at most this many elements", .needs = "map.low or map.high"},
     FIELD(post.max_hole)},
    {.option = {"map.unit", NULL, SCORE, CHOICE(units, "cells|pixels"), .flags = DP_OPTION_OVERRIDE,
                .help = "unit of map.min-object and map.max-hole: cells of the grid, or pixels of the picture"},
     FIELD(post.unit)},
    {.option = {"map.gaussian", NULL, SCORE, REAL(0, 64, "SIGMA"), .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF,
                .unit = "cells", .help = "smooth the distance map before the thresholds"},
     FIELD(post.gaussian)},
    {.option = {"map.median", NULL, SCORE, WHOLE(0, 31, "ODD"),
                .flags = DP_OPTION_OVERRIDE | DP_OPTION_OFF | DP_OPTION_ODD, .unit = "cells",
                .help = "side of a median filter before the thresholds"},
     FIELD(post.median)},
    {.option = {"map", "map", SCORE, .kind = DP_OPTION_MAP, .takes = "KEY=VALUE,...|none", .flags = DP_OPTION_OVERRIDE,
                .help = "post-processing of the distance map before scoring: several options map.KEY at once; options "
                        "that are not named are off"}},
    {.option =
         {"score", "score", SCORE, CHOICE(scores, "max|mean|p99|top1p|top10|retrieved"), .flags = DP_OPTION_OVERRIDE,
          .help =
              "how the score is computed from the distance map; retrieved: not from it, but the mean distance of the "
              "picture's vector to those of the pictures retrieved",
          .needs = "retrieved: retrieval"},
     FIELD(score),
     .standard = DP_SCORE_TOP1P,
     .preset = DP_PRESET_SCORE},
    {.option = {"score.reweight", "reweight", BANK, WHOLE(0, 1000, "N"), .flags = DP_OPTION_OFF,
                .help = "weight the largest distance by N neighbours of its nearest row (PatchCore: 9)",
                .needs = "bank.layout=flat and score=max, no layers.mix=separate"},
     FIELD(reweight)},
    {.option = {"map.sigma", "map-sigma", BANK, REAL(0, 64, "PIXELS"), .flags = DP_OPTION_OFF, .unit = "px",
                .help = "smooth the finished map in the picture with a Gaussian"},
     FIELD(map_sigma_px)},
    {.option = {"fpr", "fpr", BANK, REAL(0, 1, "RATE"), .flags = DP_OPTION_ABOVE | DP_OPTION_BELOW,
                .help = "false-alarm rate that the threshold aims at"},
     FIELD(fpr),
     .standard = 0.05},
};

const size_t dp_option_rows = sizeof dp_option_table / sizeof *dp_option_table;

size_t dp_option_count(void)
{
    size_t n = 0;
    for (size_t i = 0; i < dp_option_rows; i++)
        n += dp_option_table[i].option.key != NULL;
    return n;
}

const dp_option *dp_option_at(size_t index)
{
    for (size_t i = 0; i < dp_option_rows; i++)
        if (dp_option_table[i].option.key && !index--)
            return &dp_option_table[i].option;
    return NULL;
}

const dp_option_row *dp_option_find(const char *key)
{
    for (size_t i = 0; i < dp_option_rows; i++)
        if (dp_option_table[i].option.key && !strcmp(dp_option_table[i].option.key, key))
            return &dp_option_table[i];
    return NULL;
}

int dp_option_choices(const dp_option *option)
{
    int n = 0;
    while (option->choices && option->choices[n])
        n++;
    return n;
}

/* Names in earlier versions: a command line, a configuration file or a bank may still hold them. */
static const struct {
    const char *was, *now;
} old_words[] = {{"pool", "flat"}};

int dp_option_choice_of(const dp_option *option, const char *word)
{
    for (size_t i = 0; i < sizeof old_words / sizeof *old_words; i++)
        if (!strcmp(word, old_words[i].was))
            word = old_words[i].now;
    for (int i = 0; i < dp_option_choices(option); i++)
        if (!strcmp(word, option->choices[i]))
            return i;
    return -1;
}

const char *dp_option_choice(const char *key, int value)
{
    const dp_option_row *row = dp_option_find(key);
    return row && value >= 0 && value < dp_option_choices(&row->option) ? row->option.choices[value] : "?";
}

/* ------------------------------------------------------------------------------------------------------------ fields
 */

double dp_option_value(const dp_option_row *row, const dp_recipe *recipe)
{
    const char *at = (const char *)recipe + row->offset;
    int number;
    size_t size;
    double real;
    switch (row->option.kind) {
    case DP_OPTION_CHOICE:
    case DP_OPTION_FLAG: memcpy(&number, at, sizeof number); return number;
    case DP_OPTION_WHOLE:
    case DP_OPTION_WINDOW: memcpy(&size, at, sizeof size); return (double)size; /* DP_WINDOW_GLOBAL: 2^64 */
    default: memcpy(&real, at, sizeof real); return real;
    }
}

void dp_option_put(const dp_option_row *row, dp_recipe *recipe, double value)
{
    char *at = (char *)recipe + row->offset;
    if (row->option.kind == DP_OPTION_CHOICE || row->option.kind == DP_OPTION_FLAG) {
        int number = (int)value;
        memcpy(at, &number, sizeof number);
    } else if (row->option.kind == DP_OPTION_WHOLE || row->option.kind == DP_OPTION_WINDOW) {
        size_t size = value >= (double)DP_WINDOW_GLOBAL ? DP_WINDOW_GLOBAL : (size_t)value;
        memcpy(at, &size, sizeof size);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

void dp_recipe_init(dp_recipe *recipe)
{
    *recipe = (dp_recipe){0};
    for (size_t i = 0; i < dp_option_rows; i++)
        if (dp_option_table[i].stored && dp_option_table[i].option.kind != DP_OPTION_LAYERS)
            dp_option_put(&dp_option_table[i], recipe, dp_option_table[i].standard);
    recipe->preset = DP_PRESET_WINDOW | DP_PRESET_SCORE;
}
