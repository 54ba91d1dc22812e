/* SPDX-License-Identifier: Apache-2.0 */
/* presets.c - the settings of published methods, as options that are set over the defaults. */
#include "options/option_table.h"

typedef struct setting {
    const char *key, *text;
} setting;

/* The paper's own settings; the other methods say what they change of them. */
static const setting dinopatch[] = {{"align", "pca"},
                                    {"align.polarity", "rotate"},
                                    {"align.fill", "0.8660254037844386"}, /* sqrt(3) / 2: the canvas is 4 sigma wide */
                                    {"canvas", "784x784"},
                                    {"layers.norm", "none"},
                                    {"window", "0"},
                                    {NULL, NULL}};

/* Damm et al. 2025 and its public code. */
static const setting anomalydino[] = {{"align", "none"},
                                      {"edge", "448"},
                                      {"align.polarity", "none"},
                                      {"bank.layout", "flat"},
                                      {"pictures.rotations", "8"},
                                      {"background.rule", "list"},
                                      {"search.metric", "cosine"},
                                      {"window", "global"},
                                      {"score", "top1p"},
                                      {"map.sigma", "4"},
                                      {NULL, NULL}};

/* Roth et al. 2022, on the features of a transformer; settle.c fits it to others. */
static const setting patchcore[] = {{"align", "none"},
                                    {"canvas", "448x448"},
                                    {"align.polarity", "none"},
                                    {"layers", "-5,-4"},
                                    {"layers.mix", "concat"},
                                    {"features.neighbourhood", "3"},
                                    {"bank.layout", "flat"},
                                    {"bank.coreset", "0.1"},
                                    {"window", "global"},
                                    {"score", "max"},
                                    {"score.reweight", "9"},
                                    {"map.sigma", "4"},
                                    {NULL, NULL}};

static const struct {
    const setting *settings[2]; /* in this order; NULL: no more */
    unsigned preset;            /* DP_PRESET_ bits of what depends on the network */
} methods[] = {
    [DP_METHOD_DINOPATCH] = {{dinopatch}, DP_PRESET_CANVAS},
    [DP_METHOD_ANOMALYDINO] = {{dinopatch, anomalydino}, 0},
    [DP_METHOD_PATCHCORE] = {{dinopatch, patchcore}, DP_PRESET_CANVAS | DP_PRESET_LAYERS | DP_PRESET_NEIGHBOURHOOD},
    [DP_METHOD_AUTO] = {{NULL},
                        DP_PRESET_WINDOW | DP_PRESET_SCORE} /* the defaults of the table: docs/method.md, section 4 */,
};

void dp_recipe_preset(dp_recipe *recipe, dp_method method)
{
    dp_recipe_init(recipe);
    if ((size_t)method >= sizeof methods / sizeof *methods)
        return;
    for (size_t i = 0; i < 2; i++)
        for (const setting *s = methods[method].settings[i]; s && s->key; s++)
            (void)dp_recipe_set(recipe, s->key, s->text, NULL); /* test_options sets each of them */
    recipe->preset = methods[method].preset;
}
