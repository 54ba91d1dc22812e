/* recipe_json.c - one table says what a recipe's fields are called, of which kind they are and what they may hold. */
#include "bank/recipe_json.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_size.h"
#include "format/json_text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define MAX_VALUES 1024 /* of which a recipe has some 40, and its layers */

enum kind { CHOICE, SIZE, REAL, FLAG, LAYERS, WINDOW };

static const char *const aligns[] = {[DP_ALIGN_PCA] = "pca", [DP_ALIGN_NONE] = "none", NULL};
static const char *const polarities[] = {
    [DP_POLARITY_MIRROR] = "mirror", [DP_POLARITY_ROTATE] = "rotate", [DP_POLARITY_NONE] = "none", NULL};
static const char *const layer_mixes[] = {[DP_LAYERS_MEAN] = "mean", [DP_LAYERS_CONCAT] = "concat", [DP_LAYERS_SEPARATE] = "separate", NULL};
static const char *const precisions[] = {[DP_FP32] = "fp32", [DP_INT8] = "int8", NULL};
static const char *const layouts[] = {[DP_LAYOUT_GRID] = "grid", [DP_LAYOUT_POOL] = "pool", NULL};
static const char *const storages[] = {
    [DP_STORAGE_F32] = "f32", [DP_STORAGE_F16] = "f16", [DP_STORAGE_I8] = "int8", NULL};
static const char *const metrics[] = {[DP_METRIC_L2] = "l2", [DP_METRIC_COSINE] = "cosine", NULL};
static const char *const backgrounds[] = {[DP_BACKGROUND_NONE] = "none", [DP_BACKGROUND_TEST] = "test",
                                          [DP_BACKGROUND_REFERENCE] = "reference", [DP_BACKGROUND_BOTH] = "both", NULL};
static const char *const background_rules[] = {[DP_BACKGROUND_CELLS] = "cells", [DP_BACKGROUND_LIST] = "list", NULL};
static const char *const rois[] = {[DP_ROI_NONE] = "none", [DP_ROI_FIXED] = "fixed", [DP_ROI_OBJECT] = "object", NULL};
static const char *const readings[] = {
    [DP_READING_HYSTERESIS] = "hysteresis", [DP_READING_BAND] = "band", [DP_READING_CLIP] = "clip", NULL};
static const char *const units[] = {[DP_UNIT_CELLS] = "cells", [DP_UNIT_PIXELS] = "pixels", NULL};
static const char *const scores[] = {
    [DP_SCORE_MAX] = "max", [DP_SCORE_MEAN] = "mean", [DP_SCORE_P99] = "p99", [DP_SCORE_TOP1P] = "top1p", NULL};

_Static_assert(sizeof(dp_align) == sizeof(int) && sizeof(dp_score) == sizeof(int),
               "choices are read and written as int");

#define FIELD(member) #member, offsetof(dp_recipe, member)

static const struct field {
    enum kind kind;
    const char *name;
    size_t offset;
    const char *const *choices; /* NULL-terminated; of a CHOICE */
    double low, high;           /* of a SIZE or a REAL, both allowed */
} fields[] = {
    {CHOICE, FIELD(align), aligns, 0, 0},
    {SIZE, FIELD(blur_px), NULL, 1, 1e6},
    {REAL, FIELD(canny_low), NULL, 0, 1e9},
    {REAL, FIELD(canny_high), NULL, 0, 1e9},
    {FLAG, FIELD(canny_auto), NULL, 0, 0},
    {REAL, FIELD(fill), NULL, 1e-6, 1e6},
    {SIZE, FIELD(canvas_height_px), NULL, 0, 1e6}, /* 0: to be chosen; never in a bank that is finished */
    {SIZE, FIELD(canvas_width_px), NULL, 0, 1e6},
    {SIZE, FIELD(edge_px), NULL, 0, 1e6},
    {SIZE, FIELD(crop_px), NULL, 0, 1e6},
    {SIZE, FIELD(sample_white), NULL, 0, 65535},
    {CHOICE, FIELD(polarity), polarities, 0, 0},
    {LAYERS, FIELD(layers), NULL, 0, 1e6},
    {CHOICE, FIELD(layer_mix), layer_mixes, 0, 0},
    {CHOICE, FIELD(precision), precisions, 0, 0},
    {SIZE, FIELD(neighbourhood), NULL, 1, 3},
    {CHOICE, FIELD(layout), layouts, 0, 0},
    {CHOICE, FIELD(storage), storages, 0, 0},
    {REAL, FIELD(pca), NULL, 0, 1e6},
    {SIZE, FIELD(kmeans), NULL, 0, 1e6},
    {REAL, FIELD(coreset), NULL, 0, 4294967295.0},
    {SIZE, FIELD(shots), NULL, 0, 1e9},
    {SIZE, FIELD(seed), NULL, 0, 4294967295.0},
    {SIZE, FIELD(rotations), NULL, 1, 8},
    {FLAG, FIELD(mirror), NULL, 0, 0},
    {CHOICE, FIELD(background), backgrounds, 0, 0},
    {CHOICE, FIELD(background_rule), background_rules, 0, 0},
    {REAL, FIELD(background_threshold), NULL, 0, 1e9},
    {CHOICE, FIELD(roi), rois, 0, 0},
    {CHOICE, FIELD(metric), metrics, 0, 0},
    {WINDOW, FIELD(window), NULL, 0, 1e6},
    {SIZE, FIELD(knn), NULL, 1, 1000}, /* each cell keeps so many neighbours */
    {REAL, FIELD(blend), NULL, 0, 1},
    {CHOICE, FIELD(post.reading), readings, 0, 0},
    {REAL, FIELD(post.low), NULL, 0, 1e30},
    {REAL, FIELD(post.high), NULL, 0, 1e30},
    {SIZE, FIELD(post.min_object), NULL, 0, 1e12},
    {SIZE, FIELD(post.max_hole), NULL, 0, 1e12},
    {CHOICE, FIELD(post.unit), units, 0, 0},
    {REAL, FIELD(post.gaussian), NULL, 0, 64},
    {SIZE, FIELD(post.median), NULL, 0, 31},
    {CHOICE, FIELD(score), scores, 0, 0},
    {SIZE, FIELD(reweight), NULL, 0, 1000},
    {REAL, FIELD(map_sigma_px), NULL, 0, 64},
    {REAL, FIELD(fpr), NULL, 0, 1},
};

#define N_FIELDS (sizeof fields / sizeof *fields)

static dp_status out_of_range(const struct field *field, double value, dp_status status, const char *what,
                              dp_error *err)
{
    return dp_fail(err, status, "%s: recipe field '%s' is %g; it must lie between %g and %g", what, field->name, value,
                   field->low, field->high);
}

/* ------------------------------------------------------------------------------------------------------------- to JSON */

/* NULL when memory is short. */
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

static dp_status write_field(const dp_recipe *recipe, const struct field *field, json_t **value, dp_error *err)
{
    const char *what = "the recipe", *at = (const char *)recipe + field->offset;
    switch (field->kind) {
    case CHOICE: {
        int choice, n = 0;
        memcpy(&choice, at, sizeof choice);
        while (field->choices[n])
            n++;
        if (choice < 0 || choice >= n)
            return dp_fail(err, DP_E_ARGUMENT, "%s: field '%s' has no choice number %d", what, field->name, choice);
        *value = json_string(field->choices[choice]);
        break;
    }
    case FLAG: {
        int flag;
        memcpy(&flag, at, sizeof flag);
        *value = json_boolean(flag);
        break;
    }
    case REAL: {
        double real;
        memcpy(&real, at, sizeof real);
        if (!(real >= field->low && real <= field->high))
            return out_of_range(field, real, DP_E_ARGUMENT, what, err);
        *value = json_real(real);
        break;
    }
    case LAYERS:
        if (recipe->n_layers > DP_MAX_LAYERS)
            return dp_fail(err, DP_E_ARGUMENT, "%s: %zu layers; at most %d", what, recipe->n_layers, DP_MAX_LAYERS);
        *value = write_layers(recipe);
        break;
    case WINDOW:
    case SIZE: {
        size_t size;
        memcpy(&size, at, sizeof size);
        if (field->kind == WINDOW && size == DP_WINDOW_GLOBAL) {
            *value = json_string("global");
            break;
        }
        if ((double)size < field->low || (double)size > field->high)
            return out_of_range(field, (double)size, DP_E_ARGUMENT, what, err);
        *value = json_integer((json_int_t)size);
        break;
    }
    }
    return DP_OK;
}

dp_status dp_recipe_check(const dp_recipe *recipe, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t i = 0; i < N_FIELDS && !status; i++) {
        json_t *value = NULL;
        status = write_field(recipe, &fields[i], &value, err);
        json_decref(value);
    }
    return status;
}

dp_status dp_recipe_to_json(const dp_recipe *recipe, char **text, dp_error *err)
{
    json_t *object = json_object();
    char *made = NULL;
    dp_status status = DP_OK;
    int failed = !object;
    for (size_t i = 0; i < N_FIELDS && !failed; i++) {
        json_t *value = NULL;
        status = write_field(recipe, &fields[i], &value, err);
        if (status)
            goto done;
        failed = json_object_set_new(object, fields[i].name, value);
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

/* ----------------------------------------------------------------------------------------------------------- from JSON */

static dp_status wrong_type(const struct field *field, const char *expected, const char *what, dp_error *err)
{
    return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is not %s", what, field->name, expected);
}

static dp_status read_size(const json_t *value, const struct field *field, const char *what, size_t *size,
                           dp_error *err)
{
    if (!json_is_integer(value))
        return wrong_type(field, "a whole number", what, err);
    double number = (double)json_integer_value(value);
    if (number < field->low || number > field->high)
        return out_of_range(field, number, DP_E_FORMAT, what, err);
    *size = (size_t)json_integer_value(value);
    return DP_OK;
}

static dp_status read_choice(const json_t *value, const struct field *field, const char *what, int *choice,
                             dp_error *err)
{
    const char *name = json_string_value(value);
    if (!name)
        return wrong_type(field, "a string", what, err);
    for (int i = 0; field->choices[i]; i++) {
        if (!strcmp(field->choices[i], name)) {
            *choice = i;
            return DP_OK;
        }
    }
    return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is '%s', which is none of its choices", what, field->name,
                   name);
}

static dp_status read_field(const json_t *value, const struct field *field, const char *what, dp_recipe *recipe,
                            dp_error *err)
{
    char *at = (char *)recipe + field->offset;
    dp_status status = DP_OK;
    size_t size = 0;
    int number = 0;
    switch (field->kind) {
    case CHOICE:
        status = read_choice(value, field, what, &number, err);
        memcpy(at, &number, sizeof number);
        break;
    case FLAG:
        if (!json_is_boolean(value))
            return wrong_type(field, "true or false", what, err);
        number = json_is_true(value);
        memcpy(at, &number, sizeof number);
        break;
    case REAL: {
        if (!json_is_number(value))
            return wrong_type(field, "a number", what, err);
        double real = json_number_value(value);
        if (!(real >= field->low && real <= field->high))
            return out_of_range(field, real, DP_E_FORMAT, what, err);
        memcpy(at, &real, sizeof real);
        break;
    }
    case LAYERS:
        if (!json_is_array(value))
            return wrong_type(field, "a list of numbers", what, err);
        if (json_array_size(value) > DP_MAX_LAYERS)
            return dp_fail(err, DP_E_FORMAT, "%s: recipe names %zu layers; at most %d", what, json_array_size(value),
                           DP_MAX_LAYERS);
        recipe->n_layers = json_array_size(value);
        for (size_t i = 0; i < recipe->n_layers && !status; i++)
            status = read_size(json_array_get(value, i), field, what, &recipe->layers[i], err);
        break;
    case WINDOW:
        if (json_is_string(value)) {
            if (strcmp(json_string_value(value), "global") != 0)
                return wrong_type(field, "a whole number or \"global\"", what, err);
            size = DP_WINDOW_GLOBAL;
        } else {
            status = read_size(value, field, what, &size, err);
        }
        memcpy(at, &size, sizeof size);
        break;
    case SIZE:
        status = read_size(value, field, what, &size, err);
        memcpy(at, &size, sizeof size);
        break;
    }
    return status;
}

static dp_status read_object(const json_t *object, const char *what, dp_recipe *recipe, dp_error *err)
{
    if (!json_is_object(object))
        return dp_fail(err, DP_E_FORMAT, "%s: the recipe is not a JSON object", what);
    for (size_t i = 0; i < N_FIELDS; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (!value && fields[i].offset == offsetof(dp_recipe, sample_white))
            continue; /* banks made before there was such a field: 0 */
        if (!value)
            return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is missing", what, fields[i].name);
        dp_status status = read_field(value, &fields[i], what, recipe, err);
        if (status)
            return status;
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;
        while (i < N_FIELDS && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == N_FIELDS)
            return dp_fail(err, DP_E_FORMAT, "%s: recipe field '%s' is unknown", what, name);
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
