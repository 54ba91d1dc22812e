/* SPDX-License-Identifier: Apache-2.0 */
#include "bank/origin.h"
#include "base/error.h"
#include "format/json_size.h"
#include "format/json_text.h"

#include <jansson.h>
#include <string.h>

#define MAX_VALUES 8
#define MOST 9007199254740992.0 /* a count that a double holds exactly */

static const char *const names[] = {
    [DP_ORIGIN_UNKNOWN] = "unknown",     [DP_ORIGIN_LEAVE_ONE_OUT] = "leave-one-out",
    [DP_ORIGIN_CALIBRATE] = "calibrate", [DP_ORIGIN_VALUE] = "value",
    [DP_ORIGIN_TUNE] = "tune",           [DP_ORIGIN_HELD_OUT] = "held-out",
};

#define N_NAMES (sizeof names / sizeof *names)

const char *dp_origin_name(dp_origin origin)
{
    return origin > 0 && origin < N_NAMES ? names[origin] : names[0];
}

void dp_bank_take_threshold(dp_bank *bank, const dp_calibration *found)
{
    bank->levels.threshold = found->threshold;
    bank->levels.origin = (dp_threshold_origin){0};
    if (found->n)
        bank->levels.origin =
            (dp_threshold_origin){.by = DP_ORIGIN_LEAVE_ONE_OUT, .fpr = bank->recipe.fpr, .n_good = found->n};
}

char *dp_origin_to_json(const dp_threshold_origin *origin)
{
    json_t *object = json_pack("{s:s, s:f, s:I, s:I}", "by", dp_origin_name(origin->by), "fpr", origin->fpr, "good",
                               (json_int_t)origin->n_good, "bad", (json_int_t)origin->n_bad);
    if (object && origin->by == DP_ORIGIN_HELD_OUT
        && (json_object_set_new(object, "k", json_integer((json_int_t)origin->k))
            || json_object_set_new(object, "certified", json_real(origin->certified)))) {
        json_decref(object);
        return NULL;
    }
    char *text = dp_json_text(object);
    json_decref(object);
    return text;
}

static bool read_count(const json_t *value, size_t *count)
{
    double number = json_is_integer(value) ? (double)json_integer_value(value) : -1;
    if (!(number >= 0 && number <= MOST))
        return false;
    *count = (size_t)json_integer_value(value);
    return true;
}

dp_status dp_origin_from_json(const char *text, const char *what, dp_threshold_origin *origin, dp_error *err)
{
    json_error_t json;
    json_t *object =
        dp_json_values(text, strlen(text)) > MAX_VALUES ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &json);
    const char *by = json_string_value(json_object_get(object, "by"));
    const json_t *fpr = json_object_get(object, "fpr");
    dp_threshold_origin read = {.fpr = json_number_value(fpr)};
    size_t i = 0;
    while (by && i < N_NAMES && strcmp(by, names[i]) != 0)
        i++;
    bool good = by && i < N_NAMES && json_is_number(fpr) && read.fpr >= 0 && read.fpr < 1
                && read_count(json_object_get(object, "good"), &read.n_good)
                && read_count(json_object_get(object, "bad"), &read.n_bad);
    if (good && i == DP_ORIGIN_HELD_OUT) {
        const json_t *certified = json_object_get(object, "certified");
        read.certified = json_number_value(certified);
        good = json_object_size(object) == 6 && read_count(json_object_get(object, "k"), &read.k) && read.k > 0
               && read.k <= read.n_good && json_is_number(certified) && read.certified > 0 && read.certified <= 1;
    } else {
        good = good && json_object_size(object) == 4;
    }
    json_decref(object);
    if (!good)
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'threshold_origin' is damaged", what);
    read.by = (dp_origin)i;
    *origin = read;
    return DP_OK;
}
