/* The transformer's kernels at every level this machine has against the C reference, over odd shapes. */
#include "test.h"

#include "base/isa.h"
#include "base/memory.h"
#include "embed/int8.h"
#include "embed/kernels.h"
#include "embed/linear.h"

#include <math.h>

static uint64_t state = 88172645463325252u;

static float uniform(void) /* -1..1 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((double)(state >> 11) * 0x1p-52 - 1);
}

static float *noise(size_t n, float scale)
{
    float *x = dp_malloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * uniform();
    return x;
}

static const dp_isa levels[] = {DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};

static bool table(size_t level, dp_vit_kernels *kernels)
{
    dp_isa usable;
    if (dp_isa_resolve(levels[level], &usable, NULL))
        return false;
    dp_vit_kernels_init(kernels, usable);
    return true;
}

#define EACH_LEVEL(kernels)                                                                                            \
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++)                                            \
        if (table(level, &kernels))

static void close_to(const float *got, const float *expected, size_t n, double bound, const char *what, dp_isa isa, size_t a,
                     size_t b)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - expected[i]) <= bound))
            fail_msg("%s, %s, %zu x %zu: value %zu is %.9g, expected %.9g, bound %g", what, dp_isa_name(isa), a, b, i,
                     (double)got[i], (double)expected[i], bound);
}

static void layernorm(void **unused)
{
    (void)unused;
    dp_vit_kernels kernels;
    EACH_LEVEL(kernels)
    {
        static const size_t dims[] = {64, 128, 192, 384, 768, 1024, 1536};
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (size_t rows = 1; rows <= 13; rows += 6) {
                size_t dim = dims[d], ld = dim + 16;
                float *x = noise(rows * ld, 3), *w = noise(dim, 1), *b = noise(dim, 1), *y = noise(rows * ld, 1),
                      *z = dp_malloc(rows * ld, sizeof *z);
                for (size_t i = 0; i < rows * ld; i += 7)
                    x[i] += 40; /* a mean that is not small */
                memcpy(z, y, rows * ld * sizeof *z);
                dp_layernorm_f32_c(x, ld, rows, dim, w, b, z, ld);
                kernels.layernorm(x, ld, rows, dim, w, b, y, ld);
                close_to(y, z, rows * ld, 4e-6, "layernorm", levels[level], rows, dim);
                dp_memory_free(x), dp_memory_free(w), dp_memory_free(b), dp_memory_free(y), dp_memory_free(z);
            }
    }
}

static void gelu(void **unused)
{
    (void)unused;
    dp_vit_kernels kernels;
    EACH_LEVEL(kernels)
    {
        double worst = 0;
        float x[1001], y[1001], z[1001];
        for (size_t block = 0; block < 40; block++) {
            for (size_t i = 0; i < 1001; i++)
                x[i] = block < 39 ? -10 + 20 * ((float)(block * 1001 + i) / (39 * 1001)) : 1000 * uniform();
            dp_gelu_f32_c(x, 1, 1001, z, 1001);
            kernels.gelu(x, 1, 1001, y, 1001);
            for (size_t i = 0; i < 1001; i++) {
                double bound = 3e-7 * fmax(1, fabs((double)x[i])), difference = fabs((double)y[i] - z[i]);
                worst = fmax(worst, difference / fmax(1, fabs((double)x[i])));
                if (!(difference <= bound))
                    fail_msg("gelu, %s: gelu(%.9g) is %.9g, expected %.9g", dp_isa_name(levels[level]), (double)x[i],
                             (double)y[i], (double)z[i]);
            }
        }
        print_message("gelu, %s: largest difference %.2g of max(1, |x|)\n", dp_isa_name(levels[level]), worst);
        float special[] = {NAN, INFINITY, 0};
        kernels.gelu(special, 1, 1, y, 1);
        assert_true(isnan(y[0]));
    }
}

static void swiglu(void **unused)
{
    (void)unused;
    dp_vit_kernels kernels;
    EACH_LEVEL(kernels)
    {
        static const size_t hidden[] = {1, 7, 16, 344, 1000};
        for (size_t h = 0; h < sizeof hidden / sizeof *hidden; h++)
            for (float scale = 1; scale < 2000; scale *= 30) {
                size_t n = hidden[h];
                float *u = noise(3 * 2 * n, scale), *y = noise(3 * n, 1), *z = noise(3 * n, 1);
                dp_swiglu_f32_c(u, 3, n, z);
                kernels.swiglu(u, 3, n, y);
                close_to(y, z, 3 * n, 4e-7 * (double)scale * (double)scale, "swiglu", levels[level], 3, n);
                dp_memory_free(u), dp_memory_free(y), dp_memory_free(z);
            }
    }
}

static const size_t key_counts[] = {1, 2, 3, 7, 8, 9, 61, 127, 128, 129, 257, 383, 1009};
static const size_t query_counts[] = {1, 2, 11, 13, 47, 48, 49, 95, 96};

static void attention(void **unused)
{
    (void)unused;
    dp_vit_kernels kernels;
    float *scratch = dp_malloc(DP_ATTENTION_SCRATCH, sizeof *scratch);
    EACH_LEVEL(kernels)
    {
        for (size_t a = 0; a < sizeof key_counts / sizeof *key_counts; a++)
            for (size_t b = 0; b < sizeof query_counts / sizeof *query_counts; b++)
                for (int sharp = 0; sharp < 2; sharp++) {
                    size_t n = key_counts[a], m = query_counts[b], ld = 80;
                    float *q = noise(m * 64, sharp ? 3 : 0.2f), *k = noise(n * 64, sharp ? 3 : 1), *v = noise(n * 64, 1);
                    float *y = noise(m * ld, 1), *z = dp_malloc(m * ld, sizeof *z);
                    memcpy(z, y, m * ld * sizeof *z);
                    dp_attention_f32_c(q, k, v, m, n, z, ld, NULL);
                    kernels.attention(q, k, v, m, n, y, ld, scratch);
                    close_to(y, z, m * ld, sharp ? 2e-5 : 2e-6, "attention", levels[level], m, n);
                    dp_memory_free(q), dp_memory_free(k), dp_memory_free(v), dp_memory_free(y), dp_memory_free(z);
                }
    }
    dp_memory_free(scratch);
}

static bool int8_table(dp_int8_kernels *kernels)
{
    dp_isa usable;
    if (dp_isa_resolve(DP_ISA_AUTO, &usable, NULL) == DP_OK && dp_int8_kernels_init(kernels, usable))
        return true;
    print_message("left out: this machine has no VNNI\n");
    return false;
}

static void int8_scales(void **unused)
{
    (void)unused;
    dp_int8_kernels kernels;
    if (!int8_table(&kernels))
        return;
    static const size_t widths[] = {8, 64, 72, 344, 768};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t n = widths[w], rows = 5;
        float *x = noise(rows * n, 2), scale[5], offset[5], *bias = noise(n, 1), *column = noise(n, 1), *sum = noise(n, 9);
        uint8_t *bytes = dp_malloc(rows * n, 1);
        int32_t *tile = dp_malloc(rows * n, sizeof *tile);
        memset(x + 3 * n, 0, n * sizeof *x);
        for (size_t j = 0; j < n; j++)
            x[2 * n + j] = fabsf(x[2 * n + j]) + 5; /* nothing near 0 */
        kernels.quantise(x, rows, n, bytes, scale, offset);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < n; j++)
                if (!(fabsf((float)bytes[i * n + j] * scale[i] + offset[i] - x[i * n + j]) <= scale[i] * 0.501f))
                    fail_msg("quantise %zu: %g became %d times %g and %g", n, (double)x[i * n + j], bytes[i * n + j],
                             (double)scale[i], (double)offset[i]);
        assert_true(scale[3] == 1 && offset[3] == 0 && offset[2] == 0);
        for (size_t i = 0; i < rows * n; i++)
            tile[i] = (int32_t)(1e6f * uniform());
        float *expected = dp_malloc(rows * n, sizeof *expected);
        for (size_t i = 0; i < rows * n; i++)
            expected[i] = (float)((double)tile[i] * scale[i / n] * column[i % n] + (double)offset[i / n] * sum[i % n] + bias[i % n]);
        kernels.dequantise(tile, rows, n, scale, offset, column, sum, bias);
        close_to((const float *)tile, expected, rows * n, 2e-1, "dequantise", DP_ISA_AVX512_VNNI, rows, n);
        dp_memory_free(x), dp_memory_free(bias), dp_memory_free(column), dp_memory_free(bytes), dp_memory_free(tile);
        dp_memory_free(sum), dp_memory_free(expected);
    }
}

/* Against exact attention.  A key far from the others and a long flat tail are both in it. */
static void int8_attention(void **unused)
{
    (void)unused;
    dp_int8_kernels kernels;
    if (!int8_table(&kernels))
        return;
    float *scratch = dp_malloc(DP_ATTENTION_SCRATCH, sizeof *scratch);
    double squares = 0;
    size_t count = 0;
    for (size_t a = 0; a < sizeof key_counts / sizeof *key_counts; a++)
        for (size_t b = 0; b < sizeof query_counts / sizeof *query_counts; b++) {
            size_t n = key_counts[a], m = query_counts[b], n4 = (n + 3) / 4 * 4, ld = 72;
            float *q = noise(m * 64, 0.5f), *k = noise(n * 64, 1), *v = noise(n * 64, 1), *y = noise(m * ld, 1),
                  *z = dp_malloc(m * ld, sizeof *z);
            for (size_t d = 0; d < 64; d++)
                k[n / 2 * 64 + d] = 2 * q[d];
            for (size_t i = 0; i < n; i++)
                k[i * 64 + 5] += 10; /* all keys lean one way */
            memcpy(z, y, m * ld * sizeof *z);
            dp_int8_head head = {dp_malloc(n4 * 64, 1), dp_malloc(n4, 4), dp_malloc(n4, 4), dp_malloc(n4 * 64, 1), dp_malloc(64, 4)};
            kernels.prepare_head(k, v, n, &head);
            kernels.attention(q, &head, m, n, y, ld, scratch);
            dp_attention_f32_c(q, k, v, m, n, z, ld, NULL);
            close_to(y, z, m * ld, 0.15, "int8 attention", DP_ISA_AVX512_VNNI, m, n);
            for (size_t i = 0; i < m * ld; i++)
                squares += ((double)y[i] - z[i]) * ((double)y[i] - z[i]);
            count += m * 64;
            dp_memory_free(head.k), dp_memory_free(head.k_scale), dp_memory_free(head.k_start), dp_memory_free(head.v);
            dp_memory_free(head.v_scale), dp_memory_free(q), dp_memory_free(k), dp_memory_free(v), dp_memory_free(y), dp_memory_free(z);
        }
    double rms = sqrt(squares / (double)count);
    print_message("int8 attention: root mean square difference %.2g for values of variance 1/3\n", rms);
    assert_true(rms < 0.01);
    dp_memory_free(scratch);
}

static void tiles(void **unused)
{
    (void)unused;
    for (size_t rows = 1; rows < 4000; rows++) {
        dp_tiles t = dp_tiles_of(rows);
        size_t next = 0;
        for (size_t i = 0; i < t.count; i++) {
            assert_int_equal(dp_tile_begin(&t, i), next);
            size_t here = dp_tile_rows(&t, i);
            assert_true(here == t.base || here == t.base + 1);
            assert_true(here > 0 && here < 2 * DP_TILE_ROWS);
            next += here;
        }
        assert_int_equal(next, rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layernorm), cmocka_unit_test(gelu),           cmocka_unit_test(swiglu), cmocka_unit_test(attention),
        cmocka_unit_test(int8_scales), cmocka_unit_test(int8_attention), cmocka_unit_test(tiles),
    };
    return cmocka_run_group_tests_name("embed_kernels", tests, NULL, NULL);
}
