/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the transformer's kernels at every instruction set of this machine with the C reference, over odd shapes. */
#include "noise.h"
#include "test.h"

#include "base/isa.h"
#include "base/memory.h"
#include "network/int8.h"
#include "network/kernels.h"
#include "network/linear.h"

#include <math.h>

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

static void close_to(const float *got, const float *expected, size_t n, double bound, const char *what, dp_isa isa,
                     size_t a, size_t b)
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
                const dp_norm norm = {dim, w, b, d % 2 ? 1e-5f : 1e-6f};
                dp_layernorm_f32_c(&norm, x, ld, rows, z, ld);
                kernels.layernorm(&norm, x, ld, rows, y, ld);
                close_to(y, z, rows * ld, 4e-6, "layernorm", levels[level], rows, dim);
                dp_memory_free(x), dp_memory_free(w), dp_memory_free(b), dp_memory_free(y), dp_memory_free(z);
            }
    }
}

static void rotate(void **unused)
{
    (void)unused;
    dp_vit_kernels kernels;
    EACH_LEVEL(kernels)
    for (size_t rows = 1; rows <= 9; rows += 4) {
        size_t n = rows * DP_HEAD_DIM;
        float *x = noise(n, 3), *y = dp_malloc(n, sizeof *y), *table = noise(n, 1);
        memcpy(y, x, n * sizeof *y);
        dp_rotate_f32_c(x, rows, table);
        kernels.rotate(y, rows, table);
        close_to(y, x, n, 2e-6, "rotate", levels[level], rows, DP_HEAD_DIM);
        dp_memory_free(x), dp_memory_free(y), dp_memory_free(table);
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
            dp_gelu_f32_c(x, 1001, 1, 1001, z, 1001);
            kernels.gelu(x, 1001, 1, 1001, y, 1001);
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
        kernels.gelu(special, 1, 1, 1, y, 1);
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
                    float *q = noise(m * 64, sharp ? 3 : 0.2f), *k = noise(n * 64, sharp ? 3 : 1),
                          *v = noise(n * 64, 1);
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

/* Every level that has 8-bit kernels. */
static bool int8_table(size_t level, dp_int8_kernels *kernels)
{
    dp_isa usable;
    return dp_isa_resolve(levels[level], &usable, NULL) == DP_OK && dp_int8_kernels_init(kernels, usable);
}

#define EACH_INT8_LEVEL(kernels)                                                                                       \
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++)                                            \
        if (int8_table(level, &kernels))

static size_t any(size_t most) /* 1..most */
{
    return 1 + (size_t)((double)most * 0.5 * (1 + (double)uniform())) % most;
}

static const size_t odd_sizes[] = {1, 2, 3, 4, 5, 7, 13, 31, 61, 63, 64, 65, 127, 128, 129, 257, 344, 383, 509, 768};
#define ODD_SIZES (sizeof odd_sizes / sizeof *odd_sizes)

/* Bytes and scales are those of the reference, to the bit; values are within half a step. */
static void int8_scales(void **unused)
{
    (void)unused;
    dp_int8_kernels kernels;
    EACH_INT8_LEVEL(kernels)
    {
        for (size_t round = 0; round < 3 * ODD_SIZES; round++) {
            const dp_int8_input input = round % 2 ? DP_INT8_GELU : DP_INT8_SIGNED;
            const size_t k = odd_sizes[round % ODD_SIZES], rows = any(17),
                         groups = (k + DP_INT8_GROUP - 1) / DP_INT8_GROUP;
            const size_t bytes = groups * DP_INT8_GROUP;
            float *x = noise(rows * k, 2), *scale = noise(rows * groups, 1), *expected_scale = noise(rows * groups, 1);
            uint8_t *q = dp_malloc(rows * bytes, 1), *expected = dp_malloc(rows * bytes, 1);
            if (input == DP_INT8_GELU)
                dp_gelu_f32_c(x, k, rows, k, x, k);
            x[any(rows * k) - 1] = 300; /* an outlier */
            memset(x, 0, (k < DP_INT8_GROUP ? k : DP_INT8_GROUP) * sizeof *x);
            dp_quantise_i8_c(x, rows, k, input, expected, expected_scale);
            kernels.quantise(x, rows, k, input, q, scale);
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < bytes; j++) {
                    float s = scale[i * groups + j / DP_INT8_GROUP];
                    int got = q[i * bytes + j], zero = input == DP_INT8_GELU ? 0 : 128;
                    if (s != expected_scale[i * groups + j / DP_INT8_GROUP] || got != expected[i * bytes + j])
                        fail_msg("quantise, %s, input %d, %zu x %zu: value %zu of row %zu is %d times %g, expected %d "
                                 "times %g",
                                 dp_isa_name(levels[level]), input, rows, k, j, i, got, (double)s,
                                 expected[i * bytes + j], (double)expected_scale[i * groups + j / DP_INT8_GROUP]);
                    if (j >= k)
                        continue;
                    float shift = input == DP_INT8_GELU ? DP_INT8_GELU_SHIFT : 0,
                          back = s * (float)(got - zero) + shift;
                    if (!(fabsf(back - x[i * k + j]) <= 0.501f * s))
                        fail_msg("quantise, %s, input %d, %zu x %zu: %g became %g at scale %g",
                                 dp_isa_name(levels[level]), input, rows, k, (double)x[i * k + j], (double)back,
                                 (double)s);
                }
            dp_memory_free(x), dp_memory_free(scale), dp_memory_free(expected_scale), dp_memory_free(q),
                dp_memory_free(expected);
        }
    }
}

/* The product of what was quantised, against the reference; and the reference against the product of the numbers themselves. */
static void int8_product(void **unused)
{
    (void)unused;
    dp_int8_kernels kernels;
    EACH_INT8_LEVEL(kernels)
    {
        for (size_t round = 0; round < 2 * ODD_SIZES; round++) {
            const dp_int8_input input = round % 2 ? DP_INT8_GELU : DP_INT8_SIGNED;
            const size_t k = odd_sizes[round % ODD_SIZES], n = odd_sizes[any(ODD_SIZES) - 1], rows = any(40);
            float *x = noise(rows * k, 2), *w = noise(n * k, 1), *bias = noise(n, 1);
            dp_int8_matrix m;
            assert_ok(dp_int8_pack(n, k, input, w, bias, &m, err));
            size_t ld = m.n_panels * DP_INT8_PANEL + 3, bytes = m.n_groups * DP_INT8_GROUP;
            uint8_t *q = dp_malloc(rows * bytes, 1);
            float *scale = noise(rows * m.n_groups, 1), *y = noise(rows * ld, 1), *z = dp_malloc(rows * ld, sizeof *z);
            memcpy(z, y, rows * ld * sizeof *z);
            if (input == DP_INT8_GELU)
                dp_gelu_f32_c(x, k, rows, k, x, k);
            dp_quantise_i8_c(x, rows, k, input, q, scale);
            size_t first = any(m.n_panels) - 1, count = any(m.n_panels - first);
            dp_product_i8_c(&m, first, count, q, scale, rows, z, ld);
            kernels.product(&m, first, count, q, scale, rows, y, ld);
            close_to(y, z, rows * ld, 1e-6 * sqrt((double)k) + 1e-5, "int8 product", levels[level], rows,
                     n * 10000 + k);
            double squares = 0, size = 0;
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < count * DP_INT8_PANEL && first * DP_INT8_PANEL + j < n; j++) {
                    size_t channel = first * DP_INT8_PANEL + j;
                    double exact = bias[channel];
                    for (size_t d = 0; d < k; d++)
                        exact += (double)x[i * k + d] * w[channel * k + d];
                    squares += (exact - z[i * ld + j]) * (exact - z[i * ld + j]);
                    size += 1 + (double)k / 3;
                }
            if (!(sqrt(squares / size) < 0.01))
                fail_msg("int8 product, input %d, %zu x %zu x %zu: root mean square difference %g of the values' size",
                         input, rows, n, k, sqrt(squares / size));
            dp_int8_matrix_free(&m);
            dp_memory_free(x), dp_memory_free(w), dp_memory_free(bias), dp_memory_free(q), dp_memory_free(scale);
            dp_memory_free(y), dp_memory_free(z);
        }
    }
}

static void head_new(dp_int8_head *head, size_t n)
{
    size_t n4 = (n + 3) / 4 * 4;
    *head = (dp_int8_head){dp_malloc(n4 * 64, 1), dp_malloc(n4, 4), dp_malloc(n4, 4), dp_malloc(n4 * 64, 1),
                           dp_malloc(64, 4)};
}

static void head_free(dp_int8_head *head)
{
    dp_memory_free(head->k), dp_memory_free(head->k_scale), dp_memory_free(head->k_start), dp_memory_free(head->v);
    dp_memory_free(head->v_scale);
}

/* Against the reference: the same bytes but where a value stands on the edge of two, and the same attention but for what that
 * and the short exponential do to it.  Against exact attention: by the root mean square.  A key far from the others and a long
 * flat tail are both in it. */
static void int8_attention(void **unused)
{
    (void)unused;
    dp_int8_kernels kernels;
    float *scratch = dp_malloc(DP_ATTENTION_SCRATCH, sizeof *scratch);
    EACH_INT8_LEVEL(kernels)
    {
        double squares = 0;
        size_t values = 0;
        for (size_t a = 0; a < sizeof key_counts / sizeof *key_counts; a++)
            for (size_t b = 0; b < sizeof query_counts / sizeof *query_counts; b++) {
                size_t n = key_counts[a], m = query_counts[b], ld = 72, differ = 0;
                float *q = noise(m * 64, 0.5f), *k = noise(n * 64, 1), *v = noise(n * 64, 1), *y = noise(m * ld, 1),
                      *z = dp_malloc(m * ld, sizeof *z), *exact = dp_malloc(m * ld, sizeof *z);
                for (size_t d = 0; d < 64; d++)
                    k[n / 2 * 64 + d] = 2 * q[d];
                for (size_t i = 0; i < n; i++)
                    k[i * 64 + 5] += 10; /* all keys lean one way */
                memcpy(z, y, m * ld * sizeof *z);
                memcpy(exact, y, m * ld * sizeof *z);
                dp_int8_head head, expected;
                head_new(&head, n);
                head_new(&expected, n);
                kernels.prepare_head(k, v, n, &head);
                dp_prepare_head_i8_c(k, v, n, &expected);
                for (size_t i = 0; i < (n + 3) / 4 * 4 * 64; i++) {
                    int dk = i < n * 64 ? abs(head.k[i] - expected.k[i]) : 0, dv = abs(head.v[i] - expected.v[i]);
                    differ += dk + dv != 0;
                    if (dk > 1 || dv > 1)
                        fail_msg("int8 head, %s, %zu keys: byte %zu is %d and %d, expected %d and %d",
                                 dp_isa_name(levels[level]), n, i, head.k[i], head.v[i], expected.k[i], expected.v[i]);
                }
                if (differ > 2 + n / 10)
                    fail_msg("int8 head, %s, %zu keys: %zu bytes differ", dp_isa_name(levels[level]), n, differ);
                kernels.attention(q, &head, m, n, y, ld, scratch);
                dp_attention_i8_c(q, &head, m, n, z, ld, NULL);
                close_to(y, z, m * ld, 6e-3, "int8 attention beside its reference", levels[level], m, n);
                dp_attention_f32_c(q, k, v, m, n, exact, ld, NULL);
                close_to(y, exact, m * ld, 0.15, "int8 attention", levels[level], m, n);
                for (size_t i = 0; i < m * ld; i++)
                    squares += ((double)y[i] - exact[i]) * ((double)y[i] - exact[i]);
                values += m * 64;
                head_free(&head);
                head_free(&expected);
                dp_memory_free(q), dp_memory_free(k), dp_memory_free(v), dp_memory_free(y), dp_memory_free(z),
                    dp_memory_free(exact);
            }
        double rms = sqrt(squares / (double)values);
        print_message("int8 attention, %s: root mean square difference %.2g for values of variance 1/3\n",
                      dp_isa_name(levels[level]), rms);
        assert_true(rms < 0.01);
    }
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
        cmocka_unit_test(layernorm),    cmocka_unit_test(rotate),         cmocka_unit_test(gelu),
        cmocka_unit_test(swiglu),       cmocka_unit_test(attention),      cmocka_unit_test(int8_scales),
        cmocka_unit_test(int8_product), cmocka_unit_test(int8_attention), cmocka_unit_test(tiles),
    };
    return cmocka_run_group_tests_name("network_kernels", tests, NULL, NULL);
}
