/* fit_check.c - what is settled before the first picture is read. */
#include "run/fit_check.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "bank/recipe_json.h"
#include "map/postprocess.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

dp_status dp_fit_check(const dp_recipe *recipe, size_t n_pictures, dp_error *err)
{
    bool pool = recipe->layout == DP_LAYOUT_POOL;
    dp_status status = dp_recipe_check(recipe, err);
    if (!status)
        status = dp_post_check(&recipe->post, err);
    if (status)
        return status;
    if (!(recipe->fpr > 0 && recipe->fpr < 1))
        return dp_fail(err, DP_E_ARGUMENT, "a false-alarm rate of %g: it must lie between 0 and 1", recipe->fpr);
    if (recipe->pca >= 1 && recipe->pca != floor(recipe->pca))
        return dp_fail(err, DP_E_ARGUMENT, "%g principal components: a share below 1, or a whole number", recipe->pca);
    if (recipe->rotations != 1 && (recipe->rotations != 8 || recipe->align != DP_ALIGN_NONE))
        return dp_fail(err, DP_E_ARGUMENT, "pictures enter as they are or in 8 rotations, and in these without alignment only");
    if (recipe->neighbourhood != 1 && recipe->neighbourhood != 3)
        return dp_fail(err, DP_E_ARGUMENT, "a neighbourhood of %zu cells: 1 or 3", recipe->neighbourhood);
    if (!(recipe->coreset >= 0))
        return dp_fail(err, DP_E_ARGUMENT, "a coreset of %g", recipe->coreset);
    if (recipe->coreset > 0 && !pool)
        return dp_fail(err, DP_E_ARGUMENT, "a coreset is chosen from a pool");
    if (recipe->background == DP_BACKGROUND_REFERENCE && (!pool || recipe->pca > 0))
        return dp_fail(err, DP_E_ARGUMENT, "the background of the good pictures alone is masked in a pool, and not together with principal "
                       "components; 'test' and 'both' go with all");
    if (!(recipe->background_threshold >= 0))
        return dp_fail(err, DP_E_ARGUMENT, "a threshold of %g on the first principal component", recipe->background_threshold);
    if (recipe->reweight && (!pool || recipe->score != DP_SCORE_MAX))
        return dp_fail(err, DP_E_ARGUMENT, "scores are weighted by neighbours in a pool only, and with the score max");
    if (recipe->reweight && recipe->layer_mix == DP_LAYERS_SEPARATE)
        return dp_fail(err, DP_E_ARGUMENT, "scores are weighted by the neighbours of one distance, not with separate layers");
    if (recipe->layer_mix == DP_LAYERS_SEPARATE && recipe->pca > 0)
        return dp_fail(err, DP_E_ARGUMENT, "principal components are of all layers together: not with separate layers");
    if (!(recipe->blend >= 0 && recipe->blend <= 1))
        return dp_fail(err, DP_E_ARGUMENT, "a blend of %g: between 0 and 1", recipe->blend);
    if (recipe->blend > 0 && (pool || recipe->window == DP_WINDOW_GLOBAL))
        return dp_fail(err, DP_E_ARGUMENT, "a blend of local and global distance needs places and a window of cells: no pool, no global window");
    if (n_pictures < 2 && (recipe->blend > 0 || (recipe->layer_mix == DP_LAYERS_SEPARATE && recipe->n_layers > 1)))
        return dp_fail(err, DP_E_ARGUMENT, "distances are blended by what good pictures show of one another: that takes two pictures at least");
    return DP_OK;
}

struct named {
    const char *name;
    size_t number;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

dp_status dp_fit_shots(const dp_recipe *recipe, const dp_source *source, size_t *numbers, size_t n, dp_error *err)
{
    struct named *sorted = dp_malloc(n, sizeof *sorted);
    if (!sorted)
        return dp_fail_memory(err, "the pictures", n * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct named){source->name(source->user, numbers[i]), numbers[i]};
    qsort(sorted, n, sizeof *sorted, by_name);
    if (recipe->seed) {
        dp_random random = dp_random_at(recipe->seed, 0);
        for (size_t i = 0; i < recipe->shots; i++) {
            size_t j = i + (size_t)dp_random_below(&random, n - i);
            struct named keep = sorted[i];
            sorted[i] = sorted[j];
            sorted[j] = keep;
        }
        qsort(sorted, recipe->shots, sizeof *sorted, by_name);
    }
    for (size_t i = 0; i < n; i++)
        numbers[i] = sorted[i].number;
    dp_memory_free(sorted);
    return DP_OK;
}
