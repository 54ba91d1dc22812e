/* SPDX-License-Identifier: Apache-2.0 */
/* recipe_json.c - a recipe as JSON, row by row of the table of options. */
#include "options/recipe_json.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_size.h"
#include "format/json_text.h"
#include "options/option_table.h"

#include <jansson.h>
#include <string.h>

#define MAX_VALUES 1024 /* a recipe has about 40, and its layers */

/* Returns whether a bank may hold this value: the range of the option, both ends allowed. */
static bool holds(const dp_option *option, double value)
{
    dp_option wide = *option;
    wide.flags = (option->flags & ~(unsigned)(DP_OPTION_ABOVE | DP_OPTION_BELOW | DP_OPTION_ODD))
                 | (value == 0 ? option->flags & DP_OPTION_OFF : 0);
    return dp_option_holds(&wide, value);
}

static dp_status out_of_range(const dp_option_row *row, double value, dp_status status, const char *what, dp_error *err)
{
    return dp_fail(err, status, "%s: recipe field '%s' is %g; it must lie between %g and %g", what, row->stored, value,
                   row->option.low, row->option.high);
}

/* ------------------------------------------------------------------------------------------------------------- to JSON
 */

/* NULL: no memory. */
static json_t *write_layers(const dp_recipe *recipe)
{
    json_t *list = json_array();
    for (size_t i = 0; i < recipe->n_layers; i++) {
        if (json_array_append_new(list, json_integer((json_int_t)recipe->layers[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static dp_status write_field(const dp_recipe *recipe, const dp_option_row *row, json_t **value, dp_error *err)
{
    const char *what = "the recipe";
    const dp_option *option = &row->option;
    if (option->kind == DP_OPTION_LAYERS) {
        if (recipe->n_layers > DP_MAX_LAYERS)
            return dp_fail(err, DP_E_ARGUMENT, "%s: %zu layers; at most %d", what, recipe->n_layers, DP_MAX_LAYERS);
        *value = write_layers(recipe);
        return DP_OK;
    }
    double number = dp_option_value(row, recipe);
    if (option->kind == DP_OPTION_CHOICE && !holds(option, number))
        return dp_fail(err, DP_E_ARGUMENT, "%s: field '%s' has no choice number %.0f", what, row->stored, number);
    if (!holds(option, number))
        return out_of_range(row, number, DP_E_ARGUMENT, what, err);
    switch (option->kind) {
    case DP_OPTION_CHOICE: *value = json_string(option->choices[(int)number]); break;
    case DP_OPTION_FLAG: *value = json_boolean(number != 0); break;
    case DP_OPTION_WHOLE: *value = json_integer((json_int_t)number); break;
    case DP_OPTION_WINDOW:
        *value = number >= (double)DP_WINDOW_GLOBAL ? json_string("global") : json_integer((json_int_t)number);
        break;
    default: *value = json_real(number); break;
    }
    return DP_OK;
}

dp_status dp_recipe_to_json(const dp_recipe *recipe, char **text, dp_error *err)
{
    json_t *object = json_object();
    char *made = NULL;
    dp_status status = DP_OK;
    int failed = !object;
    for (size_t i = 0; i < dp_option_rows && !failed; i++) {
        const dp_option_row *row = &dp_option_table[i];
        json_t *value = NULL;
        if (!row->stored)
            continue;
        status = write_field(recipe, row, &value, err);
        if (status)
            goto done;
        failed = json_object_set_new(object, row->stored, value);
    }
    made = failed ? NULL : dp_json_text(object);
    if (!made)
        status = dp_fail_memory(err, "the recipe", 0);
    else
        *text = made;
done:
    json_decref(object);
    return status;
}

/* ----------------------------------------------------------------------------------------------------------- from JSON
 */

static dp_status wrong_type(const dp_option_row *row, const char *expected, const char *what, dp_error *err)
{
    return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is not %s", what, row->stored, expected);
}

static dp_status read_whole(const json_t *value, const dp_option_row *row, const char *what, double *number,
                            dp_error *err)
{
    if (!json_is_integer(value))
        return wrong_type(row, row->option.kind == DP_OPTION_WINDOW ? "a whole number or \"global\"" : "a whole number",
                          what, err);
    *number = (double)json_integer_value(value);
    if (row->option.kind == DP_OPTION_LAYERS ? !(*number >= row->option.low && *number <= row->option.high)
                                             : !holds(&row->option, *number))
        return out_of_range(row, *number, DP_E_FORMAT, what, err);
    return DP_OK;
}

static dp_status read_choice(const json_t *value, const dp_option_row *row, const char *what, double *choice,
                             dp_error *err)
{
    const char *name = json_string_value(value);
    if (!name)
        return wrong_type(row, "a string", what, err);
    int found = dp_option_choice_of(&row->option, name);
    if (found >= 0) {
        *choice = found;
        return DP_OK;
    }
    return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is '%s', which is not one of its choices", what,
                   row->stored, name);
}

static dp_status read_layers(const json_t *value, const dp_option_row *row, const char *what, dp_recipe *recipe,
                             dp_error *err)
{
    dp_status status = DP_OK;
    if (!json_is_array(value))
        return wrong_type(row, "a list of numbers", what, err);
    if (json_array_size(value) > DP_MAX_LAYERS)
        return dp_fail(err, DP_E_FORMAT, "%s: recipe names %zu layers; at most %d", what, json_array_size(value),
                       DP_MAX_LAYERS);
    recipe->n_layers = json_array_size(value);
    for (size_t i = 0; i < recipe->n_layers && !status; i++) {
        double number = 0;
        status = read_whole(json_array_get(value, i), row, what, &number, err);
        recipe->layers[i] = (size_t)number;
    }
    return status;
}

static dp_status read_field(const json_t *value, const dp_option_row *row, const char *what, dp_recipe *recipe,
                            dp_error *err)
{
    dp_status status = DP_OK;
    double number = 0;
    switch (row->option.kind) {
    case DP_OPTION_LAYERS: return read_layers(value, row, what, recipe, err);
    case DP_OPTION_CHOICE: status = read_choice(value, row, what, &number, err); break;
    case DP_OPTION_FLAG:
        if (!json_is_boolean(value))
            return wrong_type(row, "true or false", what, err);
        number = json_is_true(value);
        break;
    case DP_OPTION_WINDOW:
        if (json_is_string(value) && !strcmp(json_string_value(value), "global"))
            number = (double)DP_WINDOW_GLOBAL;
        else
            status = read_whole(value, row, what, &number, err);
        break;
    case DP_OPTION_WHOLE: status = read_whole(value, row, what, &number, err); break;
    default:
        if (!json_is_number(value))
            return wrong_type(row, "a number", what, err);
        number = json_number_value(value);
        if (!holds(&row->option, number))
            return out_of_range(row, number, DP_E_FORMAT, what, err);
        break;
    }
    if (!status)
        dp_option_put(row, recipe, number);
    return status;
}

/* Reads a field of earlier versions. It is accepted if its value means what all banks now mean. */
static dp_status read_retired(const char *name, const json_t *value, const char *what, dp_error *err)
{
    const char *text = json_string_value(value);
    if (!strcmp(name, "canny_auto") ? json_is_false(value)
                                    : !strcmp(name, "post.reading") && text && !strcmp(text, "hysteresis"))
        return DP_OK;
    if (!strcmp(name, "canny_auto") && json_is_true(value))
        return dp_fail(err, DP_E_FORMAT,
                       "%s: its edges were found with thresholds from each picture's median, which this version cannot "
                       "do; fit the bank again",
                       what);
    if (!strcmp(name, "post.reading") && text && (!strcmp(text, "band") || !strcmp(text, "clip")))
        return dp_fail(err, DP_E_FORMAT,
                       "%s: its maps are read as '%s', which this version cannot do; fit the bank again", what, text);
    return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is unknown", what, name);
}

static dp_status read_object(const json_t *object, const char *what, dp_recipe *recipe, dp_error *err)
{
    if (!json_is_object(object))
        return dp_fail(err, DP_E_FORMAT, "%s: the recipe is not a JSON object", what);
    for (size_t i = 0; i < dp_option_rows; i++) {
        const dp_option_row *row = &dp_option_table[i];
        const json_t *value = row->stored ? json_object_get(object, row->stored) : NULL;
        if (!value && (!row->stored || row->late)) {
            if (row->late_standard)
                dp_option_put(row, recipe, row->standard);
            continue; /* banks made before there was such a field */
        }
        if (!value)
            return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is missing", what, row->stored);
        dp_status status = read_field(value, row, what, recipe, err);
        if (status)
            return status;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;
        while (i < dp_option_rows && (!dp_option_table[i].stored || strcmp(dp_option_table[i].stored, name) != 0))
            i++;
        dp_status status = i == dp_option_rows ? read_retired(name, value, what, err) : DP_OK;
        if (status)
            return status;
    }
    return DP_OK;
}

dp_status dp_recipe_from_json(const char *text, const char *what, dp_recipe *recipe, dp_error *err)
{
    size_t bytes = strlen(text);
    if (dp_json_values(text, bytes) > MAX_VALUES)
        return dp_fail(err, DP_E_FORMAT, "%s: the recipe holds more values than any recipe needs", what);
    json_error_t json;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &json);
    if (!object)
        return dp_fail(err, DP_E_FORMAT, "%s: the recipe is not JSON: %s", what, json.text);
    dp_recipe read = {0};
    dp_status status = read_object(object, what, &read, err);
    if (!status)
        *recipe = read;
    json_decref(object);
    return status;
}
