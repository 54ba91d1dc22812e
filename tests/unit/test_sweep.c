/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the sweep with exact sums, at every instruction set of this machine. */
#include "bank_fixture.h"

#include "base/isa.h"
#include "search/sweep_kernel.h"

#include <float.h>
#include <math.h>

static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512};
#define N_LEVELS (sizeof levels / sizeof *levels)

/* Limits at the exact value, well above and well below it: what must pass passes, what is clearly below does not. */
static void check_sweep(dp_isa isa, size_t dim)
{
    dp_sweep_kernel kernel = dp_sweep_kernel_get(isa);
    uint64_t seed = dim * 31 + (uint64_t)isa, hits[DP_SWEEP_MAX_ROWS];
    float *panel = random_floats(dim * kernel.width, &seed), *stored = random_floats(dim * kernel.rows, &seed);
    float *scale = random_floats(kernel.rows, &seed), *bias = random_floats(kernel.rows, &seed);
    const float *rows[DP_SWEEP_MAX_ROWS];
    for (size_t r = 0; r < kernel.rows; r++)
        rows[r] = stored + r * dim;
    float limits[DP_SWEEP_MAX_WIDTH];
    for (size_t chosen = 0; chosen < kernel.rows; chosen++) {
        for (size_t q = 0; q < kernel.width; q++) {
            double value = bias[chosen];
            for (size_t d = 0; d < dim; d++)
                value += (double)scale[chosen] * panel[d * kernel.width + q] * rows[chosen][d];
            limits[q] = (float)(value + (q % 3 == 0 ? 1e-5 : -1e-5) * (double)(dim + 16));
        }
        bool any = kernel.f32(panel, rows, dim, scale, bias, limits, hits);
        uint64_t all = 0, expected = 0;
        for (size_t r = 0; r < kernel.rows; r++)
            all |= hits[r];
        for (size_t q = 0; q < kernel.width; q++)
            expected |= (uint64_t)(q % 3 != 0) << q;
        if (hits[chosen] != expected || any != (all != 0))
            fail_msg("%s, dim %zu, row %zu: hits %llx, not %llx", dp_isa_name(isa), dim, chosen,
                     (unsigned long long)hits[chosen], (unsigned long long)expected);
    }
    /* Not a number passes; a bias of -infinity lets nothing pass. */
    for (size_t q = 0; q < kernel.width; q++)
        limits[q] = q == 1 ? INFINITY : -FLT_MAX;
    panel[1] = NAN;
    for (size_t r = 0; r < kernel.rows; r++)
        bias[r] = -INFINITY;
    assert_true(kernel.f32(panel, rows, dim, scale, bias, limits, hits));
    for (size_t r = 0; r < kernel.rows; r++)
        assert_true(hits[r] == 2);
    dp_memory_free(panel);
    dp_memory_free(stored);
    dp_memory_free(scale);
    dp_memory_free(bias);
}

static void sweeps(void **state)
{
    (void)state;
    const size_t dims[] = {1, 2, 3, 7, 16, 17, 64, 191, 384, 1023};
    for (size_t l = 0; l < N_LEVELS; l++) {
        dp_isa isa;
        if (dp_isa_resolve(levels[l], &isa, NULL) != DP_OK)
            continue;
        if (l)
            assert_true(dp_sweep_kernel_get(isa).f32 != dp_sweep_f32_c);
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            check_sweep(isa, dims[d]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
