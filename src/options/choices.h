/* SPDX-License-Identifier: Apache-2.0 */
/* choices.h - the choices made for the user, with reasons: one line each. */
#ifndef DP_OPTIONS_CHOICES_H
#define DP_OPTIONS_CHOICES_H

#include "dinopatch/experimental.h"

typedef struct dp_choices {
    dp_choice *all; /* [n]; owns its texts */
    size_t n;
} dp_choices;

/* Adds copies of lines [n].  Errors: DP_E_MEMORY (nothing was added). */
dp_status dp_choices_add(dp_choices *choices, const dp_choice *lines, size_t n, dp_error *err);
/* *to must be empty. Errors: DP_E_MEMORY (it stays empty). */
dp_status dp_choices_copy(const dp_choices *from, dp_choices *to, dp_error *err);
void dp_choices_free(dp_choices *choices);

/* Writes [{"option", "value", "reason"}, ...]; free *text with dp_memory_free. Errors: DP_E_MEMORY. */
dp_status dp_choices_to_json(const dp_choices *choices, char **text, dp_error *err);
/* Reads it back. what begins the messages. Errors: DP_E_FORMAT, DP_E_MEMORY. */
dp_status dp_choices_from_json(const char *text, const char *what, dp_choices *choices, dp_error *err);

#endif
