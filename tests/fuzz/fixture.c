/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.c - see fixture.h. */
#include "fixture.h"
#include "fuzz.h"

#include "bank/builder.h"
#include "bank/roi_mask.h"
#include "base/memory.h"
#include "search/distance_scales.h"
#include "dinopatch/edit.h"

#include <stdio.h>
#include <string.h>

const char *const fixture_names[N_FIXTURES] = {"grid",   "grid-f16", "grid-int8", "mirror",     "flat",   "patchcore",
                                               "kmeans", "pca",      "separate",  "background", "region", "part"};

enum { ROWS = 3, COLS = 4, DIM = 6, PICTURES = 4, WIDTH = 64, HEIGHT = 48 };

static void features_of(size_t picture, size_t augmentation, float *features, uint8_t *valid)
{
    uint64_t state = picture * 977 + augmentation * 31 + 5;
    for (size_t i = 0; i < ROWS * COLS * DIM; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        features[i] = (float)(state >> 40) / 8388608.0f - 1;
    }
    for (size_t i = 0; i < ROWS * COLS; i++)
        valid[i] = (i + picture) % 5 != 0;
}

/* What a part looks like: as small as it can be, every number another one. */
static dp_reference *part(void)
{
    const dp_reference sizes = {.basis = {.dim_in = 4, .dim = 2},
                                .n_angles = 2,
                                .side = 2,
                                .look = {2, 2, 1.25},
                                .width = 40,
                                .height = 20,
                                .good_score = 0.9,
                                .least_score = 0.5};
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    dp_reference empty = sizes;
    fuzz_must(dp_reference_allocate(&empty), "the fixture has room");
    dp_reference_arrays(&empty, arrays);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
        for (size_t k = 0; k < arrays[i].n; k++)
            (*arrays[i].values)[k] = 0.25f + (float)(i + k) / 8;
    dp_reference *made = dp_reference_copy(&empty);
    if (made) /* two kinds */
        made->next = dp_reference_copy(&empty);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
        dp_memory_free(*arrays[i].values);
    fuzz_must(made && made->next, "the fixture has room");
    return made;
}

/* Bank `kind` made smaller, which takes its place. */
static void compress(dp_bank **bank, size_t kmeans, double pca)
{
    dp_compression how;
    dp_compression_init(*bank, &how);
    how.kmeans = kmeans;
    how.pca = pca;
    dp_run run;
    dp_run_init(&run);
    run.threads = 1;
    dp_bank *smaller = NULL;
    fuzz_must(dp_bank_compress(*bank, &how, &run, &smaller, NULL, NULL) == DP_OK, "the fixture can be made smaller");
    dp_bank_close(bank);
    *bank = smaller;
}

dp_bank *fixture_bank(int kind)
{
    bool flat = kind == FIXTURE_FLAT || kind == FIXTURE_PATCHCORE;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.storage = kind == FIXTURE_GRID_F16  ? DP_STORAGE_F16
                     : kind == FIXTURE_GRID_I8 ? DP_STORAGE_I8
                                               : DP_STORAGE_F32;
    recipe.canvas_height_px = ROWS * 14;
    recipe.canvas_width_px = COLS * 14;
    recipe.mirror = kind == FIXTURE_MIRROR;
    recipe.layers[0] = 11;
    recipe.n_layers = 1;
    if (kind == FIXTURE_SEPARATE) {
        recipe.layers[0] = 3;
        recipe.layers[1] = 11;
        recipe.n_layers = 2;
        recipe.layer_mix = DP_LAYERS_SEPARATE;
        recipe.blend = 0.25;
    }
    if (kind == FIXTURE_BACKGROUND)
        recipe.background = DP_BACKGROUND_TEST;
    if (kind == FIXTURE_REGION)
        recipe.roi = DP_ROI_FIXED;
    if (kind == FIXTURE_PART) {
        recipe.align = DP_ALIGN_FEATURES;
        recipe.polarity = DP_POLARITY_NONE;
    }
    if (flat) {
        recipe.layout = DP_LAYOUT_FLAT;
        recipe.align = DP_ALIGN_NONE;
        recipe.polarity = DP_POLARITY_NONE;
        recipe.score = DP_SCORE_MAX;
        recipe.reweight = kind == FIXTURE_PATCHCORE ? 3 : 0;
    }
    size_t per = recipe.mirror ? 2 : 1;
    dp_bank_spec spec = {.recipe = &recipe,
                         .grid_rows = flat ? 0 : ROWS,
                         .grid_cols = flat ? 0 : COLS,
                         .dim = DIM,
                         .capacity = PICTURES,
                         .rows_per_picture = per,
                         .model_path = "/models/dino.safetensors",
                         .model_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    dp_bank *bank = NULL;
    dp_bank_builder *builder = NULL;
    dp_error err;
    fuzz_must(fuzz_ok(dp_bank_builder_open(&spec, &builder, &err), &err), "the fixture has room");
    for (size_t p = 0; p < PICTURES; p++) {
        float features[ROWS * COLS * DIM];
        uint8_t valid[ROWS * COLS];
        char name[32];
        size_t index;
        snprintf(name, sizeof name, "good/%03zu.png", p);
        const dp_pose pose = {DP_ALIGN_OK, 10.5 + (double)p, 20.25, 0.5, 30, 3, 7, WIDTH, HEIGHT, 100 + p, 200 + p};
        fuzz_must(dp_bank_builder_add(builder, name, &pose, &index, NULL) == DP_OK, "the fixture takes pictures");
        for (size_t a = 0; a < per; a++) {
            features_of(p, a, features, valid);
            fuzz_must(dp_bank_builder_put_grid(builder, index, a, features, valid, ROWS, COLS, NULL) == DP_OK,
                      "the fixture takes features");
            for (size_t i = 0; i < ROWS * COLS; i++)
                valid[i] = i % COLS == a;
            if (kind == FIXTURE_BACKGROUND)
                fuzz_must(dp_bank_builder_set_background(builder, index, a, valid, NULL) == DP_OK,
                          "the fixture takes masks");
        }
    }
    if (kind == FIXTURE_REGION) {
        uint8_t mask[WIDTH * HEIGHT];
        for (size_t i = 0; i < sizeof mask; i++)
            mask[i] = i % WIDTH < WIDTH / 2;
        fuzz_must(dp_roi_new(DP_ROI_FIXED, false, HEIGHT, WIDTH, mask, &builder->bank->roi, NULL) == DP_OK,
                  "the fixture takes a region");
    }
    if (kind == FIXTURE_PART)
        builder->bank->reference = part();
    fuzz_must(fuzz_ok(dp_bank_builder_finish(&builder, &bank, &err), &err), "the fixture is whole");
    if (kind == FIXTURE_KMEANS)
        compress(&bank, 2, 0);
    if (kind == FIXTURE_SEPARATE)
        fuzz_must(
            fuzz_ok(dp_distance_scales_find(&bank->rows, 0, true, DP_ISA_AUTO, NULL, &bank->levels.scales, &err), &err),
            "scales are found");
    if (kind == FIXTURE_PCA)
        compress(&bank, 0, 3);
    return bank;
}
