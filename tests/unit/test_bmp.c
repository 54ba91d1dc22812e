/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the readers of BMP and PNM, and the search for significant bits. No other decoder is used. */
#include "test.h"

#include "base/memory.h"
#include "picture/depth.h"
#include "picture/picture_file.h"

#include <math.h>

/* A header of 40 bytes; what follows it is added by the tests. */
static size_t header(uint8_t *out, int32_t width, int32_t height, uint16_t bits, uint32_t compression, uint32_t colours,
                     uint32_t offset)
{
    const uint32_t words[13] = {
        0, 0, offset,  40, (uint32_t)width, (uint32_t)height, (uint32_t)bits << 16 | 1, compression, 0,
        0, 0, colours, 0};
    memcpy(out, "BM", 2);
    memcpy(out + 2, words, sizeof words);
    return 54;
}

static dp_status read_bmp(const uint8_t *bytes, size_t n, dp_facts *facts, dp_raster *raster, dp_error *err)
{
    /* In memory of its own size, so that a sanitizer sees a step beyond it. */
    uint8_t *own = dp_malloc(n, 1);
    memcpy(own, bytes, n);
    *facts = (dp_facts){.rows = SIZE_MAX};
    dp_status status = dp_bmp_read(own, n, 1 << 20, facts, raster, err);
    dp_memory_free(own);
    return status;
}

/* 2x2 pixels, 24 bits, rows of 6 bytes padded to 8; cut everywhere. */
static void plain_rows(void **state)
{
    (void)state;
    uint8_t bytes[70] = {0};
    size_t n = header(bytes, 2, 2, 24, 0, 0, 54);
    const uint8_t rows[16] = {1, 2, 3, 4, 5, 6, 99, 99, 7, 8, 9, 10, 11, 12, 99, 99};
    memcpy(bytes + n, rows, sizeof rows);
    const uint8_t upright[12] = {9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4};
    for (size_t total = 0; total <= 70; total++) {
        dp_facts facts;
        dp_raster raster = {0};
        dp_error err;
        dp_status status = read_bmp(bytes, total, &facts, &raster, &err);
        assert_int_equal(status, total < 54 ? DP_E_PICTURE : DP_OK);
        if (status == DP_OK) {
            bool whole = total >= 68; /* the padding of the last row need not be there */
            assert_int_equal(facts.fault[0] == 0, whole);
            if (whole)
                assert_memory_equal(raster.samples, upright, 12);
            else
                assert_int_equal(facts.rows, total >= 60);
            assert_true(facts.cut == !whole);
        }
        dp_memory_free(raster.samples);
    }
}

/* Runs of 4 bits: two of three, a literal of five with its padding, a jump, and what is drawn outside. */
static void runs_of_four_bits(void **state)
{
    (void)state;
    uint8_t bytes[200] = {0};
    size_t n = header(bytes, 6, 2, 4, 2, 4, 54 + 16);
    for (size_t i = 0; i < 4; i++)
        bytes[n + 4 * i] = bytes[n + 4 * i + 1] = bytes[n + 4 * i + 2] = (uint8_t)(60 * i);
    n += 16;
    const uint8_t code[] = {3, 0x12, 3, 0x33, 0, 0, 0, 5, 0x12, 0x30, 0x10, 0, 0, 1};
    memcpy(bytes + n, code, sizeof code);
    dp_facts facts;
    dp_raster raster = {0};
    assert_ok(read_bmp(bytes, n + sizeof code, &facts, &raster, err));
    const uint8_t upright[12] = {60, 120, 180, 0, 60, 0, 60, 120, 60, 180, 180, 180};
    assert_int_equal(raster.bands, 1);
    assert_memory_equal(raster.samples, upright, 12);
    assert_int_equal(facts.fault[0], 0);
    dp_memory_free(raster.samples);
    raster.samples = NULL;
    bytes[n] = 200; /* a run over the border */
    assert_ok(read_bmp(bytes, n + sizeof code, &facts, &raster, err));
    assert_non_null(strstr(facts.fault, "outside"));
    dp_memory_free(raster.samples);
}

static void limits(void **state)
{
    (void)state;
    uint8_t bytes[80] = {0};
    dp_facts facts;
    dp_raster raster = {0};
    header(bytes, 70000, 70000, 24, 0, 0, 54);
    assert_fails(DP_E_PICTURE, "the limit is 1048576", read_bmp(bytes, sizeof bytes, &facts, &raster, err));
    header(bytes, INT32_MAX, INT32_MIN, 32, 0, 0, 54);
    assert_fails(DP_E_PICTURE, "limit", read_bmp(bytes, sizeof bytes, &facts, &raster, err));
    header(bytes, 2, 2, 24, 4, 0, 54);
    assert_fails(DP_E_PICTURE, "compression 4", read_bmp(bytes, sizeof bytes, &facts, &raster, err));
    header(bytes, 2, 2, 8, 0, 0, 54);
    assert_fails(DP_E_PICTURE, "without its palette", read_bmp(bytes, sizeof bytes, &facts, &raster, err));
    header(bytes, 2, 2, 32, 3, 0, 66); /* masks that overlap */
    const uint32_t masks[3] = {0xff, 0xff, 0xff00};
    memcpy(bytes + 54, masks, sizeof masks);
    assert_fails(DP_E_PICTURE, "masks", read_bmp(bytes, sizeof bytes, &facts, &raster, err));
    assert_null(raster.samples);
}

static size_t white_of(uint16_t largest, uint16_t any)
{
    const dp_depth depth = {.largest = largest, .any = any, .n = 1};
    return dp_depth_white(&depth);
}

static void significant_bits(void **state)
{
    (void)state;
    assert_int_equal(white_of(0, 0), 65535);
    assert_int_equal(white_of(200, 0xff), 255);
    assert_int_equal(white_of(256, 0x1ff), 1023);
    assert_int_equal(white_of(1023, 1023), 1023);
    assert_int_equal(white_of(1024, 2047), 4095);
    assert_int_equal(white_of(4095, 4095), 4095);
    assert_int_equal(white_of(4096, 0x1fff), 16383);
    assert_int_equal(white_of(16384, 0x7fff), 65535);
    assert_int_equal(white_of(65535, 65535), 65535);
    assert_int_equal(white_of(4095 << 4, 0xfff0), 4095 << 4);
    assert_int_equal(white_of(1023 << 6, 0xffc0), 1023 << 6);
    assert_int_equal(white_of(1000 << 2, 0xffc), 1023 << 2); /* 10 bits in the middle */
    assert_int_equal(white_of(32767 << 1, 0xfffe), 65534);   /* 15 bits at the upper end stay as bright as they are */
    assert_int_equal(white_of(255 << 8, 0xff00), 255 << 8);
    assert_int_equal(white_of(0x8000, 0x8000), 255 << 8);
    assert_int_equal(dp_depth_bits(65535), 16);
    assert_int_equal(dp_depth_bits(65520), 12);
    assert_int_equal(dp_depth_bits(0), 0);
}

/* Either end of the container, and true 16 bits: exactly the same. */
static void spreading(void **state)
{
    (void)state;
    uint16_t low[4096], high[4096];
    for (uint16_t i = 0; i < 4096; i++) {
        low[i] = i;
        high[i] = (uint16_t)(i << 4);
    }
    dp_raster a = {64, 64, 1, 16, low}, b = {64, 64, 1, 16, high};
    size_t over;
    dp_depth_spread(&a, 4095, &over);
    assert_int_equal(over, 0);
    dp_depth_spread(&b, 65520, &over);
    assert_int_equal(over, 0);
    assert_memory_equal(low, high, sizeof low);
    assert_int_equal(low[4095], 65535);
    for (size_t i = 0; i < 4096; i++)
        assert_int_equal(low[i], lround((double)i * 65535 / 4095));
    dp_depth_spread(&a, 1023, &over);
    assert_int_equal(over, 4096 - 64);
    /* Alpha is no colour: neither looked at nor spread. */
    uint16_t pair[4] = {100, 65535, 4000, 65535};
    dp_raster with_alpha = {2, 1, 2, 16, pair};
    const dp_depth depth = dp_depth_of(&with_alpha);
    assert_int_equal(dp_depth_white(&depth), 1023 << 2);
    dp_depth_spread(&with_alpha, 4095, &over);
    assert_int_equal(pair[1], 65535);
}

static void pnm_cut_everywhere(void **state)
{
    (void)state;
    static const char *const files[] = {"P1 3 2 1 0 1\n0 1 0", "P2 3 2 9 1 2 3 4 5 6", "P3 1 2 9 1 2 3 4 5 6",
                                        "P4 3 2\n\xa0\x40",    "P5 3 2 255\nabcdef",   "P6 1 2 255\nabcdef",
                                        "P5 1 2 999\n\1\2\3\4"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++)
        for (size_t n = 3; n <= strlen(files[f]); n++) {
            uint8_t *own = dp_malloc(n, 1);
            dp_facts facts = {.rows = SIZE_MAX};
            dp_raster raster = {0};
            dp_error err;
            memcpy(own, files[f], n);
            dp_status status = dp_pnm_read(own, n, 100, &facts, &raster, &err);
            assert_true(status == DP_OK || status == DP_E_PICTURE);
            assert_true(n == strlen(files[f]) ? status == DP_OK && !facts.fault[0]
                                              : status == DP_E_PICTURE || facts.fault[0] || f == 1 || f == 2);
            dp_memory_free(raster.samples);
            dp_memory_free(own);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows),       cmocka_unit_test(runs_of_four_bits), cmocka_unit_test(limits),
        cmocka_unit_test(significant_bits), cmocka_unit_test(spreading),         cmocka_unit_test(pnm_cut_everywhere),
    };
    return cmocka_run_group_tests_name("bmp", tests, NULL, NULL);
}
