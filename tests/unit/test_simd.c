/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that the vector vocabulary gives the same bits at every instruction set of this machine as its definition in
 * plain C. */
#include "test.h"

#include "base/isa.h"
#include "simd/half.h"
#include "simd_probe.h"

#include <math.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const operations[PROBE_OPERATIONS] = {
    "vload", "vload_f16", "vload_i8", "vload_u8", "vset1",  "vadd",   "vsub",
    "vmul",  "vdiv",      "vfma",     "vmax",     "vround", "vscale", "vnot_below",
};

static uint32_t random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static float random_float(uint64_t *state) /* of many sizes, both signs */
{
    float value = (float)(int32_t)random_bits(state) * 0x1p-31f;
    return ldexpf(value, (int)(random_bits(state) % 40) - 20);
}

static void fill(simd_probe *probe, uint64_t seed)
{
    static const float special[] = {NAN,  INFINITY, -INFINITY, 0,      0.5f,  1.5f,
                                    2.5f, -0.5f,    -1.5f,     1e-38f, 3e38f, 8388609};
    for (size_t i = 0; i < PROBE_VALUES; i++) {
        probe->a[i] = random_float(&seed);
        probe->b[i] = i % 5 == 0 ? probe->a[i] : random_float(&seed);
        probe->c[i] = random_float(&seed);
        probe->powers[i] = (float)(random_bits(&seed) % 254) - 126;
        probe->halves[i] = (uint16_t)random_bits(&seed);
        if ((probe->halves[i] >> 10 & 31) == 31)
            probe->halves[i] = (uint16_t)(probe->halves[i] & 0xfc00); /* infinity, not a NaN */
        probe->bytes[i] = (int8_t)random_bits(&seed);
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        probe->a[7 + 3 * i] = special[i];
    probe->powers[0] = -126;
    probe->powers[1] = 127;
}

/* Every NaN is one; so are the two zeros for vmax, which may return either. */
static bool same(float x, float y, bool zeros_too)
{
    return (isnan(x) && isnan(y)) || dp_f32_to_bits(x) == dp_f32_to_bits(y) || (zeros_too && x == 0 && y == 0);
}

static bool probe_level(dp_isa level, simd_probe *probe)
{
    dp_isa isa;
    if (dp_isa_resolve(level, &isa, NULL) != DP_OK)
        return false;
    simd_probe_c(probe);
    DP_KERNELS_FILL(simd_probe, probe, isa);
    assert_int_equal(probe->isa, isa);
    return true;
}

static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512};
#define N_LEVELS (sizeof levels / sizeof *levels)

static void each_operation(void **state)
{
    (void)state;
    static simd_probe expected, got;
    for (uint64_t seed = 1; seed <= 200; seed++)
        for (size_t l = 0; l < N_LEVELS; l++) {
            fill(&expected, seed);
            got = expected;
            simd_probe_c(&expected);
            if (!probe_level(levels[l], &got))
                continue;
            for (size_t o = 0; o < PROBE_OPERATIONS; o++)
                for (size_t i = 0; i < PROBE_VALUES; i++)
                    if (!same(got.result[o][i], expected.result[o][i], o == PROBE_MAX))
                        fail_msg("%s, %s of %a, %a, %a: %a, not %a", dp_isa_name(levels[l]), operations[o],
                                 (double)got.a[i], (double)got.b[i], (double)got.c[i], (double)got.result[o][i],
                                 (double)expected.result[o][i]);
        }
}

static void sums_fold_halves(void **state)
{
    (void)state;
    static simd_probe probe;
    for (uint64_t seed = 1; seed <= 200; seed++)
        for (size_t l = 0; l < N_LEVELS; l++) {
            fill(&probe, seed);
            if (!probe_level(levels[l], &probe))
                continue;
            for (size_t v = 0; v < PROBE_VALUES / probe.lanes; v++) {
                float lane[PROBE_VALUES];
                memcpy(lane, probe.b + v * probe.lanes, probe.lanes * sizeof *lane);
                for (size_t n = probe.lanes / 2; n; n /= 2)
                    for (size_t i = 0; i < n; i++)
                        lane[i] += lane[n + i];
                assert_true(same(probe.sums[v], lane[0], false));
            }
        }
}

/* Behind the values lies memory that must not be touched. */
static void parts_touch_nothing_else(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    for (size_t p = 1; p < 8; p += 2)
        assert_int_equal(mprotect(pages + p * page, page, PROT_NONE), 0);
    static simd_probe probe;
    for (size_t l = 0; l < N_LEVELS; l++) {
        fill(&probe, 1);
        if (!probe_level(levels[l], &probe))
            continue;
        for (size_t n = 1; n < probe.lanes; n++) {
            float *values = (float *)(void *)(pages + page) - n, *to = (float *)(void *)(pages + 7 * page) - n;
            uint16_t *halves = (uint16_t *)(void *)(pages + 3 * page) - n;
            int8_t *bytes = (int8_t *)(pages + 5 * page) - n;
            memcpy(values, probe.b, n * sizeof *values);
            memcpy(halves, probe.halves, n * sizeof *halves);
            memcpy(bytes, probe.bytes, n);
            memset(pages + 6 * page, 0x55, page);
            float part[3 * PROBE_VALUES];
            probe.load_parts(values, halves, bytes, n, part, to);
            for (size_t i = 0; i < probe.lanes; i++) {
                assert_true(same(part[i], i < n ? values[i] : 0, false));
                assert_true(same(part[probe.lanes + i], i < n ? dp_f16_to_f32(halves[i]) : 0, false));
                assert_true(same(part[2 * probe.lanes + i], i < n ? (float)bytes[i] : 0, false));
            }
            assert_memory_equal(to, values, n * sizeof *to);
            assert_int_equal(((char *)to)[-1], 0x55);
        }
    }
    assert_int_equal(munmap(pages, 8 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation),
        cmocka_unit_test(sums_fold_halves),
        cmocka_unit_test(parts_touch_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
