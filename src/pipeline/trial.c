/* SPDX-License-Identifier: Apache-2.0 */
/* trial.c - some of the good pictures as the network sees them by one recipe.
 *
 * The canvases of a round are made by all threads, then one after the other goes through the network.  What comes out is what fit would
 * compute of these pictures, to the bit, so fit takes it from here. */
#include "pipeline/trial.h"
#include "base/error.h"
#include "base/memory.h"
#include "extract/normalise.h"
#include "extract/orientation.h"
#include "network/session.h"
#include "options/recipe_facts.h"
#include "pipeline/pose_choice.h"

#include <string.h>

dp_status dp_trial_open(const dp_recipe *recipe, dp_session *session, size_t n, dp_trial *trial, dp_error *err)
{
    const dp_network_facts network = dp_session_facts(session);
    *trial = (dp_trial){
        .turns = recipe->align == DP_ALIGN_PCA && recipe->polarity != DP_POLARITY_NONE ? 2 : 1,
        .pictures = dp_calloc(n, sizeof *trial->pictures),
    };
    if (!trial->pictures)
        return dp_fail_memory(err, "the pictures", n * sizeof *trial->pictures);
    trial->n = n;
    dp_status status = dp_extractor_open(recipe, &network, DP_WHOLE_GRID, &trial->extractor, err);
    if (!status && recipe->layer_norm)
        status = dp_extractor_plan(&trial->extractor, session, err);
    if (status)
        dp_trial_close(trial);
    return status;
}

static void free_turn(dp_trial_picture *picture, size_t turn)
{
    dp_memory_free(picture->features[turn]);
    dp_memory_free(picture->cells[turn]);
    picture->features[turn] = NULL;
    picture->cells[turn] = NULL;
}

void dp_trial_close(dp_trial *trial)
{
    for (size_t p = 0; p < trial->n; p++)
        for (size_t turn = 0; turn < 2; turn++)
            free_turn(&trial->pictures[p], turn);
    dp_memory_free(trial->pictures);
    dp_extractor_close(&trial->extractor);
    *trial = (dp_trial){0};
}

bool dp_trial_take(dp_trial *trial, size_t picture, int turn, float *tokens, uint8_t *cells)
{
    if (picture >= trial->n || !trial->pictures[picture].features[turn])
        return false;
    size_t n = trial->extractor.shape.rows * trial->extractor.shape.cols;
    memcpy(tokens, trial->pictures[picture].features[turn], n * trial->extractor.dim * sizeof *tokens);
    memcpy(cells, trial->pictures[picture].cells[turn], n);
    free_turn(&trial->pictures[picture], (size_t)turn);
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- learn */

struct round {
    dp_trial *trials;
    size_t n_trials;
    const dp_pictures *pictures;
    const dp_run *run;
    const size_t *which;
    float **canvases; /* [n, n_trials, 2] of [height, width, 3]; NULL: none */
};

static float **canvas_of(const struct round *round, size_t i, size_t trial, size_t turn)
{
    return round->canvases + (i * round->n_trials + trial) * 2 + turn;
}

/* One picture on each canvas; of one that cannot be there is none. */
static void prepare(void *context, size_t i, size_t worker)
{
    (void)worker;
    const struct round *round = context;
    const size_t index = round->which[i];
    dp_prepared prepared = {.run = round->run, .index = index, .path = dp_pictures_name(round->pictures, index)};
    const dp_picture_options options = dp_picture_options_of(&round->trials[0].extractor.recipe, round->run);
    if (dp_pictures_load(round->pictures, index, &options, &prepared.picture, NULL, NULL))
        return;
    for (size_t t = 0; t < round->n_trials; t++) {
        dp_trial *trial = &round->trials[t];
        const dp_extractor *extractor = &trial->extractor;
        if (trial->poses)
            prepared.pose = trial->poses[index];
        else
            (void)dp_pose_find(prepared.picture, &extractor->recipe, &prepared.pose, NULL);
        for (size_t turn = 0; turn < trial->turns; turn++) {
            if (dp_prepared_open(&prepared, &extractor->recipe, &extractor->shape, NULL) == DP_OK
                && dp_prepared_warp(&prepared, (int)turn, NULL) == DP_OK) {
                *canvas_of(round, i, t, turn) = prepared.rgb;
                trial->pictures[index].cells[turn] = prepared.cells;
                prepared.rgb = NULL;
                prepared.cells = NULL;
            }
            dp_prepared_free_canvas(&prepared);
        }
    }
    dp_picture_free(&prepared.picture);
}

/* Features of one canvas; a picture that the network cannot take is left to fit, which says so. */
static dp_status embed(dp_trial *trial, dp_session *session, const float *rgb, dp_trial_picture *picture, size_t turn,
                       dp_error *err)
{
    size_t values = trial->extractor.shape.rows * trial->extractor.shape.cols * trial->extractor.dim;
    dp_status status = dp_extractor_embed_canvas(&trial->extractor, session, rgb, err);
    if (status) {
        free_turn(picture, turn);
        return status == DP_E_CANCELLED || status == DP_E_MEMORY ? status : DP_OK;
    }
    if (!(picture->features[turn] = dp_malloc(values, sizeof(float))))
        return dp_fail_memory(err, "the features of one picture", values * sizeof(float));
    memcpy(picture->features[turn], trial->extractor.tokens, values * sizeof(float));
    return DP_OK;
}

dp_status dp_trials_learn(dp_trial *trials, size_t n_trials, dp_session *session, const dp_pictures *pictures,
                          const size_t *which, size_t n, dp_error *err)
{
    struct round round = {.trials = trials,
                          .n_trials = n_trials,
                          .pictures = pictures,
                          .run = dp_session_run(session),
                          .which = which,
                          .canvases = dp_calloc_2d(n, n_trials, 2 * sizeof *round.canvases)};
    if (!round.canvases)
        return dp_fail_memory(err, "the canvases", n * n_trials * sizeof *round.canvases);
    dp_pool_run(dp_session_pool(session), n, prepare, &round);
    dp_status status = DP_OK;
    for (size_t t = 0; t < n_trials; t++) /* the network sees one size of canvas after the other */
        for (size_t i = 0; i < n; i++)
            for (size_t turn = 0; turn < trials[t].turns; turn++) {
                float **canvas = canvas_of(&round, i, t, turn);
                if (*canvas && !status)
                    status = embed(&trials[t], session, *canvas, &trials[t].pictures[which[i]], turn, err);
                dp_memory_free(*canvas);
            }
    dp_memory_free(round.canvases);
    const dp_run *run = round.run;
    if (!status && run->progress && run->progress(run->user, "pose", n, n))
        status = dp_fail(err, DP_E_CANCELLED, "stopped while looking whether the pictures are to be aligned");
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- ratio */

/* Pictures that are there in full: *which [trial->n] are their numbers.  Returns how many. */
static size_t learned(const dp_trial *trial, size_t *which)
{
    size_t n = 0;
    for (size_t p = 0; p < trial->n; p++)
        if (trial->pictures[p].features[0] && trial->pictures[p].features[trial->turns - 1])
            which[n++] = p;
    return n;
}

/* norm [2, dim]: what normalises the layers of these pictures. */
static dp_status find_norm(const dp_trial *trial, const size_t *which, size_t n, float *norm, dp_error *err)
{
    const dp_extractor *extractor = &trial->extractor;
    size_t dims[DP_EXTRACT_LAYERS];
    dp_cell_statistics statistics = {0};
    dp_status status = dp_cell_statistics_open(extractor->dim, &statistics, err);
    for (size_t i = 0; i < n && !status; i++)
        status = dp_cell_statistics_add(&statistics, trial->pictures[which[i]].features[0],
                                        trial->pictures[which[i]].cells[0],
                                        extractor->shape.rows * extractor->shape.cols, err);
    dp_extract_dims(&extractor->plan, dims);
    if (!status)
        status = dp_layer_norm_find(&statistics, extractor->recipe.layer_norm, dims, extractor->plan.n_layers, norm,
                                    norm + extractor->dim, err);
    dp_cell_statistics_close(&statistics);
    return status;
}

/* signs [n]: which way round each picture lies, as all of them agree.  factor [dim] may be NULL. */
static dp_status find_signs(const dp_trial *trial, const size_t *which, size_t n, const float *factor, int *signs,
                            dp_error *err)
{
    const dp_extractor *e = &trial->extractor;
    float *owns = dp_malloc_2d(n, e->dim, sizeof *owns), *pair = dp_malloc(e->dim, 3 * sizeof *pair);
    dp_status status = owns && pair ? DP_OK : dp_fail_memory(err, "the polarity", n * e->dim * sizeof *owns);
    for (size_t i = 0; i < n && !status; i++) {
        for (size_t turn = 0; turn < 2 && !status; turn++) {
            status = dp_orientation(trial->pictures[which[i]].features[turn], trial->pictures[which[i]].cells[turn],
                                    e->shape.rows, e->shape.cols, e->dim, pair + turn * e->dim, err);
            if (!status && factor)
                dp_orientation_scale(pair + turn * e->dim, factor, e->dim, pair + turn * e->dim);
        }
        if (!status)
            dp_orientation_own(pair, pair + e->dim, e->dim, owns + i * e->dim, NULL);
    }
    if (!status)
        status = dp_orientation_consensus(owns, n, e->dim, pair, signs, err);
    dp_memory_free(owns);
    dp_memory_free(pair);
    return status;
}

/* Copies of the pictures' features the right way round, their layers normalised. */
struct upright {
    float **features;
    uint8_t **valid;
};

static void upright_free(struct upright *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dp_memory_free(u->features ? u->features[i] : NULL);
        dp_memory_free(u->valid ? u->valid[i] : NULL);
    }
    dp_memory_free(u->features);
    dp_memory_free(u->valid);
}

static dp_status make_upright(const dp_trial *trial, const size_t *which, size_t n, const float *norm, const int *signs,
                              struct upright *u, dp_error *err)
{
    const dp_extractor *e = &trial->extractor;
    size_t cells = e->shape.rows * e->shape.cols;
    u->features = dp_calloc(n, sizeof *u->features);
    u->valid = dp_calloc(n, sizeof *u->valid);
    for (size_t i = 0; i < n; i++) {
        const bool mirror = e->recipe.polarity == DP_POLARITY_MIRROR, other = signs && signs[i] < 0;
        const dp_trial_picture *from = &trial->pictures[which[i]];
        const size_t turn = other && !mirror;
        if (!u->features || !u->valid || !(u->features[i] = dp_malloc_2d(cells, e->dim, sizeof(float)))
            || !(u->valid[i] = dp_malloc(cells, 1)))
            return dp_fail_memory(err, "the features of the pictures", n * cells * e->dim * sizeof(float));
        memcpy(u->features[i], from->features[turn], cells * e->dim * sizeof(float));
        memcpy(u->valid[i], from->cells[turn], cells);
        if (other && mirror)
            dp_grid_mirror(u->features[i], u->valid[i], e->shape.rows, e->shape.cols, e->dim);
        if (norm)
            dp_layer_norm_apply(u->features[i], cells, e->dim, norm, norm + e->dim);
    }
    return DP_OK;
}

dp_status dp_trial_ratio(const dp_trial *trial, dp_session *session, double *ratio, dp_error *err)
{
    const dp_extractor *e = &trial->extractor;
    size_t *which = dp_malloc(trial->n, sizeof *which), n = which ? learned(trial, which) : 0;
    int *signs = dp_calloc(n, sizeof *signs);
    float *norm = dp_measures_layers(&e->recipe) ? dp_malloc(e->dim, 2 * sizeof *norm) : NULL;
    struct upright upright = {0};
    dp_status status = which && signs && (norm || !dp_measures_layers(&e->recipe))
                           ? DP_OK
                           : dp_fail_memory(err, "the pictures", trial->n * sizeof *which);
    if (!status && norm)
        status = find_norm(trial, which, n, norm, err);
    if (!status && trial->turns > 1)
        status = find_signs(trial, which, n, norm ? norm + e->dim : NULL, signs, err);
    if (!status)
        status = make_upright(trial, which, n, norm, signs, &upright, err);
    if (!status) {
        const dp_grids grids = {n,
                                e->shape.rows,
                                e->shape.cols,
                                e->dim,
                                (const float *const *)upright.features,
                                (const uint8_t *const *)upright.valid};
        status = dp_place_ratio(&grids, e->recipe.seed, dp_session_isa(session), dp_session_pool(session), ratio, err);
    }
    upright_free(&upright, n);
    dp_memory_free(which);
    dp_memory_free(signs);
    dp_memory_free(norm);
    return status;
}
