/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - converts options from text and back, for --set, the long options and configuration files. */
#include "base/error.h"
#include "base/memory.h"
#include "options/check.h"
#include "options/number.h"
#include "options/option_table.h"
#include "options/presets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STANDARD_WIDTH 784 /* width for the canvas "auto" */
#define MAP_PREFIX "map."

/* Each reader below returns DP_OK or fails with what to give instead; dp_recipe_set puts key and text in front. */

static dp_status read_choice(const dp_option *option, const char *text, int *choice, dp_error *err)
{
    char list[256];
    int found = dp_option_choice_of(option, text);
    if (found >= 0) {
        *choice = found;
        return DP_OK;
    }
    for (size_t i = 0, at = 0; option->choices[i] && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", option->choices[i]);
    return dp_fail(err, DP_E_ARGUMENT, "is not one of %s", list);
}

static dp_status read_flag(const char *text, int *flag, dp_error *err)
{
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return dp_fail(err, DP_E_ARGUMENT, "give yes or no");
    *flag = text[0] == 'y';
    return DP_OK;
}

/* Reads a whole number in the first characters, between low and high. */
static bool read_whole(const char *text, size_t length, double low, double high, double *value)
{
    char copy[32];
    if (!length || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return dp_number_length(copy, true) == length && dp_number_read(copy, length, value) && *value >= low
           && *value <= high;
}

static dp_status read_layers(const char *text, dp_recipe *recipe, dp_error *err)
{
    size_t layers[DP_MAX_LAYERS], n = 0;
    const char *at = text;
    bool good = strcmp(text, "auto") != 0;
    while (good) {
        size_t length = strcspn(at, ",");
        double value;
        good = n < DP_MAX_LAYERS && read_whole(at, length, -999, 999, &value);
        if (good)
            layers[n++] = value < 0 ? (size_t)0 - (size_t)-value
                                    : (size_t)value; /* negative ones are resolved when the depth is known */
        if (!at[length])
            break;
        at += length + 1;
    }
    if (!good && strcmp(text, "auto") != 0)
        return dp_fail(err, DP_E_ARGUMENT,
                       "give at most %d block numbers with commas between them, such as -1 or 2,5,8,11, or auto",
                       DP_MAX_LAYERS);
    memset(recipe->layers, 0, sizeof recipe->layers);
    memcpy(recipe->layers, layers, n * sizeof *layers);
    recipe->n_layers = n;
    return DP_OK;
}

static dp_status read_canvas(const dp_option *option, const char *text, dp_recipe *recipe, dp_error *err)
{
    double height = 0, width = STANDARD_WIDTH;
    size_t x = strcspn(text, "x");
    bool good = !strcmp(text, "auto");
    if (!good && !strncmp(text, "auto:", 5))
        good = read_whole(text + 5, strlen(text + 5), option->low, option->high, &width);
    else if (!good)
        good = text[x] && read_whole(text, x, option->low, option->high, &height)
               && read_whole(text + x + 1, strlen(text + x + 1), option->low, option->high, &width);
    if (!good)
        return dp_fail(err, DP_E_ARGUMENT, "give HEIGHTxWIDTH with sides from %.0f to %.0f, auto, or auto:WIDTH",
                       option->low, option->high);
    recipe->canvas_height_px = (size_t)height;
    recipe->canvas_width_px = (size_t)width;
    return DP_OK;
}

static dp_status read_canny(const dp_option *option, const char *text, dp_recipe *recipe, dp_error *err)
{
    size_t first = strcspn(text, ","), second = text[first] ? strlen(text + first + 1) : 0;
    double low, high;
    if (!first || !second || dp_number_length(text, false) != first
        || dp_number_length(text + first + 1, false) != second || !dp_number_read(text, first, &low)
        || !dp_number_read(text + first + 1, second, &high) || low < 0 || high < low || high > option->high)
        return dp_fail(err, DP_E_ARGUMENT, "give LOW,HIGH with 0 <= LOW <= HIGH <= %.0f", option->high);
    recipe->canny_low = low;
    recipe->canny_high = high;
    return DP_OK;
}

static dp_status read_window(const dp_option *option, const char *text, size_t *window, dp_error *err)
{
    double cells;
    if (!strcmp(text, "global")) {
        *window = DP_WINDOW_GLOBAL;
        return DP_OK;
    }
    if (!read_whole(text, strlen(text), option->low, option->high, &cells))
        return dp_fail(err, DP_E_ARGUMENT, "give a whole number of cells from %.0f to %.0f, or global", option->low,
                       option->high);
    *window = (size_t)cells;
    return DP_OK;
}

/* Returns whether a row is one of map.KEY, which "map" sets together. */
static bool is_of_map(const dp_option_row *row)
{
    return row->option.key && row->stored && !strncmp(row->stored, "post.", 5);
}

/* Reads one KEY=VALUE of the option map. */
static dp_status read_map_entry(const char *entry, size_t length, dp_recipe *recipe, dp_error *err)
{
    char key[64], value[64];
    size_t equals = 0;
    while (equals < length && entry[equals] != '=')
        equals++;
    if (equals < length && equals < sizeof key - sizeof MAP_PREFIX && length - equals <= sizeof value) {
        snprintf(key, sizeof key, MAP_PREFIX "%.*s", (int)equals, entry);
        snprintf(value, sizeof value, "%.*s", (int)(length - equals - 1), entry + equals + 1);
        const dp_option_row *row = dp_option_find(key);
        if (row && is_of_map(row))
            return dp_recipe_set(recipe, key, value, err);
    }
    char keys[256];
    for (size_t i = 0, at = 0; i < dp_option_rows && at < sizeof keys; i++)
        if (is_of_map(&dp_option_table[i]))
            at += (size_t)snprintf(keys + at, sizeof keys - at, "%s%s=%s", at ? ", " : "",
                                   dp_option_table[i].option.key + strlen(MAP_PREFIX), dp_option_table[i].option.takes);
    return dp_fail(err, DP_E_ARGUMENT, "'%.*s' is not one of %s", (int)length, entry, keys);
}

/* Options that are not named are off. */
static dp_status read_map(const char *text, dp_recipe *recipe, dp_error *err)
{
    dp_post_init(&recipe->post);
    if (!strcmp(text, "none"))
        return DP_OK;
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        dp_status status = read_map_entry(at, length, recipe, err);
        if (status)
            return status;
        if (!at[length])
            return dp_post_check(&recipe->post, err);
        at += length + 1;
    }
}

static dp_status read_method(const dp_option *option, const char *text, dp_recipe *recipe, dp_error *err)
{
    int method = 0;
    dp_status status = read_choice(option, text, &method, err);
    if (!status)
        dp_recipe_preset(recipe, (dp_method)method);
    return status;
}

static dp_status read_option(const dp_option_row *row, const char *text, dp_recipe *recipe, dp_error *err)
{
    const dp_option *option = &row->option;
    double value = 0;
    int number = 0;
    size_t window = 0;
    dp_status status;
    switch (option->kind) {
    case DP_OPTION_LAYERS: return read_layers(text, recipe, err);
    case DP_OPTION_CANVAS: return read_canvas(option, text, recipe, err);
    case DP_OPTION_CANNY: return read_canny(option, text, recipe, err);
    case DP_OPTION_MAP: return read_map(text, recipe, err);
    case DP_OPTION_WINDOW:
        status = read_window(option, text, &window, err);
        if (!status)
            recipe->window = window;
        return status;
    case DP_OPTION_CHOICE:
        if (!row->stored)
            return read_method(option, text, recipe, err);
        status = read_choice(option, text, &number, err);
        value = number;
        break;
    case DP_OPTION_FLAG:
        status = read_flag(text, &number, err);
        value = number;
        break;
    default: status = dp_option_read(option, text, &value, err); break;
    }
    if (!status)
        dp_option_put(row, recipe, value);
    return status;
}

/* Clears options that exclude the new value and came from a method or a bank. */
static void let_go(const dp_option_row *row, dp_recipe *recipe)
{
    const char *key = row->option.key;
    if (!strcmp(key, "canvas"))
        recipe->edge_px = recipe->crop_px = recipe->short_px = 0;
    if (!strcmp(key, "size")) {
        recipe->canvas_height_px = recipe->canvas_width_px = recipe->short_px ? 0 : STANDARD_WIDTH;
        recipe->edge_px = recipe->crop_px = 0;
    }
    if (!strcmp(key, "edge") && recipe->edge_px)
        recipe->canvas_height_px = recipe->canvas_width_px = recipe->short_px = 0;
    if (!strcmp(key, "edge") && !recipe->edge_px) {
        recipe->crop_px = 0;
        if (!recipe->short_px && !recipe->canvas_width_px)
            recipe->canvas_height_px = recipe->canvas_width_px = STANDARD_WIDTH;
    }
    if ((!strcmp(key, "window") || !strcmp(key, "bank.layout"))
        && (recipe->layout == DP_LAYOUT_FLAT || recipe->window == DP_WINDOW_GLOBAL))
        recipe->blend = recipe->order = 0;
    if ((!strcmp(key, "layers") && recipe->n_layers) || (!strcmp(key, "layers.mix"))
        || (!strcmp(key, "features.neighbourhood") && recipe->neighbourhood != 1))
        recipe->layer_norm = recipe->layer_norm == DP_LAYER_NORM_RAW && recipe->neighbourhood == 1 ? DP_LAYER_NORM_RAW
                                                                                                   : DP_LAYER_NORM_NONE;
    if (recipe->layer_norm != DP_LAYER_NORM_RAW && strcmp(key, "features.channels") != 0)
        recipe->channels = 0;
    if (!strcmp(key, "score") && recipe->score != DP_SCORE_MAX)
        recipe->reweight = 0;
    recipe->preset &= ~row->preset;
}

dp_status dp_recipe_set(dp_recipe *recipe, const char *key, const char *text, dp_error *err)
{
    const dp_option_row *row = dp_option_find(key);
    if (!row)
        return dp_fail(err, DP_E_ARGUMENT, "there is no option '%s'", key);
    dp_recipe changed = *recipe;
    dp_status status = read_option(row, text, &changed, err);
    if (status)
        return dp_error_prefix(err, status, "%s %s", key, text);
    let_go(row, &changed);
    *recipe = changed;
    return DP_OK;
}

void dp_recipe_preset(dp_recipe *recipe, dp_method method)
{
    const dp_preset *preset = dp_preset_of(method);
    dp_recipe_init(recipe);
    if (!preset)
        return;
    for (size_t i = 0; i < sizeof preset->settings / sizeof *preset->settings; i++)
        for (const dp_setting *s = preset->settings[i]; s && s->key; s++)
            (void)dp_recipe_set(recipe, s->key, s->text, NULL); /* test_options sets each of them */
    recipe->preset = preset->open;
}

/* ----------------------------------------------------------------------------------------------------------- to text
 */

#define LONGEST 1024 /* of a list of DP_MAX_LAYERS numbers of at most 20 digits */

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, LONGEST - length, format, args);
    va_end(args);
}

static void write_layers(const dp_recipe *recipe, char *text)
{
    if (!recipe->n_layers)
        append(text, "auto");
    for (size_t i = 0; i < recipe->n_layers; i++)
        append(text, "%s%lld", i ? "," : "", (long long)recipe->layers[i]);
}

static void write_map(const dp_recipe *recipe, char *text)
{
    const dp_post *post = &recipe->post;
    bool objects = post->low > 0 || post->high > 0, sizes = objects && (post->min_object > 1 || post->max_hole);
    for (size_t i = 0; i < dp_option_rows; i++) {
        const dp_option_row *row = &dp_option_table[i];
        if (!is_of_map(row))
            continue;
        const char *key = row->option.key + strlen(MAP_PREFIX);
        double value = dp_option_value(row, recipe);
        bool off = value == 0 || (row->option.kind == DP_OPTION_WHOLE && value == 1 && strcmp(key, "max-hole") != 0);
        bool says = !strcmp(key, "unit")                                     ? sizes
                    : !strcmp(key, "min-object") || !strcmp(key, "max-hole") ? objects && !off
                                                                             : !off;
        char number[32];
        dp_number_write(value, number, sizeof number);
        if (says)
            append(text, "%s%s=%s", *text ? "," : "", key,
                   row->option.choices ? row->option.choices[(int)value] : number);
    }
    if (!*text)
        append(text, "none");
}

static void write_option(const dp_option_row *row, const dp_recipe *recipe, char *text)
{
    char a[32], b[32];
    double value = 0;
    switch (row->option.kind) {
    case DP_OPTION_LAYERS: write_layers(recipe, text); return;
    case DP_OPTION_MAP: write_map(recipe, text); return;
    case DP_OPTION_CANVAS:
        if (recipe->canvas_height_px)
            append(text, "%zux%zu", recipe->canvas_height_px, recipe->canvas_width_px);
        else
            append(text, recipe->canvas_width_px == STANDARD_WIDTH || !recipe->canvas_width_px ? "auto" : "auto:%zu",
                   recipe->canvas_width_px);
        return;
    case DP_OPTION_CANNY:
        dp_number_write(recipe->canny_low, a, sizeof a);
        dp_number_write(recipe->canny_high, b, sizeof b);
        append(text, "%s,%s", a, b);
        return;
    default: value = dp_option_value(row, recipe);
    }
    if (row->option.kind == DP_OPTION_CHOICE)
        append(text, "%s", row->option.choices[(int)value]);
    else if (row->option.kind == DP_OPTION_FLAG)
        append(text, "%s", value != 0 ? "yes" : "no");
    else if (row->option.kind == DP_OPTION_WINDOW && recipe->window == DP_WINDOW_GLOBAL)
        append(text, "global");
    else if (value == 0 && row->option.flags & DP_OPTION_OFF)
        append(text, "off");
    else {
        dp_number_write(value, a, sizeof a);
        append(text, "%s", a);
    }
}

dp_status dp_recipe_get(const dp_recipe *recipe, const char *key, char **text, dp_error *err)
{
    const dp_option_row *row = dp_option_find(key);
    if (!row)
        return dp_fail(err, DP_E_ARGUMENT, "there is no option '%s'", key);
    if (row->option.kind == DP_OPTION_CHOICE && !row->stored)
        return dp_fail(err, DP_E_ARGUMENT, "%s: a recipe holds what the method set, not its name", key);
    dp_status status = dp_recipe_check_ranges(recipe, err);
    if (status)
        return status;
    char written[LONGEST] = "";
    write_option(row, recipe, written);
    char *copy = dp_strdup(written);
    if (!copy)
        return dp_fail_memory(err, key, strlen(written) + 1);
    *text = copy;
    return DP_OK;
}
