/* SPDX-License-Identifier: Apache-2.0 */
/* isa.c - finds the instruction sets of this machine and gives their names. */
#include "base/isa.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>

/* Returns whether the machine converts halves to floats. __builtin_cpu_supports of clang 14 does not know this
 * feature. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

dp_isa dp_isa_detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return DP_ISA_C;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl"))
        return DP_ISA_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? DP_ISA_AVX512_VNNI : DP_ISA_AVX512;
#elif defined(__aarch64__)
    return DP_ISA_NEON;
#else
    return DP_ISA_C;
#endif
}

static const struct {
    dp_isa isa;
    const char *name;
} names[] = {
    {DP_ISA_AUTO, "auto"}, {DP_ISA_C, "c"},           {DP_ISA_NEON, "neon"},
    {DP_ISA_AVX2, "avx2"}, {DP_ISA_AVX512, "avx512"}, {DP_ISA_AVX512_VNNI, "avx512vnni"},
};

const char *dp_isa_name(dp_isa isa)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].isa == isa)
            return names[i].name;
    return "unknown";
}

dp_status dp_isa_parse(const char *name, dp_isa *isa, dp_error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(names[i].name, name)) {
            *isa = names[i].isa;
            return DP_OK;
        }
    }
    return dp_fail(err, DP_E_ARGUMENT,
                   "instruction set '%s' is unknown; give auto, c, neon, avx2, avx512 or avx512vnni", name);
}

dp_status dp_isa_resolve(dp_isa asked, dp_isa *usable, dp_error *err)
{
    dp_isa best = dp_isa_detect();
    if (asked == DP_ISA_AUTO) {
        *usable = best;
        return DP_OK;
    }
    /* The x86 levels are ordered; NEON is separate. */
    bool fits = asked == DP_ISA_C || asked == best || (best != DP_ISA_NEON && asked != DP_ISA_NEON && asked <= best);
    if (!fits)
        return dp_fail(err, DP_E_UNSUPPORTED, "this machine has no %s; its best is %s", dp_isa_name(asked),
                       dp_isa_name(best));
    *usable = asked;
    return DP_OK;
}
