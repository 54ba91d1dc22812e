/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel of the resize gives the bits of the plain C one at every instruction set of this machine. */
#include "test.h"

#include "base/isa.h"
#include "image/resize.h"

static uint32_t random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static void same_bits(void **unused)
{
    (void)unused;
    static const dp_isa isas[] = {DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512};
    enum { MOST = 300, ROWS = 21, STRIDE = 311 };
    uint8_t rows[ROWS * STRIDE];
    float weights[ROWS], want[MOST], got[MOST + 1];
    uint64_t seed = 3;
    size_t tested = 0;
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)random_bits(&seed);
    for (size_t i = 0; i < ROWS; i++)
        weights[i] = (float)(int32_t)random_bits(&seed) * 0x1p-34f;
    for (size_t l = 0; l < sizeof isas / sizeof *isas; l++) {
        dp_mix_rows_fn mix = dp_mix_rows_c;
        dp_isa isa;
        if (dp_isa_resolve(isas[l], &isa, NULL))
            continue;
        DP_KERNELS_FILL(dp_resize_kernels, &mix, isa);
        assert_true(mix != dp_mix_rows_c);
        tested++;
        for (size_t n = 1; n <= MOST; n += n < 20 ? 1 : 13)
            for (size_t count = 1; count <= ROWS; count += 5) {
                dp_mix_rows_c(rows, STRIDE, weights, count, n, want);
                got[n] = 7;
                mix(rows, STRIDE, weights, count, n, got);
                assert_memory_equal(got, want, n * sizeof *got);
                assert_true(got[n] == 7);
            }
    }
    if (!tested) {
        print_message("skipped: no vectors here\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits)};
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
