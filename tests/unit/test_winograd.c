/* SPDX-License-Identifier: Apache-2.0 */
/* Compares convolutions by Winograd's method with the definition in doubles, at every instruction set of this machine. */
#include "noise.h"
#include "test.h"

#include "base/isa.h"
#include "base/memory.h"
#include "network/winograd.h"

#include <math.h>

static double definition(const dp_winograd_task *t, const float *weights, size_t row, size_t col, size_t o)
{
    double sum = t->bias[o];
    for (size_t v = 0; v < 3; v++)
        for (size_t u = 0; u < 3; u++)
            for (size_t i = 0; i < t->in && row + v >= 1 && row + v <= t->rows && col + u >= 1 && col + u <= t->cols;
                 i++)
                sum += (double)weights[((o * 3 + v) * 3 + u) * t->in + i]
                       * (double)t->x[((row + v - 1) * t->cols + col + u - 1) * t->in + i];
    return sum;
}

/* The outputs are about 1; the measured errors are below half of this. */
#define BOUND 2e-5

static void compare(dp_isa isa, size_t in, size_t out, size_t rows, size_t cols, bool add, bool relu)
{
    const size_t n_out = rows * cols * out, tiles = ((rows + 3) / 4) * ((cols + 3) / 4);
    float *x = noise(rows * cols * in, 1), *weights = noise(out * 9 * in, 1 / sqrtf(3.0f * (float)in));
    float *bias = noise(out, 1), *before = noise(n_out, 1), *zeros = dp_calloc(in, sizeof *zeros);
    float *y = dp_malloc(n_out + 16, sizeof *y), *packed = dp_malloc(dp_winograd_weights(in, out), sizeof *packed);
    float *scratch = dp_malloc(dp_winograd_scratch(in), sizeof *scratch);
    memset(scratch, 0xff, dp_winograd_scratch(in) * sizeof *scratch); /* NaN: nothing of an earlier task may be read */
    memcpy(y, before, n_out * sizeof *y);
    for (size_t i = 0; i < 16; i++)
        y[n_out + i] = 7;
    dp_winograd_pack(in, out, weights, packed);
    dp_winograd_task t = {x, y, packed, bias, zeros, rows, cols, in, out, 0, 0, 0, add, relu, scratch};
    for (t.first_out = 0; t.first_out < out; t.first_out += DP_WINOGRAD_OUT)
        for (t.first_tile = 0; t.first_tile < tiles; t.first_tile += t.n_tiles) {
            t.n_tiles = tiles - t.first_tile < DP_WINOGRAD_TILES ? tiles - t.first_tile : DP_WINOGRAD_TILES;
            dp_winograd_kernel(isa)(&t);
        }
    double worst = 0;
    for (size_t i = 0; i < n_out; i++) {
        double want = definition(&t, weights, i / out / cols, i / out % cols, i % out) + (add ? before[i] : 0);
        worst = fmax(worst, fabs((relu && want < 0 ? 0 : want) - y[i]));
    }
    if (!(worst <= BOUND))
        fail_msg("%s, %zu to %zu channels, %zux%zu: off by %g", dp_isa_name(isa), in, out, rows, cols, worst);
    for (size_t i = 0; i < 16; i++)
        assert_true(y[n_out + i] == 7);
    float *const all[] = {x, weights, bias, before, zeros, y, packed, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        dp_memory_free(all[i]);
}

static void equals_definition(void **unused)
{
    (void)unused;
    static const dp_isa isas[] = {DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
    static const size_t channels[][2] = {{16, 64}, {64, 64}, {48, 192}, {256, 64}};
    /* 1 to 9 rows and columns are all edges of tiles; the last two are more than one task */
    static const size_t sizes[][2] = {{1, 1}, {2, 9}, {3, 4}, {4, 4}, {5, 8}, {9, 7}, {16, 16}, {13, 23}, {8, 68}};
    size_t tested = 0;
    for (size_t l = 0; l < sizeof isas / sizeof *isas; l++) {
        dp_isa isa;
        if (dp_isa_resolve(isas[l], &isa, NULL))
            continue;
        tested++;
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                compare(isa, channels[c][0], channels[c][1], sizes[s][0], sizes[s][1], s % 2, s % 3 != 0);
    }
    if (!tested) {
        print_message("skipped: no vectors here\n");
        skip();
    }
}

static void plain_c_has_none(void **unused)
{
    (void)unused;
    assert_null(dp_winograd_kernel(DP_ISA_C));
    assert_true(dp_winograd_suits(64, 64));
    assert_false(dp_winograd_suits(3, 64));
    assert_false(dp_winograd_suits(64, 32));
    assert_false(dp_winograd_suits(512, 512));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_definition), cmocka_unit_test(plain_c_has_none)};
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
