/* SPDX-License-Identifier: Apache-2.0 */
/* option_table.h - one row for each field of a recipe. */
#ifndef DP_OPTIONS_OPTION_TABLE_H
#define DP_OPTIONS_OPTION_TABLE_H

#include "dinopatch/experimental.h"

#include <stdbool.h>

typedef struct dp_option_row {
    dp_option option; /* key NULL: another row sets the field, or fit finds it */
    size_t offset; /* of the field in dp_recipe: int for a choice or flag, size_t for a whole number or window, double
                    * for others */
    const char *stored; /* its name in the JSON of a bank; NULL: the row stands for several fields that have their own
                         * rows */
    double standard;    /* its default */
    unsigned preset;    /* DP_PRESET_ bits to clear when a user sets the option */
    bool late;          /* banks of earlier versions do not hold it: 0 counts */
    bool late_standard; /* of these: the default counts */
} dp_option_row;

/* In the order of the stored JSON; several options are set in the same order. */
extern const dp_option_row dp_option_table[];
extern const size_t dp_option_rows;

/* Returns the row with this key; NULL if there is none. */
const dp_option_row *dp_option_find(const char *key);
/* Returns the number of choices of an option. */
int dp_option_choices(const dp_option *option);
/* Returns the number of the choice with this name, or with its name in an earlier version; -1 if there is none. */
int dp_option_choice_of(const dp_option *option, const char *word);

/* Reads and writes a field of a choice, flag, number or window as a number. */
double dp_option_value(const dp_option_row *row, const dp_recipe *recipe);
void dp_option_put(const dp_option_row *row, dp_recipe *recipe, double value);
/* Returns whether the option may have this value. */
bool dp_option_holds(const dp_option *option, double value);
/* Writes which numbers are allowed: "give a whole number from 1 to 1000". */
void dp_option_wanted(const dp_option *option, char *text, size_t size);

#endif
