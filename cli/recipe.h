/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h - the options of a recipe as the commands take them: by their long names, by --set KEY=VALUE, and from a
 * file. */
#ifndef DP_CLI_RECIPE_H
#define DP_CLI_RECIPE_H

#include "cli.h"

#define CLI_MOST_OPTIONS 64

typedef struct cli_recipe {
    unsigned parts;
    char *config;                        /* the file, or NULL */
    const char *given[CLI_MOST_OPTIONS]; /* by dp_option_at: what the command line says, or NULL */
    cli_option entries[CLI_MOST_OPTIONS + 32];
} cli_recipe;

enum {
    CLI_RECIPE_ALIGN = 1 << DP_STAGE_ALIGN, /* where the object is */
    CLI_RECIPE_FEATURES = 1 << DP_STAGE_FEATURES,
    CLI_RECIPE_BANK = 1 << DP_STAGE_BANK,   /* augmentation and first threshold */
    CLI_RECIPE_SCORE = 1 << DP_STAGE_SCORE, /* distance and score */
    CLI_RECIPE_ALL = CLI_RECIPE_ALIGN | CLI_RECIPE_FEATURES | CLI_RECIPE_BANK | CLI_RECIPE_SCORE,
    /* Instead of those: */
    CLI_RECIPE_OVERRIDE = 64,   /* over a bank's recipe, what may be changed without new features */
    CLI_RECIPE_SEARCH = 128,    /* of that: how pictures are compared */
    CLI_RECIPE_PRECISION = 256, /* the precision alone, and no file */
    CLI_RECIPE_COMPRESS = 512   /* how a bank is made smaller; dp_bank_compress checks how these go together */
};

/* The command's own options and those of the given parts, --set and --config, in *options.  Begins with it empty. */
const cli_option *cli_recipe_entries(cli_recipe *options, unsigned parts, const cli_option *own);
/* What cli_parse calls for such an option: its long name, or "set" and KEY=VALUE.  False: complained. */
bool cli_recipe_take(cli_recipe *options, const char *name, const char *value);
/* What the options of the given parts begin with: the defaults, and without the bank's part, where there are no good pictures to choose by,
 * those of the method dinopatch. */
void cli_recipe_begin(unsigned parts, dp_recipe *recipe);
/* Lays the method, then the file, then the command line over *recipe, which stays as it is where nothing was given.
 * False: *code, complained. */
bool cli_recipe_resolve(cli_recipe *options, dp_recipe *recipe, int *code);
/* After that: whether an option was given, by its key. */
bool cli_recipe_is_given(const cli_recipe *options, const char *key);
/* Each option that was given, by key, as the recipe holds it. */
json_t *cli_recipe_given(const cli_recipe *options, const dp_recipe *recipe);

/* The row with this key, which is there. */
const dp_option *cli_option_row(const char *key);
/* An option as the recipe holds it; g_free. */
char *cli_option_text(const dp_recipe *recipe, const char *key);

#endif
