/* living.c - pictures added to a bank, taken from it, and two banks made one. */
#include "bank/gather.h"
#include "bank/recipe_json.h"
#include "bank/roi.h"
#include "base/error.h"
#include "base/memory.h"
#include "distance/distance.h"
#include "embed/session.h"
#include "polarity/orientation.h"
#include "reduce/reduce.h"
#include "run/fit.h"
#include "run/leave_one_out.h"
#include "run/memory_plan.h"
#include "run/workbench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static dp_status needs_pictures(const dp_bank *bank, dp_error *err)
{
    if (dp_bank_has_pictures(bank))
        return DP_OK;
    return dp_fail(err, DP_E_MISMATCH, "%s: its rows are %s: pictures can neither be added nor removed; fit it anew",
                   bank->path ? bank->path : "the bank",
                   bank->recipe.kmeans ? "centres of k-means, no picture's own"
                   : bank->recipe.coreset > 0 ? "a coreset, not all of the pictures' own"
                                              : "those of the object alone (--background reference)");
}

/* Gathers, calibrates; closes what failed. */
static dp_status gather(const dp_bank *like, const dp_bank_pick *picks, size_t n, const float *orientation, dp_isa isa, dp_pool *pool,
                        const dp_run *run, dp_bank **out, dp_error *err)
{
    dp_bank *bank = NULL;
    size_t rows = 0, bytes;
    for (size_t i = 0; i < n; i++) {
        size_t first, count = like->rows_per_picture;
        if (like->row_cell)
            dp_bank_pool_range(picks[i].bank, picks[i].picture, &first, &count);
        rows += count;
    }
    if (!dp_bank_like_bytes(like, rows, like->dim, like->storage, like->row_picture != NULL, &bytes))
        return dp_fail_memory(err, "the bank", SIZE_MAX);
    dp_status status = dp_memory_check("the new bank", bytes, "'dinopatch bank compress' makes the old ones smaller first", run, err);
    if (!status)
        status = dp_bank_gather(like, picks, n, &bank, err);
    if (!status && orientation)
        dp_bank_set_orientation(bank, orientation, orientation + bank->dim_in);
    if (!status)
        status = dp_bank_leave_one_out(bank, isa, pool, run, NULL, err);
    for (size_t i = 0; i < n && !status; i++)
        if (i == 0 || picks[i].bank != picks[i - 1].bank)
            status = dp_bank_check_unchanged(picks[i].bank, err);
    if (status)
        dp_bank_close(&bank);
    else
        *out = bank;
    return status;
}

/* All pictures of a, then all of b (may be NULL). */
static dp_status both(const dp_bank *a, const dp_bank *b, bool mirror_b, const float *orientation, dp_isa isa, dp_pool *pool,
                      const dp_run *run, dp_bank **out, dp_error *err)
{
    size_t n = a->n_pictures + b->n_pictures;
    dp_bank_pick *picks = dp_malloc(n, sizeof *picks);
    if (!picks)
        return dp_fail_memory(err, "the pictures", n * sizeof *picks);
    for (size_t i = 0; i < n; i++)
        picks[i] = i < a->n_pictures ? (dp_bank_pick){a, i, false} : (dp_bank_pick){b, i - a->n_pictures, mirror_b};
    dp_status status = gather(a, picks, n, orientation, isa, pool, run, out, err);
    dp_memory_free(picks);
    return status;
}

dp_status dp_bank_add(dp_session *session, const dp_bank *bank, const char *const *paths, size_t n_paths, dp_picture_fn on_picture,
                      void *user, dp_bank **larger, size_t *n_failed, dp_error *err)
{
    dp_bank *fresh = NULL, *alike = NULL;
    size_t failed = 0;
    dp_isa isa = dp_session_isa(session);
    dp_pool *pool = dp_session_pool(session);
    const dp_run *run = dp_session_run(session);
    if (!n_paths)
        return dp_fail(err, DP_E_ARGUMENT, "no pictures to add");
    dp_status status = needs_pictures(bank, err);
    if (!status)
        status = dp_session_fits_bank(session, bank, err);
    if (!status)
        status = dp_fit_more(session, bank, paths, n_paths, on_picture, user, &fresh, &failed, err);
    if (!status && bank->basis) {
        const dp_pca pca = {.dim_in = bank->dim_in, .dim = bank->dim, .mean = bank->mean, .basis = bank->basis};
        const dp_reduction how = {.pca = &pca, .pca_asked = bank->recipe.pca, .storage = bank->storage, .isa = isa};
        status = dp_bank_reduce(fresh, &how, pool, run, &alike, err);
    }
    if (!status)
        status = both(bank, alike ? alike : fresh, false, NULL, isa, pool, run, larger, err);
    if (!status && n_failed)
        *n_failed = failed;
    dp_bank_close(&fresh);
    dp_bank_close(&alike);
    return status;
}

static dp_status start(const dp_run *given, dp_run *run, dp_pool **pool, dp_error *err)
{
    dp_run_init(run);
    if (given)
        *run = *given;
    return dp_pool_open(run->threads, pool, err);
}

dp_status dp_bank_remove(const dp_bank *bank, const size_t *pictures, size_t n, const dp_run *given_run, dp_bank **smaller, dp_error *err)
{
    dp_run run = {0};
    dp_pool *pool = NULL;
    size_t kept = 0;
    dp_status status = needs_pictures(bank, err);
    dp_bank_pick *picks = dp_malloc(bank->n_pictures, sizeof *picks);
    uint8_t *gone = dp_calloc(bank->n_pictures, 1);
    if (!status && (!picks || !gone))
        status = dp_fail_memory(err, "the pictures", bank->n_pictures * sizeof *picks);
    for (size_t i = 0; !status && i < n; i++) {
        if (pictures[i] >= bank->n_pictures)
            status = dp_fail(err, DP_E_ARGUMENT, "there is no picture %zu in a bank of %zu", pictures[i], bank->n_pictures);
        else
            gone[pictures[i]] = 1;
    }
    for (size_t p = 0; !status && p < bank->n_pictures; p++)
        if (!gone[p])
            picks[kept++] = (dp_bank_pick){bank, p, false};
    if (!status && !kept)
        status = dp_fail(err, DP_E_ARGUMENT, "no picture would be left in the bank");
    if (!status)
        status = start(given_run, &run, &pool, err);
    if (!status)
        status = gather(bank, picks, kept, NULL, run.isa, pool, &run, smaller, err);
    dp_pool_close(&pool);
    dp_memory_free(picks);
    dp_memory_free(gone);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ two into one */

static const char *name_of(const dp_bank *bank)
{
    return bank->path ? bank->path : "a bank";
}

static dp_status same_recipe(const dp_bank *a, const dp_bank *b, dp_error *err)
{
    char *x = NULL, *y = NULL;
    dp_recipe one = a->recipe, other = b->recipe;
    one.shots = other.shots = 0; /* how the pictures were chosen is no part of what they became */
    one.seed = other.seed = 0;
    dp_status status = dp_recipe_to_json(&one, &x, err);
    if (!status)
        status = dp_recipe_to_json(&other, &y, err);
    if (!status && strcmp(x, y) != 0) {
        /* The first field that differs: from its opening quote to the comma behind its value. */
        size_t i = 0;
        while (x[i] == y[i])
            i++;
        while (i > 0 && !(x[i - 1] == ',' || x[i - 1] == '{'))
            i--;
        status = dp_fail(err, DP_E_MISMATCH, "%s and %s were made by different recipes: %.*s and %.*s", name_of(a), name_of(b),
                         (int)strcspn(x + i, ",}"), x + i, (int)strcspn(y + i, ",}"), y + i);
    }
    dp_memory_free(x);
    dp_memory_free(y);
    return status;
}

static dp_status can_be_merged(const dp_bank *a, const dp_bank *b, dp_error *err)
{
    dp_status status = needs_pictures(a, err);
    if (!status)
        status = needs_pictures(b, err);
    if (!status && strcmp(a->model_sha256, b->model_sha256) != 0)
        return dp_fail(err, DP_E_MISMATCH, "%s and %s were made with different checkpoints: %s (SHA-256 %s) and %s (%s)", name_of(a),
                       name_of(b), a->model_path, a->model_sha256, b->model_path, b->model_sha256);
    if (!status)
        status = same_recipe(a, b, err);
    if (!status && (a->dim != b->dim || a->dim_in != b->dim_in || a->rows_per_picture != b->rows_per_picture
                    || a->grid_rows != b->grid_rows || a->grid_cols != b->grid_cols))
        return dp_fail(err, DP_E_MISMATCH, "%s and %s differ in size: %zux%zu cells of %zu features and %zux%zu of %zu", name_of(a),
                       name_of(b), a->grid_rows, a->grid_cols, a->dim, b->grid_rows, b->grid_cols, b->dim);
    if (!status && !dp_roi_equal(a->roi, b->roi))
        return dp_fail(err, DP_E_MISMATCH, "%s and %s have different regions to inspect", name_of(a), name_of(b));
    if (!status && a->basis
        && (memcmp(a->mean, b->mean, a->dim_in * sizeof *a->mean) != 0
            || memcmp(a->basis, b->basis, a->dim * a->dim_in * sizeof *a->basis) != 0))
        return dp_fail(err, DP_E_MISMATCH, "%s and %s were projected on principal components of their own: merge first, then compress",
                       name_of(a), name_of(b));
    return status;
}

/* The reference and bias of both, weighted by their pictures; *opposite: b's ends are the other way round. */
static dp_status join_orientations(const dp_bank *a, const dp_bank *b, float *orientation, bool *opposite, dp_error *err)
{
    size_t dim = a->dim_in;
    double n = (double)a->n_pictures, m = (double)b->n_pictures, square = 0;
    int sign = a->recipe.polarity == DP_POLARITY_NONE ? 1 : dp_orientation_sign(a->orientation, b->orientation, dim, NULL);
    *opposite = sign < 0;
    if (*opposite && (a->recipe.polarity == DP_POLARITY_ROTATE || a->row_cell))
        return dp_fail(err, DP_E_MISMATCH, "%s and %s took opposite ends of the object for the first; a turned object must be embedded "
                       "anew: add the pictures of one to the other", name_of(a), name_of(b));
    for (size_t d = 0; d < dim; d++) {
        double sum = n * (double)a->orientation[d] + (*opposite ? -m : m) * (double)b->orientation[d];
        square += sum * sum;
    }
    double norm = sqrt(square);
    for (size_t d = 0; d < dim; d++) {
        double sum = n * (double)a->orientation[d] + (*opposite ? -m : m) * (double)b->orientation[d];
        orientation[d] = (float)(norm > 0 ? sum / norm : 0);
        orientation[dim + d] = (float)((n * (double)a->orientation[dim + d] + m * (double)b->orientation[dim + d]) / (n + m));
    }
    return DP_OK;
}

dp_status dp_bank_merge(const dp_bank *a, const dp_bank *b, const dp_run *given_run, dp_bank **merged, dp_error *err)
{
    dp_run run = {0};
    dp_pool *pool = NULL;
    bool opposite = false;
    float *orientation = dp_malloc(a->dim_in, 2 * sizeof *orientation);
    dp_status status = orientation ? can_be_merged(a, b, err) : dp_fail_memory(err, "the polarity", a->dim_in * sizeof *orientation);
    if (!status)
        status = join_orientations(a, b, orientation, &opposite, err);
    if (!status)
        status = start(given_run, &run, &pool, err);
    if (!status)
        status = both(a, b, opposite, orientation, run.isa, pool, &run, merged, err);
    dp_pool_close(&pool);
    dp_memory_free(orientation);
    return status;
}
