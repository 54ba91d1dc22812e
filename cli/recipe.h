/* recipe.h - the options that make a bank what it is, as `fit` and `align` take them. */
#ifndef DP_CLI_RECIPE_H
#define DP_CLI_RECIPE_H

#include "cli.h"

typedef struct cli_recipe {
    char *align, *canvas, *polarity, *window, *metric, *layers, *layer_mix, *score, *precision, *canny, *layout, *storage, *method, *map, *background, *background_rule;
    cli_number fill, fpr, pca, map_sigma, coreset, blend, background_threshold, neighbourhood, reweight, blur, knn, kmeans, shots, edge, crop,
        rotations, seed;
    gboolean mirror;
} cli_recipe;

enum {
    CLI_RECIPE_ALIGN = 1,  /* where the object is */
    CLI_RECIPE_EMBED = 2,  /* features */
    CLI_RECIPE_BANK = 4,   /* augmentation and first threshold */
    CLI_RECIPE_SCORE = 8   /* distance and score: what `inspect` may change too */
};

/* The options of the given parts; NULL-ended, to be freed with g_free. */
cli_option *cli_recipe_entries(cli_recipe *options, unsigned parts, const cli_option *own);
/* Lays what was given over *recipe; untouched where an option was not given.  False: *code, complained. */
bool cli_recipe_resolve(const cli_recipe *options, dp_recipe *recipe, int *code);

/* Post-processing as --map takes it, what is off left out; "none" where all is.  To be freed with g_free. */
char *cli_map_text(const dp_post *post);

#endif
