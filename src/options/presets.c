/* SPDX-License-Identifier: Apache-2.0 */
/* presets.c - the settings of published methods, as options that are set over the defaults. */
#include "options/presets.h"

/* The settings of the paper; other methods list only what they change. */
static const dp_setting dinopatch[] = {
    {"align", "pca"},
    {"align.polarity", "rotate"},
    {"align.fill", "0.8660254037844386"}, /* sqrt(3) / 2: the canvas is 4 sigma wide */
    {"canvas", "784x784"},
    {"layers.norm", "none"},
    {"window", "0"},
    {NULL, NULL}};

/* Damm et al. 2025 and its public code. */
static const dp_setting anomalydino[] = {{"align", "none"},
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

/* Roth et al. 2022, on the features of a transformer; network_fit.c adapts it to other networks. */
static const dp_setting patchcore[] = {{"align", "none"},
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

/* Defard et al. 2021; the layers are settled by network_fit.c. */
static const dp_setting padim[] = {{"align", "none"},
                                   {"align.polarity", "none"},
                                   {"layers.norm", "raw"},
                                   {"layers.mix", "concat"},
                                   {"features.channels", "100"},
                                   {"bank.layout", "moments"},
                                   {"moments", "gaussian"},
                                   {"score", "max"},
                                   {"map.sigma", "4"},
                                   {NULL, NULL}};

/* SubspaceAD (2026), the same. */
static const dp_setting subspace[] = {{"align", "none"},      {"align.polarity", "none"}, {"layers.norm", "raw"},
                                      {"layers.mix", "mean"}, {"bank.layout", "moments"}, {"moments", "subspace"},
                                      {"score", "top1p"},     {"map.sigma", "4"},         {NULL, NULL}};

/* SuperADD (2026); the layers are settled by network_fit.c, and docs/method.md says what differs. */
static const dp_setting superadd[] = {{"align", "none"},
                                      {"align.polarity", "none"},
                                      {"layers.norm", "raw"},
                                      {"layers.mix", "separate"},
                                      {"pictures.brightness", "0.2"},
                                      {"bank.layout", "flat"},
                                      {"bank.thin", "100000"},
                                      {"window", "global"},
                                      {"score", "top1p"},
                                      {NULL, NULL}};

/* RAD (2026); the layers are settled by network_fit.c. */
static const dp_setting rad[] = {{"align", "none"},
                                 {"align.polarity", "none"},
                                 {"layers.norm", "none"},
                                 {"layers.mix", "separate"},
                                 {"layers.weights", "equal"},
                                 {"search.metric", "cosine"},
                                 {"window", "1"},
                                 {"retrieval", "150"},
                                 {"score", "top1p"},
                                 {"map.sigma", "1"},
                                 {NULL, NULL}};

/* Cohen and Hoshen 2020, the same. */
static const dp_setting spade[] = {{"align", "none"},       {"align.polarity", "none"},
                                   {"layers.norm", "raw"},  {"layers.mix", "concat"},
                                   {"bank.layout", "flat"}, {"window", "global"},
                                   {"retrieval", "50"},     {"score", "retrieved"},
                                   {"map.sigma", "4"},      {NULL, NULL}};

static const dp_preset methods[] = {
    [DP_METHOD_DINOPATCH] = {{dinopatch}, DP_PRESET_CANVAS},
    [DP_METHOD_ANOMALYDINO] = {{dinopatch, anomalydino}, 0},
    [DP_METHOD_PATCHCORE] = {{dinopatch, patchcore},
                             DP_PRESET_CANVAS | DP_PRESET_LAYERS | DP_PRESET_MIXED | DP_PRESET_NEIGHBOURHOOD},
    [DP_METHOD_AUTO] = {{NULL},
                        DP_PRESET_WINDOW | DP_PRESET_SCORE} /* the defaults of the table: docs/method.md, section 4 */,
    [DP_METHOD_PADIM] = {{padim}, DP_PRESET_THREE},
    [DP_METHOD_SUBSPACE] = {{subspace}, DP_PRESET_MIDDLE | DP_PRESET_MIXED | DP_PRESET_ROTATIONS},
    [DP_METHOD_SUPERADD] = {{superadd}, DP_PRESET_SUPERADD},
    [DP_METHOD_RAD] = {{rad}, DP_PRESET_FOUR | DP_PRESET_NORMED},
    [DP_METHOD_SPADE] = {{spade}, DP_PRESET_THREE},
};

const dp_preset *dp_preset_of(dp_method method)
{
    return (size_t)method < sizeof methods / sizeof *methods ? &methods[method] : NULL;
}
