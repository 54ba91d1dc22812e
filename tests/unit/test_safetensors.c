/* SPDX-License-Identifier: Apache-2.0 */
/* Tests hostile and valid safetensors files. */
#include "test.h"

#include "format/safetensors.h"

/* Builds a file in memory: header text, then n zero bytes. */
static unsigned char *build(const char *header, size_t data_bytes, size_t *bytes)
{
    size_t length = strlen(header);
    *bytes = 8 + length + data_bytes;
    unsigned char *file = calloc(1, *bytes);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(length >> 8 * i);
    memcpy(file + 8, header, length);
    return file;
}

static void expect(const char *header, size_t data_bytes, const char *reason)
{
    size_t bytes;
    unsigned char *data = build(header, data_bytes, &bytes);
    dp_safetensors *file = NULL;
    if (reason)
        assert_fails(DP_E_FORMAT, reason, dp_safetensors_parse(data, bytes, "t.safetensors", &file, err));
    else
        assert_ok(dp_safetensors_parse(data, bytes, "t.safetensors", &file, err));
    dp_safetensors_close(&file);
    free(data);
}

static void headers_that_lie(void **state)
{
    (void)state;
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL);
    expect("{}", 0, NULL);
    expect("{", 0, "not JSON");
    expect("[]", 0, "not a JSON object");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "outside");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "do not fit");
    expect("{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype 'F33'");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "impossible shape");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
           "impossible shape");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "do not fit");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside");
    expect("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "lacks");
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[4,12]}}",
           12, "overlaps");
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}",
           6, "gap");
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 3, "after the last");
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "9 dimensions");
    expect("{\"a\":1,\"a\":2}", 0, "not JSON");
    expect("{\"__metadata__\":3}", 0, "__metadata__");
}

static void lengths_that_lie(void **state)
{
    (void)state;
    dp_safetensors *file = NULL;
    unsigned char huge[16] = {0, 0, 0, 0, 0, 0, 0, 0x10};
    assert_fails(DP_E_FORMAT, "1152921504606846976", dp_safetensors_parse(huge, sizeof huge, "t", &file, err));
    unsigned char longer[16] = {9};
    assert_fails(DP_E_FORMAT, "cut short", dp_safetensors_parse(longer, sizeof longer, "t", &file, err));
    assert_fails(DP_E_FORMAT, "is empty", dp_safetensors_parse(huge, 0, "t", &file, err));
    assert_fails(DP_E_FORMAT, "shorter", dp_safetensors_parse(huge, 7, "t", &file, err));
}

/* Every prefix of a good file fails cleanly, or, at full length, opens. */
static void every_prefix(void **state)
{
    (void)state;
    size_t bytes;
    unsigned char *data = build("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}", 12, &bytes);
    for (size_t n = 0; n < bytes; n++) {
        unsigned char *copy = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
        memcpy(copy, data, n);
        dp_safetensors *file = NULL;
        assert_fails(DP_E_FORMAT, "t: ", dp_safetensors_parse(copy, n, "t", &file, err));
        assert_null(file);
        free(copy);
    }
    free(data);
}

static void round_trip(void **state)
{
    (void)state;
    const char *path = temporary_path("round.safetensors");
    const dp_tensor tensors[] = {
        {.name = "x", .dtype = DP_DTYPE_F32, .rank = 2, .shape = {2, 3}, .count = 6},
        {.name = "empty", .dtype = DP_DTYPE_F32, .rank = 1, .shape = {0}, .count = 0},
        {.name = "y", .dtype = DP_DTYPE_U8, .rank = 1, .shape = {5}, .count = 5},
    };
    const dp_key_value metadata[] = {{"what", "a \"quoted\" text\n"}};
    const float x[6] = {1, 2, 3, 4, 5, 6};
    dp_writer *writer = NULL;
    assert_ok(dp_safetensors_begin(path, tensors, 3, metadata, 1, &writer, err));
    assert_ok(dp_writer_put(writer, x, sizeof x, err));
    assert_ok(dp_writer_put(writer, "hello", 5, err));
    assert_ok(dp_writer_commit(&writer, err));

    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    assert_int_equal(dp_safetensors_count(file), 3);
    const dp_tensor *found = dp_safetensors_find(file, "x");
    assert_int_equal(found->rank, 2);
    assert_int_equal(found->shape[1], 3);
    assert_int_equal((uintptr_t)found->data % 64, 0);
    float back[6];
    assert_ok(dp_tensor_to_f32(found, back, err));
    assert_memory_equal(back, x, sizeof x);
    assert_memory_equal(dp_safetensors_find(file, "y")->data, "hello", 5);
    assert_null(dp_safetensors_find(file, "z"));
    assert_string_equal(dp_safetensors_metadata(file, "what"), metadata[0].value);
    assert_null(dp_safetensors_metadata(file, "who"));
    dp_safetensors_close(&file);
    assert_null(file);
}

static void half_floats(void **state)
{
    (void)state;
    const uint16_t halves[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00};
    const float values[] = {0.0f, -0.0f, 1.0f, -2.0f, 65504.0f, 0x1p-24f, 0x1p-14f, __builtin_inff()};
    float out[8];
    dp_tensor tensor = {.name = "h", .dtype = DP_DTYPE_F16, .count = 8, .data = (const unsigned char *)halves};
    assert_ok(dp_tensor_to_f32(&tensor, out, err));
    assert_memory_equal(out, values, sizeof values);
    tensor.dtype = DP_DTYPE_I8;
    assert_fails(DP_E_FORMAT, "'h' is I8", dp_tensor_to_f32(&tensor, out, err));
}

/* A file of another kind is called by its name. */
static void other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } kinds[] = {
        {"PK\3\4\0\0\0\0\0\0data.pkl", 18, "a zip archive, as PyTorch saves"},
        {"\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15, "a Python pickle"},
        {"\x80\4\x95\n\0\0\0\0\0\0\0}\x94", 13, "a Python pickle"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "a Git LFS pointer"},
        {"\x1f\x8b\x08\0\0\0\0\0\0\3", 10, "a gzip file"},
        {"\x08\x07\x12\x07pytorch", 11, "an ONNX model"},
        {"<!DOCTYPE html><html>", 21, "a web page"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        dp_safetensors *file = NULL;
        assert_fails(
            DP_E_FORMAT, kinds[i].says,
            dp_safetensors_parse((const unsigned char *)kinds[i].bytes, kinds[i].n, "t.safetensors", &file, err));
    }
    /* a header whose length begins like a pickle is a header */
    char header[0x280 + 1];
    memset(header, ' ', sizeof header - 1);
    memcpy(header, "{}", 2);
    header[sizeof header - 1] = 0;
    expect(header, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_lie), cmocka_unit_test(lengths_that_lie), cmocka_unit_test(every_prefix),
        cmocka_unit_test(round_trip),       cmocka_unit_test(half_floats),      cmocka_unit_test(other_kinds),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
