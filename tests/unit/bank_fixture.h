/* SPDX-License-Identifier: Apache-2.0 */
/* bank_fixture.h - random numbers from a seed, and banks made of them. */
#ifndef DP_TESTS_BANK_FIXTURE_H
#define DP_TESTS_BANK_FIXTURE_H

#include "bank/builder.h"
#include "base/memory.h"
#include "test.h"

#include <string.h>

/* Returns a number in [-1, 1). */
static inline float uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 8388608.0f - 1;
}

static inline float *random_floats(size_t n, uint64_t *seed)
{
    float *x = dp_malloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = uniform(seed);
    return x;
}

/* Makes features [rows, cols, dim] and validity [rows, cols] of picture p as random_bank uses them: some cells are
 * not valid, cell 1 in no picture. */
static inline void random_grid(size_t cells, size_t dim, uint64_t seed, float **features, uint8_t **valid)
{
    seed = seed * 7919 + 17;
    *features = random_floats(cells * dim, &seed);
    *valid = dp_malloc(cells, 1);
    for (size_t i = 0; i < cells; i++)
        (*valid)[i] = uniform(&seed) > -0.7f && i != 1;
}

static const char random_hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static inline dp_bank_builder *empty_bank_in(dp_storage storage, size_t rows, size_t cols, size_t dim, size_t capacity,
                                             size_t per)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.storage = storage;
    recipe.canvas_height_px = rows * 14;
    recipe.canvas_width_px = cols * 14;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = rows,
                         .grid_cols = cols,
                         .dim = dim,
                         .capacity = capacity,
                         .rows_per_picture = per,
                         .model_path = "/models/d\xff"
                                       "ino.safetensors",
                         .model_sha256 = random_hash};
    dp_bank_builder *builder = NULL;
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    return builder;
}

static inline dp_bank_builder *empty_bank(size_t rows, size_t cols, size_t dim, size_t capacity, size_t per)
{
    return empty_bank_in(DP_STORAGE_F32, rows, cols, dim, capacity, per);
}

/* left_out: picture that is left out (SIZE_MAX: none). */
static inline dp_bank_builder *random_builder(dp_storage storage, size_t rows, size_t cols, size_t dim, size_t pictures,
                                              size_t per, uint64_t seed, size_t left_out)
{
    dp_bank_builder *builder = empty_bank_in(storage, rows, cols, dim, pictures + 1, per);
    for (size_t p = 0; p < pictures; p++) {
        if (p == left_out)
            continue;
        size_t index;
        char name[32];
        snprintf(name, sizeof name, "good/%03zu.png", p);
        dp_pose pose = {DP_ALIGN_OK, 10.5 + (double)p, 20.25, 0.5, 30, 3, 7, 640, 480, 100 + p, 200 + p};
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        for (size_t a = 0; a < per; a++) {
            float *features;
            uint8_t *valid;
            random_grid(rows * cols, dim, seed * 1000 + p * 10 + a, &features, &valid);
            assert_ok(dp_bank_builder_put(builder, index, a, features, valid, err));
            dp_memory_free(features);
            dp_memory_free(valid);
        }
    }
    return builder;
}

static inline dp_bank *finished(dp_bank_builder *builder)
{
    dp_bank *bank = NULL;
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    assert_null(builder);
    return bank;
}

static inline dp_bank *random_bank_in(dp_storage storage, size_t rows, size_t cols, size_t dim, size_t pictures,
                                      size_t per, uint64_t seed, size_t left_out)
{
    return finished(random_builder(storage, rows, cols, dim, pictures, per, seed, left_out));
}

/* Rows of one location of a bank of floats: [n_rows, dim]. */
static inline const float *rows_of_cell(const dp_bank *bank, size_t cell)
{
    return dp_rows_stored(&bank->rows, cell, 0);
}

/* reference, bias [dim_in] of a bank that is finished. */
static inline void set_orientation(dp_bank *bank, const float *reference, const float *bias)
{
    size_t dim = bank->projection.dim_in;
    memcpy(bank->orientation, reference, dim * sizeof *reference);
    memcpy(bank->orientation + dim, bias, dim * sizeof *bias);
}

static inline dp_bank *random_bank_without(size_t rows, size_t cols, size_t dim, size_t pictures, size_t per,
                                           uint64_t seed, size_t left_out)
{
    return random_bank_in(DP_STORAGE_F32, rows, cols, dim, pictures, per, seed, left_out);
}

static inline dp_bank *random_bank(size_t rows, size_t cols, size_t dim, size_t pictures, size_t per, uint64_t seed)
{
    return random_bank_without(rows, cols, dim, pictures, per, seed, SIZE_MAX);
}

/* Gives the grid of picture p in random_flat: 3 to 5 rows, 4 to 6 columns. */
static inline void flat_grid(size_t p, size_t *rows, size_t *cols)
{
    *rows = 3 + p % 3;
    *cols = 4 + p * 2 % 3;
}

static inline dp_bank *random_flat_without(size_t dim, size_t pictures, size_t per, uint64_t seed, size_t left_out)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = DP_LAYOUT_FLAT;
    dp_bank_spec spec = {
        .recipe = &recipe, .dim = dim, .capacity = pictures + 1, .rows_per_picture = per, .model_sha256 = random_hash};
    dp_bank_builder *builder = NULL;
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    for (size_t p = 0; p < pictures; p++) {
        if (p == left_out)
            continue;
        size_t index, rows, cols;
        char name[32];
        snprintf(name, sizeof name, "good/%03zu.png", p);
        dp_pose pose = {.status = DP_ALIGN_OFF};
        assert_ok(dp_bank_builder_add(builder, name, &pose, &index, err));
        flat_grid(p, &rows, &cols);
        for (size_t a = 0; a < per; a++) {
            float *features;
            uint8_t *valid;
            random_grid(rows * cols, dim, seed * 1000 + p * 10 + a, &features, &valid);
            assert_ok(dp_bank_builder_put_grid(builder, index, a, features, valid, rows, cols, err));
            dp_memory_free(features);
            dp_memory_free(valid);
        }
    }
    return finished(builder);
}

#endif
