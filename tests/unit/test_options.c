/* SPDX-License-Identifier: Apache-2.0 */
/* test_options.c - tests the table of options: every row can be set, read back and refused, and survives the JSON of a
 * bank; every field has a row. */
#include "test.h"

#include "options/check.h"
#include "options/number.h"
#include "options/recipe_json.h"
#include "options/option_table.h"

#include <locale.h>
#include <math.h>

/* Values of an option that are right and differ, and one that is not. */
struct example {
    const char *key;
    const char *right[4];
    const char *wrong[8];
};

static const struct example examples[] = {
    {"method", {"patchcore", "dinopatch"}, {"", "Patchcore", "knn"}},
    {"align.canny", {"10,20.5", "0,0"}, {"auto", "5,", ",5", "6,5", "-1,5", "1,2,3", "1,2000001", "a,b"}},
    {"canvas",
     {"112x224", "auto:672", "auto"},
     {"112", "0x14", "14x", "x14", "14x14x14", "auto:0", "auto:", "70000x14"}},
    {"layers", {"-1", "2,5,8,11", "auto"}, {"", "1,", "1.5", "a", "-1000", ",1", "1 ,2"}},
    {"window", {"3", "global", "0"}, {"-1", "1.5", "Global", "65537", ""}},
    {"map",
     {"low=1", "low=0.5,high=2,median=3", "none"},
     {"low", "low=", "low=-1", "low=2,high=1", "width=1", "reading=clip", "median=2", "low=1,"}},
    {"map.median", {"3", "31", "off"}, {"2", "33", "-1", "1.5"}},
    {"features.neighbourhood", {"3", "1"}, {"0", "2", "4", "off", "3.0"}},
    {"pictures.rotations", {"8", "1"}, {"0", "2", "9"}},
    {"pictures.brightness", {"0.2", "0.9", "off"}, {"-0.1", "1", "20%"}},
    {"bank.pca", {"0.5", "12", "off"}, {"0", "1.0", "1.5", "-1", "1000001", "50%"}},
    {"bank.coreset", {"0.1", "40", "off"}, {"1.0", "1.5", "-1", "nan"}},
};

static const struct example *example_of(const char *key)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        if (!strcmp(examples[i].key, key))
            return &examples[i];
    return NULL;
}

static char *get(const dp_recipe *recipe, const char *key)
{
    char *text = NULL;
    assert_ok(dp_recipe_get(recipe, key, &text, err));
    return text;
}

/* Sets it, reads it back and sets what was read on another recipe. */
static void check_right(const dp_option *option, const char *text)
{
    dp_recipe recipe, again;
    dp_recipe_init(&recipe);
    dp_recipe_init(&again);
    assert_ok(dp_recipe_set(&recipe, option->key, text, err));
    if (!strcmp(option->key, "method"))
        return;
    char *read = get(&recipe, option->key);
    assert_ok(dp_recipe_set(&again, option->key, read, err));
    char *twice = get(&again, option->key);
    assert_string_equal(read, twice);
    dp_memory_free(twice);
    dp_memory_free(read);
    /* Layers that count from the end are settled before a bank holds them. */
    if (option->kind == DP_OPTION_LAYERS && text[0] == '-')
        return;
    char *json = NULL;
    dp_recipe back;
    assert_ok(dp_recipe_to_json(&recipe, &json, err));
    assert_ok(dp_recipe_from_json(json, "f", &back, err));
    back.preset = recipe.preset;
    assert_memory_equal(&recipe, &back, sizeof recipe);
    dp_memory_free(json);
}

static void check_wrong(const dp_option *option, const char *text)
{
    dp_recipe recipe, before;
    dp_recipe_init(&recipe);
    before = recipe;
    char front[128];
    snprintf(front, sizeof front, "%s %s: ", option->key, text);
    dp_error error = {0};
    dp_status status = dp_recipe_set(&recipe, option->key, text, &error);
    if (status != DP_E_ARGUMENT || strncmp(error.message, front, strlen(front)) != 0 || strstr(error.message, "--"))
        fail_msg("%s: status %d, %s", front, (int)status, error.message);
    assert_memory_equal(&recipe, &before, sizeof recipe);
}

static void every_row(void **state)
{
    (void)state;
    assert_null(dp_option_at(dp_option_count()));
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *option = dp_option_at(i);
        const struct example *example = example_of(option->key);
        char number[32];
        assert_true(option->help && *option->help && option->takes && *option->takes);
        if (option->alias) {
            assert_null(strchr(option->alias, '.'));
            for (size_t j = 0; j < i; j++)
                assert_true(!dp_option_at(j)->alias || strcmp(dp_option_at(j)->alias, option->alias) != 0);
        }
        for (size_t k = 0; example && k < 4 && example->right[k]; k++)
            check_right(option, example->right[k]);
        for (size_t k = 0; example && k < 8 && example->wrong[k]; k++)
            check_wrong(option, example->wrong[k]);
        for (int k = 0; k < dp_option_choices(option); k++)
            check_right(option, option->choices[k]);
        if (option->kind == DP_OPTION_CHOICE) {
            check_wrong(option, "qqq");
            check_wrong(option, "0");
        }
        if (option->kind == DP_OPTION_FLAG) {
            check_right(option, "yes");
            check_right(option, "no");
            check_wrong(option, "true");
            check_wrong(option, "1");
        }
        if (option->flags & DP_OPTION_OFF)
            check_right(option, "off");
        else
            check_wrong(option, "off");
        check_wrong(option, "nan");
        check_wrong(option, "0x1");
        if ((option->kind != DP_OPTION_WHOLE && option->kind != DP_OPTION_REAL) || option->choices)
            continue;
        bool odd = option->flags & DP_OPTION_ODD;
        double step = option->kind == DP_OPTION_WHOLE ? 1 : 1e-3;
        dp_number_write(odd && option->low == 0           ? 1
                        : option->flags & DP_OPTION_ABOVE ? option->low + step
                                                          : option->low,
                        number, sizeof number);
        check_right(option, number);
        dp_number_write(option->flags & DP_OPTION_BELOW ? option->high - step : option->high, number, sizeof number);
        check_right(option, number);
        dp_number_write(option->low - step, number, sizeof number);
        check_wrong(option, number);
        if (option->high >= 1e30) /* no upper end */
            continue;
        dp_number_write(option->high + (odd ? 2 : step), number, sizeof number);
        check_wrong(option, number);
    }
}

/* The fields of a recipe that no row of the table names by itself, and why. */
static const struct {
    size_t offset, size;
    const char *why;
} apart[] = {
    {offsetof(dp_recipe, n_layers), sizeof(size_t), "the length of layers, set with it"},
    {offsetof(dp_recipe, preset), sizeof(unsigned), "what a method left open until the network is known; not stored"},
};

static size_t size_of(const dp_option_row *row)
{
    switch (row->option.kind) {
    case DP_OPTION_CHOICE:
    case DP_OPTION_FLAG: return sizeof(int);
    case DP_OPTION_LAYERS: return sizeof(((dp_recipe *)0)->layers);
    default: return sizeof(size_t);
    }
}

/* Every byte belongs to exactly one row or to the list above; what is left is padding, which no alignment makes longer
 * than 4 bytes. */
static void every_field(void **state)
{
    (void)state;
    char owners[sizeof(dp_recipe)] = {0};
    _Static_assert(sizeof(double) == sizeof(size_t), "as size_of says");
    for (size_t i = 0; i < dp_option_rows; i++)
        for (size_t b = 0; dp_option_table[i].stored && b < size_of(&dp_option_table[i]); b++)
            owners[dp_option_table[i].offset + b]++;
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        for (size_t b = 0; b < apart[i].size; b++)
            owners[apart[i].offset + b]++;
    size_t gap = 0;
    for (size_t b = 0; b < sizeof owners; b++) {
        gap = owners[b] ? 0 : gap + 1;
        if (owners[b] > 1 || gap > 4 || (gap == 1 && b % 8 != 4))
            fail_msg("byte %zu of dp_recipe belongs to %d rows of the table", b, owners[b]);
    }
}

static void defaults(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    assert_true(recipe.fill == 0.95 && recipe.short_px == 256 && !recipe.canvas_height_px && !recipe.canvas_width_px);
    assert_true(recipe.align == DP_ALIGN_AUTO && recipe.layer_norm && recipe.window == 1 && recipe.knn == 1
                && recipe.preset == (DP_PRESET_WINDOW | DP_PRESET_SCORE) && recipe.fpr == 0.05);
    assert_true(recipe.polarity == DP_POLARITY_ROTATE && recipe.score == DP_SCORE_TOP1P && recipe.n_layers == 0);
    assert_ok(dp_recipe_check(&recipe, err));
}

static void methods(void **state)
{
    (void)state;
    for (int method = DP_METHOD_DINOPATCH; method <= DP_METHOD_AUTO; method++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, (dp_method)method);
        assert_ok(dp_recipe_check(&recipe, err));
        assert_int_equal(recipe.preset & DP_PRESET_LAYERS, method == DP_METHOD_PATCHCORE ? DP_PRESET_LAYERS : 0);
    }
    dp_recipe recipe, standard;
    dp_recipe_preset(&recipe, DP_METHOD_AUTO);
    dp_recipe_init(&standard);
    assert_memory_equal(&recipe, &standard, sizeof recipe);
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH); /* the paper's, one word away */
    assert_true(recipe.align == DP_ALIGN_PCA && recipe.polarity == DP_POLARITY_ROTATE && recipe.fill == sqrt(3.0) / 2
                && recipe.canvas_height_px == 784 && recipe.canvas_width_px == 784 && !recipe.short_px
                && !recipe.layer_norm && recipe.window == 0 && recipe.preset == DP_PRESET_CANVAS);
    dp_recipe_preset(&recipe, DP_METHOD_ANOMALYDINO);
    assert_true(recipe.align == DP_ALIGN_NONE && recipe.edge_px == 448 && !recipe.canvas_height_px
                && !recipe.canvas_width_px && recipe.rotations == 8 && recipe.layout == DP_LAYOUT_FLAT
                && recipe.metric == DP_METRIC_COSINE && recipe.window == DP_WINDOW_GLOBAL
                && recipe.score == DP_SCORE_TOP1P && recipe.map_sigma_px == 4
                && recipe.background_rule == DP_BACKGROUND_LIST && recipe.polarity == DP_POLARITY_NONE);
    dp_recipe_preset(&recipe, DP_METHOD_PATCHCORE);
    assert_true(recipe.canvas_height_px == 448 && recipe.canvas_width_px == 448 && recipe.n_layers == 2
                && recipe.layers[0] == (size_t)-5 && recipe.layers[1] == (size_t)-4
                && recipe.layer_mix == DP_LAYERS_CONCAT && recipe.neighbourhood == 3 && recipe.coreset == 0.1
                && recipe.score == DP_SCORE_MAX && recipe.reweight == 9 && recipe.map_sigma_px == 4
                && recipe.layout == DP_LAYOUT_FLAT);
    /* What a person names is meant as it is. */
    assert_ok(dp_recipe_set(&recipe, "layers", "-5,-4", err));
    assert_int_equal(recipe.preset, DP_PRESET_CANVAS | DP_PRESET_NEIGHBOURHOOD | DP_PRESET_MIXED);
}

static void set(dp_recipe *recipe, const char *key, const char *text)
{
    assert_ok(dp_recipe_set(recipe, key, text, err));
}

/* Command lines and banks of earlier versions say "pool". */
static void old_words(void **state)
{
    (void)state;
    dp_recipe recipe, read;
    char *json = NULL;
    dp_recipe_init(&recipe);
    set(&recipe, "bank.layout", "pool");
    assert_int_equal(recipe.layout, DP_LAYOUT_FLAT);
    assert_ok(dp_recipe_to_json(&recipe, &json, err));
    char *word = strstr(json, "\"flat\"");
    assert_non_null(word);
    memcpy(word, "\"pool\"", 6);
    assert_ok(dp_recipe_from_json(json, "old.bank", &read, err));
    assert_int_equal(read.layout, DP_LAYOUT_FLAT);
    dp_memory_free(json);
}

static void options_that_replace_others(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    set(&recipe, "edge", "256");
    assert_true(recipe.edge_px == 256 && !recipe.canvas_height_px && !recipe.canvas_width_px);
    set(&recipe, "crop", "224");
    set(&recipe, "canvas", "112x112");
    assert_true(!recipe.edge_px && !recipe.crop_px && recipe.canvas_width_px == 112);
    set(&recipe, "edge", "256");
    set(&recipe, "edge", "off");
    assert_true(!recipe.edge_px && recipe.canvas_height_px == 784 && recipe.canvas_width_px == 784);
    set(&recipe, "search.blend", "0.5");
    set(&recipe, "window", "2");
    assert_true(recipe.blend == 0.5);
    set(&recipe, "window", "global");
    assert_true(recipe.blend == 0);
    set(&recipe, "score.reweight", "9");
    set(&recipe, "score", "max");
    assert_int_equal(recipe.reweight, 9);
    set(&recipe, "score", "mean");
    assert_int_equal(recipe.reweight, 0);
}

/* Each rule refuses what breaks it, and names the keys. */
static void rules(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4][2];
        const char *message;
    } wrong[] = {
        {{{"pictures.rotations", "8"}}, "pictures.rotations=8 needs align=none"},
        {{{"edge", "224"}}, "edge keeps the aspect ratio"},
        {{{"edge", "224"}, {"align", "none"}}, "bank.layout=flat, or crop"},
        {{{"align", "none"}, {"edge", "224"}, {"crop", "225"}}, "crop=225 needs"},
        {{{"align", "none"}, {"crop", "112"}}, "crop=112 needs"},
        {{{"bank.layout", "flat"}, {"bank.kmeans", "3"}}, "bank.kmeans needs bank.layout=grid"},
        {{{"bank.coreset", "0.1"}}, "bank.coreset needs bank.layout=flat"},
        {{{"layers.mix", "separate"}, {"bank.pca", "0.9"}}, "bank.pca excludes layers.mix=separate"},
        {{{"bank.layout", "flat"}, {"search.blend", "0.5"}}, "search.blend needs bank.layout=grid"},
        {{{"window", "global"}, {"search.blend", "0.5"}}, "search.blend needs bank.layout=grid"},
        {{{"score.reweight", "9"}, {"score", "max"}}, "score.reweight needs bank.layout=flat and score=max"},
        {{{"bank.layout", "flat"}, {"score.reweight", "9"}}, "score.reweight needs bank.layout=flat and score=max"},
        {{{"bank.layout", "flat"}, {"score", "max"}, {"score.reweight", "9"}, {"layers.mix", "separate"}},
         "excludes layers.mix=separate"},
        {{{"background", "reference"}}, "background=reference needs bank.layout=flat"},
        {{{"background", "reference"}, {"bank.layout", "flat"}, {"bank.pca", "0.9"}}, "background=reference needs"},
        {{{"map.low", "2"}, {"map.high", "1"}}, "map.high 1 lies below map.low 2"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        dp_recipe recipe;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        for (size_t k = 0; k < 4 && wrong[i].settings[k][0]; k++)
            set(&recipe, wrong[i].settings[k][0], wrong[i].settings[k][1]);
        assert_fails(DP_E_ARGUMENT, wrong[i].message, dp_recipe_check(&recipe, err));
    }
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    recipe.canny_high = 20;
    assert_fails(DP_E_ARGUMENT, "align.canny 50,20", dp_recipe_check(&recipe, err));
    dp_recipe_init(&recipe);
    recipe.fpr = 1;
    assert_fails(DP_E_ARGUMENT, "fpr is 1; give a number above 0 and below 1", dp_recipe_check(&recipe, err));
    recipe.fpr = 0.5;
    recipe.metric = (dp_metric)7;
    assert_fails(DP_E_ARGUMENT, "search.metric: there is no choice number 7", dp_recipe_check(&recipe, err));
    dp_recipe_init(&recipe);
    recipe.rotations = SIZE_MAX;
    assert_fails(DP_E_ARGUMENT, "pictures.rotations is", dp_recipe_check(&recipe, err));
    dp_recipe_init(&recipe);
    recipe.blend = 0.5;
    assert_ok(dp_check_pictures(&recipe, 2, err));
    assert_fails(DP_E_ARGUMENT, "two pictures", dp_check_pictures(&recipe, 1, err));
}

static void names(void **state)
{
    (void)state;
    dp_recipe recipe;
    char *text = NULL;
    dp_recipe_init(&recipe);
    assert_string_equal(dp_option_choice("search.metric", DP_METRIC_COSINE), "cosine");
    assert_string_equal(dp_option_choice("search.metric", 9), "?");
    assert_string_equal(dp_option_choice("colour", 0), "?");
    assert_fails(DP_E_ARGUMENT, "'colour'", dp_recipe_set(&recipe, "colour", "red", err));
    assert_fails(DP_E_ARGUMENT, "'colour'", dp_recipe_get(&recipe, "colour", &text, err));
    assert_fails(DP_E_ARGUMENT, "method", dp_recipe_get(&recipe, "method", &text, err));
    assert_fails(DP_E_ARGUMENT, "'sample_white'", dp_recipe_set(&recipe, "sample_white", "1", err));
    assert_null(text);
}

/* The decimal point is a point, whatever the locale says. */
static void locales(void **state)
{
    (void)state;
    static const char *const candidates[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"};
    bool there = false;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !there; i++)
        there = setlocale(LC_NUMERIC, candidates[i]) != NULL;
    dp_recipe recipe;
    dp_recipe_init(&recipe);
    set(&recipe, "align.fill", "0.75");
    assert_true(recipe.fill == 0.75);
    char *text = get(&recipe, "align.fill");
    assert_string_equal(text, "0.75");
    dp_memory_free(text);
    setlocale(LC_NUMERIC, "C");
    if (!there)
        print_message("no locale with a decimal comma is installed: only the C locale was tried\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_field),
        cmocka_unit_test(defaults),
        cmocka_unit_test(methods),
        cmocka_unit_test(options_that_replace_others),
        cmocka_unit_test(rules),
        cmocka_unit_test(names),
        cmocka_unit_test(locales),
        cmocka_unit_test(old_words),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
