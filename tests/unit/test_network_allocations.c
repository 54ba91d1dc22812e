/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the library allocates nothing after the first picture of a size. The program replaces the allocation
 * functions and counts calls by caller. oneDNN 2.6 makes a short list of its arguments at each execution; those are
 * counted separately and printed. */
#include "counting.h"

#define DEPTH 3

static void no_allocation_after_the_first_picture(void **state)
{
    (void)state;
#if !COUNTING
    print_message("left out: the allocator cannot be replaced here\n");
#else
    static float rgb[72 * 56 * 3], tokens[18 * 14 * 128];
    for (size_t i = 0; i < sizeof rgb / sizeof *rgb; i++)
        rgb[i] = (float)(i * 7919 % 256);
    for (int gated = 0; gated < 2; gated++) {
        dp_architecture a = {
            .dim = 128, .depth = DEPTH, .heads = 2, .patch_px = 4, .position_side = 5, .swiglu = gated};
        const char *path = temporary_path("model.safetensors");
        dp_network *model = NULL;
        assert_ok(dp_network_synthesise(&a, 7, path, err));
        assert_ok(dp_network_open(path, &model, err));
        for (int precision = DP_FP32; precision <= (dp_isa_detect() == DP_ISA_AVX512_VNNI ? DP_INT8 : DP_FP32);
             precision++) {
            dp_run run;
            dp_run_init(&run);
            run.threads = 2;
            dp_session *session = NULL;
            atomic_store(&ours, 0);
            atomic_store(&others, 0);
            atomic_store(&counting, true);
            assert_ok(dp_session_open(model, (dp_precision)precision, &run, &session, err));
            atomic_store(&counting, false);
            assert_true(atomic_load(&ours) > 0 && atomic_load(&others) > 0); /* the count is not blind */
            for (int warm_up = 0; warm_up < 2; warm_up++)
                assert_ok(dp_session_embed(session, rgb, 72, 56, NULL, 0, DP_LAYERS_MEAN, tokens, err));
            atomic_store(&ours, 0);
            atomic_store(&others, 0);
            atomic_store(&counting, true);
            for (int picture = 0; picture < 5; picture++)
                assert_ok(dp_session_embed(session, rgb, 72, 56, NULL, 0, DP_LAYERS_MEAN, tokens, err));
            atomic_store(&counting, false);
            size_t mine = atomic_load(&ours), theirs = atomic_load(&others);
            print_message("%s, %s: %zu allocations in five pictures, and %zu of oneDNN\n", gated ? "SwiGLU" : "GELU",
                          precision == DP_INT8 ? "int8" : "fp32", mine, theirs);
            assert_int_equal(mine, 0);
            dp_session_close(&session);
        }
        dp_network_close(&model);
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_allocation_after_the_first_picture)};
    return cmocka_run_group_tests_name("network_allocations", tests, NULL, NULL);
}
