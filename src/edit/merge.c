/* SPDX-License-Identifier: Apache-2.0 */
/* merge.c - makes one bank of two.
 *
 * The features must be of the same kind in both: checkpoint, alignment, canvas, blocks, precision. Scoring and decision
 * (metric, window, post-processing, false-alarm rate), the normalisation of layers and the storage are those of the
 * first bank, and the threshold is computed again. A picture that is in both counts once. */
#include "options/recipe_json.h"
#include "bank/roi_mask.h"
#include "bank/twins.h"
#include "base/error.h"
#include "base/memory.h"
#include "extract/orientation.h"
#include "reduce/reduce.h"
#include "edit/add.h"
#include "edit/join_moments.h"
#include "score/near.h"
#include "dinopatch/edit.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *name_of(const dp_bank *bank)
{
    return bank->file.path ? bank->file.path : "a bank";
}

static void log_line(const dp_run *run, dp_log_level level, const dp_error *line)
{
    if (run->log)
        run->log(run->user, level, line->message);
}

/* ---------------------------------------------------------------------------------------------------------- the recipes */

/* Returns whether a field does not concern the features: then the value of the first bank counts. */
static bool is_of_scoring(const char *field)
{
    static const char *const names[] = {"metric", "window",   "knn",          "blend", "order",
                                        "score",  "reweight", "map_sigma_px", "fpr",   "storage"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(field, names[i]))
            return true;
    return strncmp(field, "post.", 5) == 0;
}

/* Returns the recipe with those fields cleared that did not affect the features, or that say how the pictures were
 * chosen. */
static dp_recipe of_features(const dp_recipe *recipe)
{
    dp_recipe r = *recipe, plain;
    dp_recipe_init(&plain);
    r.shots = r.seed = 0;
    if (r.align == DP_ALIGN_NONE) {
        r.canny_low = plain.canny_low;
        r.canny_high = plain.canny_high;
        r.blur_px = plain.blur_px;
        r.fill = plain.fill;
        r.polarity = DP_POLARITY_NONE;
    }
    if (r.n_layers < 2)
        r.layer_mix = plain.layer_mix;
    if (r.background == DP_BACKGROUND_NONE) {
        r.background_rule = plain.background_rule;
        r.background_threshold = plain.background_threshold;
    }
    return r;
}

static dp_status to_object(const dp_recipe *recipe, json_t **object, dp_error *err)
{
    dp_recipe features = of_features(recipe);
    char *text = NULL;
    dp_status status = dp_recipe_to_json(&features, &text, err);
    if (!status && !(*object = json_loads(text, 0, NULL)))
        status = dp_fail_memory(err, "the recipe", 0);
    dp_memory_free(text);
    return status;
}

/* Writes a value into as many bytes as a message has room for. */
static void value_text(const json_t *value, char *text, size_t bytes)
{
    size_t n = json_dumpb(value, text, bytes - 1, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    text[n < bytes ? n : bytes - 1] = 0;
}

static dp_status compare_recipes(const dp_bank *a, const dp_bank *b, const dp_run *run, dp_error *err)
{
    json_t *x = NULL, *y = NULL, *value;
    const char *field;
    dp_status status = to_object(&a->recipe, &x, err);
    if (!status)
        status = to_object(&b->recipe, &y, err);
    /* first pass: refuse what does not fit; second pass: report what is taken from the first bank */
    for (int pass = 0; !status && pass < 2; pass++)
        json_object_foreach(x, field, value)
        {
            char one[64], other[64];
            const json_t *second = json_object_get(y, field);
            if (status || json_equal(value, second) || is_of_scoring(field) != (pass == 1))
                continue;
            value_text(value, one, sizeof one);
            value_text(second, other, sizeof other);
            dp_error line;
            if (!pass)
                status =
                    dp_fail(err, DP_E_MISMATCH, "%s and %s were made by different recipes: \"%s\":%s and \"%s\":%s",
                            name_of(a), name_of(b), field, one, field, other);
            else {
                dp_fail(&line, DP_OK, "%s is %s as in %s; in %s it was %s", field, one, name_of(a), name_of(b), other);
                log_line(run, DP_LOG_INFO, &line);
            }
        }
    json_decref(x);
    json_decref(y);
    return status;
}

static dp_status can_be_merged(const dp_bank *a, const dp_bank *b, const dp_run *run, dp_error *err)
{
    if (a->reference && b->reference && !dp_reference_equal(a->reference, b->reference))
        return dp_fail(
            err, DP_E_MISMATCH,
            "%s and %s learned their part from different pictures, so they see it in different poses; add the "
            "pictures of one to the other, or fit one bank of all pictures",
            name_of(a), name_of(b));
    dp_status status = a->rows.moments ? DP_OK : dp_bank_needs_pictures(a, err);
    if (!status && !b->rows.moments)
        status = dp_bank_needs_pictures(b, err);
    if (!status && strcmp(a->model.sha256, b->model.sha256) != 0)
        return dp_fail(err, DP_E_MISMATCH,
                       "%s and %s were made with different checkpoints: %s (SHA-256 %s) and %s (%s)", name_of(a),
                       name_of(b), a->model.path, a->model.sha256, b->model.path, b->model.sha256);
    if (!status)
        status = compare_recipes(a, b, run, err);
    if (!status
        && (a->rows.dim != b->rows.dim || a->projection.dim_in != b->projection.dim_in
            || a->rows.rows_per_picture != b->rows.rows_per_picture || a->rows.grid_rows != b->rows.grid_rows
            || a->rows.grid_cols != b->rows.grid_cols))
        return dp_fail(err, DP_E_MISMATCH,
                       "%s and %s differ in size: %zux%zu cells of %zu features, and %zux%zu cells of %zu", name_of(a),
                       name_of(b), a->rows.grid_rows, a->rows.grid_cols, a->rows.dim, b->rows.grid_rows,
                       b->rows.grid_cols, b->rows.dim);
    if (!status && a->channels && memcmp(a->channels, b->channels, a->projection.dim_in * sizeof *a->channels) != 0)
        return dp_fail(err, DP_E_MISMATCH,
                       "%s and %s drew different numbers of a cell (seed %zu and %zu); fit both with one seed",
                       name_of(a), name_of(b), a->recipe.seed, b->recipe.seed);
    if (!status && !dp_roi_equal(a->roi, b->roi))
        return dp_fail(err, DP_E_MISMATCH, "%s and %s have different regions to inspect", name_of(a), name_of(b));
    if (!status && a->projection.basis
        && (memcmp(a->projection.mean, b->projection.mean, a->projection.dim_in * sizeof *a->projection.mean) != 0
            || memcmp(a->projection.basis, b->projection.basis,
                      a->rows.dim * a->projection.dim_in * sizeof *a->projection.basis)
                   != 0))
        return dp_fail(err, DP_E_MISMATCH,
                       "%s and %s each have their own principal components; merge the banks first, then compress",
                       name_of(a), name_of(b));
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- the pictures */

/* Features of one picture computed with different instruction sets differ by about a millionth of their length;
 * features of two pictures of one part by a hundredth and more. */
#define SAME_FEATURES 1e-3

/* Returns whether picture p of a and q of b hold features of the same pixels: |x - y| <= SAME_FEATURES |x|. work [2,
 * cells, dim]. */
static bool same_features(const dp_bank *a, size_t p, const dp_bank *b, size_t q, float *work, size_t room)
{
    size_t rows, cols, other_rows, other_cols;
    dp_rows_picture_grid(&a->rows, p, &rows, &cols);
    dp_rows_picture_grid(&b->rows, q, &other_rows, &other_cols);
    if (rows != other_rows || cols != other_cols || rows * cols * a->rows.dim > room)
        return false;
    dp_rows_get(&a->rows, p, 0, work, NULL);
    dp_rows_get(&b->rows, q, 0, work + room, NULL);
    double apart = 0, length = 0;
    for (size_t i = 0; i < rows * cols * a->rows.dim; i++) {
        double x = work[i], y = work[room + i];
        apart += (x - y) * (x - y);
        length += x * x;
    }
    return apart <= SAME_FEATURES * SAME_FEATURES * length;
}

/* For banks without digests: finds the picture of a with the name and the features of b's p. */
static dp_status twin_by_name(const dp_bank *a, const dp_bank *b, size_t p, size_t *twin, dp_error *err)
{
    size_t rows, cols, room;
    dp_rows_picture_grid(&b->rows, p, &rows, &cols);
    float *work = dp_mul_size(rows * cols, b->rows.dim, &room) ? dp_malloc_2d(room, 2, sizeof *work) : NULL;
    if (!work)
        return dp_fail_memory(err, "the features of a picture", rows * cols * b->rows.dim * 2 * sizeof *work);
    for (size_t q = 0; q < a->pictures.n && *twin == SIZE_MAX; q++)
        if (!strcmp(a->pictures.names[q], b->pictures.names[p])
            && !(dp_bank_picture_digest(a, q) && dp_bank_picture_digest(b, p)) && same_features(a, q, b, p, work, room))
            *twin = q;
    dp_memory_free(work);
    return DP_OK;
}

/* Fills picks [pictures of both]: all of a, then those of b that are not in a; *n is their number. named: the name of b
 * for messages. */
static dp_status choose(const dp_bank *a, const dp_bank *b, const char *named, bool mirror_b, const dp_run *run,
                        dp_bank_pick *picks, size_t *n, dp_error *err)
{
    dp_twin_table table;
    bool unseen = !dp_bank_knows_digests(a) || !dp_bank_knows_digests(b);
    if (!dp_twin_table_of_bank(&table, a, 0))
        return dp_fail_memory(err, "the pictures' digests", a->pictures.n * DP_DIGEST_BYTES);
    if (unseen)
        dp_report_unseen_twins(run, dp_bank_knows_digests(a) ? b : a);
    dp_status status = DP_OK;
    for (*n = 0; *n < a->pictures.n; ++*n)
        picks[*n] = (dp_bank_pick){a, *n, false};
    for (size_t p = 0; p < b->pictures.n && !status; p++) {
        const unsigned char *digest = dp_bank_picture_digest(b, p);
        size_t twin = digest ? dp_twin_table_find(&table, digest) : SIZE_MAX;
        if (unseen && twin == SIZE_MAX)
            status = twin_by_name(a, b, p, &twin, err);
        if (twin == SIZE_MAX) {
            picks[(*n)++] = (dp_bank_pick){b, p, mirror_b};
            continue;
        }
        dp_error line;
        dp_fail(&line, DP_OK, "%s of %s has the same pixels as %s of %s, so it counts once", b->pictures.names[p],
                named, a->pictures.names[twin], name_of(a));
        log_line(run, DP_LOG_WARNING, &line);
    }
    dp_twin_table_close(&table);
    return status;
}

/* Joins reference and bias of both, weighted by the pictures taken: all of a's and m of b's. */
static void join_orientations(const dp_bank *a, const dp_bank *b, size_t taken, bool opposite, float *orientation)
{
    size_t dim = a->projection.dim_in;
    double n = (double)a->pictures.n, m = (double)taken, square = 0;
    memcpy(orientation, a->orientation, 2 * dim * sizeof *orientation);
    if (!taken)
        return;
    for (size_t d = 0; d < dim; d++) {
        double sum = n * (double)a->orientation[d] + (opposite ? -m : m) * (double)b->orientation[d];
        square += sum * sum;
    }
    double norm = sqrt(square);
    for (size_t d = 0; d < dim; d++) {
        double sum = n * (double)a->orientation[d] + (opposite ? -m : m) * (double)b->orientation[d];
        orientation[d] = (float)(norm > 0 ? sum / norm : 0);
        orientation[dim + d] =
            (float)((n * (double)a->orientation[dim + d] + m * (double)b->orientation[dim + d]) / (n + m));
    }
}

static bool normalised_otherwise(const dp_bank *a, const dp_bank *b)
{
    return a->layer_norm && memcmp(a->layer_norm, b->layer_norm, 2 * a->projection.dim_in * sizeof *a->layer_norm) != 0;
}

/* Converts orientation [2, dim] (reference and bias) to features that are multiplied by factor[d]. The bias shrinks by
 * the same factor as the reference, before that is scaled back to length 1. */
static void scale_orientation(const float *factor, size_t dim, float *orientation)
{
    double square = 0;
    for (size_t d = 0; d < dim; d++)
        square += (double)factor[d] * factor[d] * orientation[d] * orientation[d];
    double by = square > 0 ? 1 / sqrt(square) : 1;
    for (size_t d = 0; d < 2 * dim; d++)
        orientation[d] = (float)(factor[d % dim] * by * orientation[d]);
}

/* Makes a bank of floats whose layers are normalised like those of `pattern`. With shift s and factor f of each:
 *     y = (v - s_b) f_b   becomes   (v - s_a) f_a = y f_a / f_b + (s_b - s_a) f_a;   0 where f_b is 0: there all v are
 * equal. */
static dp_status normalise_as(const dp_bank *pattern, const dp_bank *bank, dp_pool *pool, const dp_run *run,
                              dp_bank **out, dp_error *err)
{
    const size_t dim = bank->rows.dim;
    const float *to = pattern->layer_norm, *from = bank->layer_norm;
    const dp_reduction how = {.storage = DP_STORAGE_F32, .isa = run->isa};
    float *line = dp_malloc(dim, 2 * sizeof *line), *x = dp_malloc(dim, sizeof *x);
    dp_bank *copy = NULL;
    dp_status status = line && x ? dp_bank_reduce(bank, &how, pool, run, &copy, err)
                                 : dp_fail_memory(err, "the statistics of features", 2 * dim * sizeof *line);
    for (size_t i = 0; i < dim && !status; i++) {
        line[i] = from[dim + i] > 0 ? to[dim + i] / from[dim + i] : 0;
        line[dim + i] = (from[i] - to[i]) * to[dim + i];
    }
    for (size_t place = 0, n = status ? 0 : dp_rows_places(&copy->rows); place < n; place++) {
        if (!copy->rows.valid[place])
            continue;
        const float *row = (const float *)copy->rows.features + place * dim;
        for (size_t i = 0; i < dim; i++)
            x[i] = row[i] * line[i] + line[dim + i];
        dp_rows_encode(&copy->rows, &copy->memory, place, x);
    }
    if (!status)
        status = dp_rows_encoded(&copy->rows, err);
    if (!status) /* the reference, and the bias scaled like it */
        scale_orientation(line, dim, copy->orientation);
    dp_memory_free(line);
    dp_memory_free(x);
    if (status)
        dp_bank_close(&copy);
    else
        *out = copy;
    return status;
}

static dp_status merge(const dp_bank *a, const dp_bank *b, dp_pool *pool, const dp_run *run, dp_bank **merged,
                       dp_error *err)
{
    size_t n = 0, most = a->pictures.n + b->pictures.n;
    float *orientation = dp_malloc(a->projection.dim_in, 2 * sizeof *orientation);
    dp_bank_pick *picks = dp_malloc(most, sizeof *picks);
    dp_bank *alike = NULL, *normalised = NULL, *made = NULL;
    const char *named = name_of(b);
    dp_status status = orientation && picks ? DP_OK : dp_fail_memory(err, "the pictures", most * sizeof *picks);
    if (!status && normalised_otherwise(a, b)) {
        status = normalise_as(a, b, pool, run, &normalised, err);
        b = normalised ? normalised : b;
    }
    bool settled = !status && a->recipe.polarity != DP_POLARITY_NONE && a->recipe.align != DP_ALIGN_NONE;
    bool opposite = settled && dp_orientation_sign(a->orientation, b->orientation, a->projection.dim_in, NULL) < 0;
    if (!status && a->rows.storage != b->rows.storage) {
        const dp_reduction how = {.storage = a->rows.storage, .isa = run->isa};
        status = dp_bank_reduce(b, &how, pool, run, &alike, err);
    }
    if (!status)
        status = choose(a, alike ? alike : b, named, opposite, run, picks, &n, err);
    if (!status && opposite && n > a->pictures.n && (a->recipe.polarity == DP_POLARITY_ROTATE || a->rows.row_cell))
        status = dp_fail(err, DP_E_MISMATCH,
                         "%s and %s disagree on which end of the part comes first, and turning a part needs new "
                         "features; add the pictures of one bank to the other instead",
                         name_of(a), named);
    if (!status)
        join_orientations(a, b, n - a->pictures.n, opposite, orientation);
    if (!status && a->rows.moments && !dp_bank_has_pictures(a))
        status = n < most || opposite
                     ? dp_fail(err, DP_E_MISMATCH,
                               "%s and %s %s, and moments cannot tell the pictures apart; fit the banks with "
                               "bank.features=yes",
                               name_of(a), named,
                               opposite ? "disagree on which end of the part comes first" : "share pictures")
                     : dp_moments_merge(a, b, pool, &made, err);
    else if (!status)
        status = dp_bank_assemble_scored(a, picks, n, orientation, pool, run, &made, err);
    if (!status && !dp_bank_has_pictures(made))
        dp_bank_keep_decided(a, made);
    if (!status)
        status = dp_bank_report_near(made, run, err);
    if (!status) {
        *merged = made;
        made = NULL;
    }
    dp_bank_close(&made);
    dp_bank_close(&alike);
    dp_bank_close(&normalised);
    dp_memory_free(picks);
    dp_memory_free(orientation);
    return status;
}

dp_status dp_bank_merge(const dp_bank *a, const dp_bank *b, const dp_run *given_run, dp_bank **merged, dp_error *err)
{
    dp_run run;
    dp_pool *pool = NULL;
    dp_status status = dp_edit_begin(given_run, &run, &pool, err);
    if (!status)
        status = can_be_merged(a, b, &run, err);
    if (!status)
        status = merge(a, b, pool, &run, merged, err);
    dp_pool_close(&pool);
    return status;
}
