/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h - the options of a recipe as commands take them: by long name, by --set KEY=VALUE, and from a file. */
#ifndef DP_CLI_RECIPE_H
#define DP_CLI_RECIPE_H

#include "cli.h"

#define CLI_MOST_OPTIONS 64

typedef struct cli_recipe {
    unsigned parts;
    char *config;                        /* the file, or NULL */
    const char *given[CLI_MOST_OPTIONS]; /* by index of dp_option_at: the text on the command line, or NULL */
    cli_option entries[CLI_MOST_OPTIONS + 32];
} cli_recipe;

enum {
    CLI_RECIPE_ALIGN = 1 << DP_STAGE_ALIGN, /* where the object is */
    CLI_RECIPE_FEATURES = 1 << DP_STAGE_FEATURES,
    CLI_RECIPE_BANK = 1 << DP_STAGE_BANK,   /* augmentation and first threshold */
    CLI_RECIPE_SCORE = 1 << DP_STAGE_SCORE, /* distance and score */
    CLI_RECIPE_ALL = CLI_RECIPE_ALIGN | CLI_RECIPE_FEATURES | CLI_RECIPE_BANK | CLI_RECIPE_SCORE,
    /* In place of those: */
    CLI_RECIPE_OVERRIDE = 64,   /* for a bank's recipe: what may change without new features */
    CLI_RECIPE_SEARCH = 128,    /* the part of that which says how pictures are compared */
    CLI_RECIPE_PRECISION = 256, /* only the precision, and no file */
    CLI_RECIPE_COMPRESS = 512   /* how a bank is made smaller; dp_bank_compress checks the combination */
};

/* The table of the command's own options, those of the given parts, --set and --config, which all live in *options.
 * Empties *options first. */
const cli_option *cli_recipe_entries(cli_recipe *options, unsigned parts, const cli_option *own);
/* cli_parse calls it for such an option: with its long name, or with "set" and KEY=VALUE. False: complained. */
bool cli_recipe_take(cli_recipe *options, const char *name, const char *value);
/* The defaults for options of the given parts. Without the bank's part there are no good pictures to choose by, so the
 * defaults are those of the method dinopatch. */
void cli_recipe_begin(unsigned parts, dp_recipe *recipe);
/* Applies the method, then the file, then the command line to *recipe; what nobody set stays. False: *code,
 * complained. */
bool cli_recipe_resolve(cli_recipe *options, dp_recipe *recipe, int *code);
/* True if an option was given, by its key. Call it after cli_recipe_resolve. */
bool cli_recipe_is_given(const cli_recipe *options, const char *key);
/* Every option that was given, by key, with its value in the recipe. */
json_t *cli_recipe_given(const cli_recipe *options, const dp_recipe *recipe);

/* The value of an option in the recipe, as text; g_free. */
char *cli_option_text(const dp_recipe *recipe, const char *key);

#endif
