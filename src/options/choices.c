/* SPDX-License-Identifier: Apache-2.0 */
/* choices.c - the choices made for the user, with reasons. */
#include "options/choices.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_size.h"
#include "format/json_text.h"

#include <jansson.h>
#include <string.h>

#define MAX_VALUES 256 /* of the JSON text: a few lines of four values each */

static void free_texts(dp_choice *choice)
{
    dp_memory_free((char *)choice->option);
    dp_memory_free((char *)choice->value);
    dp_memory_free((char *)choice->reason);
}

dp_status dp_choices_add(dp_choices *choices, const dp_choice *lines, size_t n, dp_error *err)
{
    if (!n)
        return DP_OK;
    dp_choices more = {dp_calloc(choices->n + n, sizeof *more.all), choices->n};
    bool good = more.all != NULL;
    if (good && choices->n)
        memcpy(more.all, choices->all, choices->n * sizeof *more.all);
    for (size_t i = 0; i < n && good; i++) {
        dp_choice *copy = &more.all[more.n++];
        *copy = (dp_choice){dp_strdup(lines[i].option), dp_strdup(lines[i].value), dp_strdup(lines[i].reason)};
        good = copy->option && copy->value && copy->reason;
    }
    if (!good) {
        while (more.n > choices->n)
            free_texts(&more.all[--more.n]);
        dp_memory_free(more.all);
        return dp_fail_memory(err, "what was chosen", (choices->n + n) * sizeof *more.all);
    }
    dp_memory_free(choices->all);
    *choices = more;
    return DP_OK;
}

dp_status dp_choices_copy(const dp_choices *from, dp_choices *to, dp_error *err)
{
    return dp_choices_add(to, from->all, from->n, err);
}

void dp_choices_free(dp_choices *choices)
{
    for (size_t i = 0; i < choices->n; i++)
        free_texts(&choices->all[i]);
    dp_memory_free(choices->all);
    *choices = (dp_choices){0};
}

dp_status dp_choices_to_json(const dp_choices *choices, char **text, dp_error *err)
{
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; i < choices->n && good; i++) {
        const dp_choice *c = &choices->all[i];
        good = !json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "option", c->option, "value", c->value, "reason", c->reason));
    }
    char *made = good ? dp_json_text(list) : NULL;
    json_decref(list);
    if (!made)
        return dp_fail_memory(err, "what was chosen", choices->n * sizeof *choices->all);
    *text = made;
    return DP_OK;
}

dp_status dp_choices_from_json(const char *text, const char *what, dp_choices *choices, dp_error *err)
{
    json_error_t json;
    json_t *list =
        dp_json_values(text, strlen(text)) > MAX_VALUES ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &json);
    dp_status status = json_is_array(list) ? DP_OK : DP_E_FORMAT;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *object = json_array_get(list, i);
        const dp_choice choice = {json_string_value(json_object_get(object, "option")),
                                  json_string_value(json_object_get(object, "value")),
                                  json_string_value(json_object_get(object, "reason"))};
        status =
            choice.option && choice.value && choice.reason ? dp_choices_add(choices, &choice, 1, err) : DP_E_FORMAT;
    }
    json_decref(list);
    if (status == DP_E_FORMAT)
        dp_fail(err, DP_E_FORMAT, "%s: metadata 'choices' is damaged", what);
    if (status)
        dp_choices_free(choices);
    return status;
}
