/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the parts of a bank by themselves: rows and their blocks, the table of pictures, the builder, scoring
 * options. */
#include "bank/bank_tensors.h"
#include "bank_fixture.h"

#include <math.h>

/* A block of rows is a view: it reads the numbers of the whole rows, and its own norms are not known. */
static void a_block_is_a_view(void **state)
{
    (void)state;
    enum { PLACES = 5, DIM = 12, BLOCKS = 3 };
    for (int storage = DP_STORAGE_F32; storage <= DP_STORAGE_I8; storage++) {
        dp_rows rows = {.grid_rows = 1,
                        .grid_cols = PLACES,
                        .n_rows = 1,
                        .dim = DIM,
                        .blocks = BLOCKS,
                        .n_pictures = 1,
                        .rows_per_picture = 1,
                        .storage = (dp_storage)storage};
        dp_row_memory memory;
        uint64_t seed = 4;
        float *x = random_floats((size_t)PLACES * DIM, &seed), whole[DIM], part[DIM];
        assert_true(dp_row_memory_new(&rows, PLACES, false, &memory));
        dp_row_memory_show(&memory, &rows);
        for (size_t i = 0; i < PLACES; i++)
            dp_rows_encode(&rows, &memory, i, i == 3 ? NULL : x + i * DIM);
        assert_ok(dp_rows_encoded(&rows, err));
        assert_true(!rows.valid[3] && rows.valid[4] && rows.norms[3] == 0);
        for (size_t b = 0; b < BLOCKS; b++) {
            const dp_rows block = dp_rows_block(&rows, b);
            assert_true(block.dim == DIM / BLOCKS && block.blocks == 1 && !block.norms && !dp_rows_are_plain(&block));
            for (size_t cell = 0; cell < PLACES; cell++) {
                dp_rows_widen(&rows, cell, 0, 1, whole);
                dp_rows_widen(&block, cell, 0, 1, part);
                assert_memory_equal(part, whole + b * block.dim, block.dim * sizeof *part);
            }
        }
        rows.blocks = 1; /* not kept apart: the block is the rows */
        const dp_rows same = dp_rows_block(&rows, 0);
        assert_true(same.dim == DIM && same.skip == 0 && same.norms == rows.norms);
        dp_row_memory_free(&memory);
        assert_null(memory.features);
        dp_memory_free(x);
    }
}

static void what_a_type_cannot_hold(void **state)
{
    (void)state;
    const float large[2] = {1, 70000};
    dp_rows rows = {.grid_rows = 1, .grid_cols = 1, .n_rows = 1, .dim = 2, .blocks = 1, .storage = DP_STORAGE_F16};
    dp_row_memory memory;
    size_t bytes;
    assert_true(dp_row_memory_new(&rows, 1, true, &memory));
    assert_true(memory.row_picture && !memory.row_cell && !memory.scales);
    dp_row_memory_show(&memory, &rows);
    dp_rows_encode(&rows, &memory, 0, large);
    assert_fails(DP_E_NUMERIC, "half floats", dp_rows_encoded(&rows, err));
    assert_true(dp_row_bytes(2, DP_STORAGE_F16, true, false, &bytes) && bytes == 2 * 2 + 4 + 1 + 4
                && dp_rows_bytes(&rows) == bytes);
    assert_false(dp_row_bytes(SIZE_MAX / 2, DP_STORAGE_F32, false, false, &bytes));
    dp_row_memory_free(&memory);
}

static void pictures_are_copied_with_all_that_is_known(void **state)
{
    (void)state;
    dp_bank_pictures from, to;
    const dp_pose pose = {.status = DP_ALIGN_OK, .centre_x_px = 3};
    assert_true(dp_bank_pictures_new(2, &from) && dp_bank_pictures_new(2, &to));
    assert_true(dp_bank_pictures_add(&from, "a", &pose) && dp_bank_pictures_add(&from, "b\xff", &pose));
    assert_true(from.n == 2 && from.polarities[1] == 1 && isnan(from.loo_scores[1]) && isnan(from.lights[0].dark));
    assert_null(dp_bank_pictures_digest(&from, 1));
    from.loo_scores[1] = 5;
    from.loo_peaks[1] = 6;
    from.polarities[1] = -1;
    from.lights[1].dark = 7;
    from.digests[DP_DIGEST_BYTES + 31] = 1;
    assert_true(dp_bank_pictures_new_backgrounds(&from, 2));
    from.background[1] = dp_calloc(6, 1);
    from.background[1][0] = 1;
    assert_true(dp_bank_pictures_copy(&from, 1, 6, 2, &to) && dp_bank_pictures_copy(&from, 0, 6, 2, &to));
    assert_string_equal(to.names[0], "b\xff");
    assert_true(to.n == 2 && to.poses[0].centre_x_px == 3 && to.loo_scores[0] == 5 && to.loo_peaks[0] == 6
                && to.polarities[0] == -1 && to.lights[0].dark == 7);
    assert_non_null(dp_bank_pictures_digest(&to, 0));
    assert_memory_equal(to.background[0], from.background[1], 6);
    assert_null(to.background[1]);
    dp_masks_mirror(to.background[0], 1, 2, 3);
    const uint8_t mirrored[6] = {0, 0, 1, 0, 0, 0};
    assert_memory_equal(to.background[0], mirrored, 6);
    dp_bank_pictures_take_back(&to);
    dp_bank_pictures_take_back(&to);
    assert_true(to.n == 0 && !to.names[0] && !to.background[0]);
    dp_bank_pictures_free(&from);
    dp_bank_pictures_free(&to);
}

/* A picture that is taken back leaves nothing behind, whatever had been put of it. */
static void taken_back(void **state)
{
    (void)state;
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.layout = DP_LAYOUT_FLAT;
    const dp_bank_spec spec = {
        .recipe = &recipe, .dim = 2, .capacity = 3, .rows_per_picture = 2, .model_sha256 = random_hash};
    const dp_pose pose = {0};
    const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, broken[2] = {1, NAN};
    dp_bank_builder *builder = NULL;
    size_t picture;
    float back[12];
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    for (size_t try = 0; try < 3; try++) {
        const bool keep = try != 1;
        assert_ok(dp_bank_builder_add(builder, keep ? "kept" : "gone", &pose, &picture, err));
        assert_int_equal(picture, try ? 1 : 0);
        assert_ok(dp_bank_builder_put_grid(builder, picture, 0, x, NULL, keep ? 2 : 1, keep ? 3 : 1, err));
        if (keep) {
            assert_ok(dp_bank_builder_put_grid(builder, picture, 1, x, NULL, 2, 3, err));
        } else {
            assert_fails(DP_E_NUMERIC, "gone", dp_bank_builder_put_grid(builder, picture, 1, broken, NULL, 1, 1, err));
            dp_bank_builder_take_back(builder);
        }
    }
    dp_bank *bank = finished(builder);
    assert_true(bank->rows.n_rows == 24 && bank->pictures.n == 2 && bank->rows.n_pictures == 2 && bank->rows.flat
                && bank->rows.complete);
    dp_rows_get(&bank->rows, 1, 1, back, NULL);
    assert_memory_equal(back, x, sizeof back);
    assert_int_equal(dp_rows_most_cells(&bank->rows), 6);
    dp_bank_close(&bank);
    assert_ok(dp_bank_builder_open(&spec, &builder, err));
    dp_bank_builder_close(&builder); /* nothing was made of it */
    assert_null(builder);
}

/* A bank like another has its pictures and levels, and rows of its own kind. */
static void has_pictures_and_levels_of_another(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(2, 3, 4, 3, 1, 9), *made = NULL;
    dp_recipe recipe = bank->recipe;
    recipe.kmeans = 2;
    recipe.storage = DP_STORAGE_F16;
    bank->levels.threshold = 5;
    bank->pictures.loo_scores[2] = 4;
    const dp_bank_shape shape = {.recipe = &recipe, .n_rows = 2, .dim = 4, .owners = true};
    const float x[4] = {1, 2, 3, 4}, large[4] = {1e6f};
    dp_bank_builder *builder = NULL;
    size_t bytes;
    assert_true(dp_bank_shape_bytes(bank, &shape, &bytes) && bytes == 6 * 2 * (4 * 2 + 4 + 1 + 4));
    assert_ok(dp_bank_builder_from(bank, &shape, &builder, err));
    for (size_t place = 0; place < 12; place++) {
        dp_bank_builder_set_row(builder, place, place == 5 ? large : place % 2 ? NULL : x);
        dp_bank_builder_set_owner(builder, place, place % 2 ? -1 : 1, 0);
    }
    assert_fails(DP_E_NUMERIC, "half floats", dp_bank_builder_finish(&builder, &made, err));
    dp_bank_builder_set_row(builder, 5, NULL);
    assert_ok(dp_bank_builder_finish(&builder, &made, err));
    assert_true(!made->rows.complete && made->rows.n_rows == 2 && made->levels.threshold == 5
                && made->pictures.loo_scores[2] == 4);
    assert_true(dp_rows_picture(&made->rows, 3, 0) == 1 && dp_rows_picture(&made->rows, 3, 1) == DP_NO_PICTURE
                && !made->rows.valid[7]);
    assert_string_equal(made->pictures.names[2], bank->pictures.names[2]);
    assert_int_equal(dp_bank_held_bytes(made), bytes);
    dp_bank_close(&made);
    dp_bank_close(&bank);
}

static dp_scoring some_scoring(void)
{
    dp_scoring scoring = {.metric = DP_METRIC_COSINE,
                          .window = 3,
                          .knn = 4,
                          .blend = 0.5,
                          .blocks = 2,
                          .score = DP_SCORE_MAX,
                          .reweight = 9};
    scoring.post.low = 0.25;
    dp_distance_scales_none(DP_METRIC_COSINE, 3, 4, &scoring.levels.scales);
    scoring.levels.scales.local[1] = 7;
    scoring.levels.threshold = 8;
    scoring.levels.origin = (dp_threshold_origin){DP_ORIGIN_TUNE, 0.5, 2, 3, 0, 0};
    scoring.levels.cell_threshold = 9;
    scoring.levels.heat = (dp_interval){1, 2};
    return scoring;
}

static void same_scoring(const dp_scoring *a, const dp_scoring *b)
{
    assert_true(a->metric == b->metric && a->window == b->window && a->knn == b->knn && a->blend == b->blend
                && a->score == b->score && a->reweight == b->reweight && dp_post_equal(&a->post, &b->post));
    assert_true(a->levels.scales.local[1] == b->levels.scales.local[1] && a->levels.threshold == b->levels.threshold
                && a->levels.cell_threshold == b->levels.cell_threshold && a->levels.heat.high == b->levels.heat.high
                && a->levels.origin.n_bad == b->levels.origin.n_bad);
}

/* One way of scoring through a view and a recipe and back. */
static void scoring_survives_view_and_recipe(void **state)
{
    (void)state;
    const dp_scoring scoring = some_scoring();
    dp_recipe recipe;
    dp_view view = {.any_size = 1};
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    dp_scoring_to_view(&scoring, &view);
    dp_scoring_to_recipe(&scoring, &recipe);
    const dp_scoring of_view = dp_scoring_of_view(&view), of_recipe = dp_scoring_of_recipe(&recipe, &scoring.levels);
    same_scoring(&scoring, &of_view);
    same_scoring(&scoring, &of_recipe);
    assert_true(of_view.blocks == 2 && of_recipe.blocks == 0 && view.any_size && dp_scoring_reweighs(&scoring));
    assert_true(dp_distance_scales_hold(&scoring.levels.scales, DP_METRIC_COSINE, 3, 4));
    assert_false(dp_distance_scales_hold(&scoring.levels.scales, DP_METRIC_L2, 3, 4));
}

/* A bank saved as if it were scored in another way is that bank in all else, and stays as it was in memory. */
static void saved_with_another_scoring(void **state)
{
    (void)state;
    dp_bank *bank = random_bank(2, 3, 4, 3, 1, 9), *back = NULL;
    const char *path = temporary_path("scored.bank");
    const double scores[3] = {1, NAN, 3};
    dp_scoring scoring = some_scoring();
    dp_recipe recipe = bank->recipe;
    scoring.reweight = 0;
    scoring.blend = 0;
    dp_scoring_to_recipe(&scoring, &recipe);
    const dp_bank_scored scored = {&recipe, &scoring.levels, scores, NULL};
    assert_ok(dp_bank_save_scored(bank, &scored, path, err));
    assert_true(isnan(bank->levels.threshold) && bank->recipe.knn == 1);
    assert_ok(dp_bank_open(path, &back, err));
    const dp_scoring read = dp_bank_scoring(back);
    assert_true(read.knn == 4 && read.levels.threshold == 8 && back->pictures.loo_scores[2] == 3
                && !back->pictures.peaks_known);
    assert_memory_equal(back->rows.features, bank->rows.features, dp_rows_places(&bank->rows) * 4 * sizeof(float));
    assert_true(back->rows.mapped && !bank->rows.mapped);
    assert_string_equal(back->rows.name, path);
    assert_string_equal(dp_bank_name(bank), "the bank");
    dp_bank_close(&back);
    dp_bank_close(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_a_view),
        cmocka_unit_test(what_a_type_cannot_hold),
        cmocka_unit_test(pictures_are_copied_with_all_that_is_known),
        cmocka_unit_test(taken_back),
        cmocka_unit_test(has_pictures_and_levels_of_another),
        cmocka_unit_test(scoring_survives_view_and_recipe),
        cmocka_unit_test(saved_with_another_scoring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
