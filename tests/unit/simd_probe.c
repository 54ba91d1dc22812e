/* SPDX-License-Identifier: Apache-2.0 */
#include "simd_probe.h"
#include "simd/vector.h"

static void load_parts(const float *p, const uint16_t *h, const int8_t *i, size_t n, float *part, float *q)
{
    vstore(part, vload_part(p, n));
    vstore(part + VL, vload_f16_part(h, n));
    vstore(part + (size_t)2 * VL, vload_i8_part(i, n));
    vstore_part(q, n, vload_part(p, n));
}

void KERNEL(simd_probe)(simd_probe *probe)
{
    probe->isa = KERNEL_ISA;
    probe->lanes = VL;
    probe->registers = V_REGISTERS;
    probe->load_parts = load_parts;
    for (size_t i = 0; i < PROBE_VALUES; i += VL) {
        vf a = vload(probe->a + i), b = vload(probe->b + i), c = vload(probe->c + i);
        vstore(probe->result[PROBE_LOAD] + i, a);
        vstore(probe->result[PROBE_LOAD_F16] + i, vload_f16(probe->halves + i));
        vstore(probe->result[PROBE_LOAD_I8] + i, vload_i8(probe->bytes + i));
        vstore(probe->result[PROBE_LOAD_U8] + i, vload_u8((const uint8_t *)probe->bytes + i));
        vstore(probe->result[PROBE_SET] + i, vset1(probe->b[0]));
        vstore(probe->result[PROBE_ADD] + i, vadd(a, b));
        vstore(probe->result[PROBE_SUB] + i, vsub(a, b));
        vstore(probe->result[PROBE_MUL] + i, vmul(a, b));
        vstore(probe->result[PROBE_DIV] + i, vdiv(a, b));
        vstore(probe->result[PROBE_FMA] + i, vfma(a, b, c));
        vstore(probe->result[PROBE_MAX] + i, vmax(b, a));
        vstore(probe->result[PROBE_ROUND] + i, vround(a));
        vstore(probe->result[PROBE_SCALE] + i, vscale(a, vload(probe->powers + i)));
        uint64_t bits = vnot_below(a, b);
        for (size_t l = 0; l < VL; l++)
            probe->result[PROBE_NOT_BELOW][i + l] = (float)(bits >> l & 1);
        probe->sums[i / VL] = vsum(b);
    }
}
