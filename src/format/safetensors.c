/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors.c - reads files without trusting them, and writes whole files.
 *
 * Everything in the header is untrusted: the length is checked before the header is read, and each name, type, shape
 * and offset before it is used. Limits: those of dp_limits, DP_MAX_RANK dimensions, and the 2048 levels of the JSON
 * parser. */
#include "format/safetensors.h"
#include "base/error.h"
#include "base/memory.h"
#include "simd/half.h"
#include "format/json_size.h"
#include "format/json_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_PER_TENSOR 32 /* at most, in the header's JSON: a tensor needs 14, metadata one per key */
#define VALUES_BESIDES 4096

struct dp_safetensors {
    dp_mapping mapping; /* data is NULL if the bytes belong to the caller */
    dp_bytes bytes;
    char *path;
    json_t *header; /* owns the names and the metadata */
    json_t *metadata;
    dp_tensor *tensors; /* [n], by offset */
    size_t n;
    dp_safetensors **parts; /* [n_parts] of a joined file, which has no mapping, bytes or header of its own */
    dp_bytes *part_bytes;   /* [n_parts] */
    size_t n_parts;
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [DP_DTYPE_F64] = {"F64", 8},   [DP_DTYPE_F32] = {"F32", 4}, [DP_DTYPE_F16] = {"F16", 2},
    [DP_DTYPE_BF16] = {"BF16", 2}, [DP_DTYPE_I64] = {"I64", 8}, [DP_DTYPE_I32] = {"I32", 4},
    [DP_DTYPE_I16] = {"I16", 2},   [DP_DTYPE_I8] = {"I8", 1},   [DP_DTYPE_U8] = {"U8", 1},
    [DP_DTYPE_BOOL] = {"BOOL", 1},
};

size_t dp_dtype_bytes(dp_dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *dp_dtype_name(dp_dtype dtype)
{
    return dtypes[dtype].name;
}

static int dtype_parse(const char *name, dp_dtype *dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (!strcmp(dtypes[i].name, name)) {
            *dtype = (dp_dtype)i;
            return 1;
        }
    }
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const dp_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->count > 0) - (y->count > 0); /* empty tensors come before the one that starts at the same position */
}

/* Reads a JSON integer that is a size. */
static int json_size(const json_t *value, size_t *size)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return 0;
    *size = (size_t)json_integer_value(value);
    return 1;
}

static dp_status read_tensor(dp_safetensors *file, const char *name, const json_t *entry, size_t data_start,
                             dp_tensor *tensor, dp_error *err)
{
    const char *path = file->path;
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    if (!dtype || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' lacks dtype, shape or data_offsets", path, name);
    tensor->name = name;
    if (!dtype_parse(dtype, &tensor->dtype))
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has unknown dtype '%s'", path, name, dtype);
    tensor->rank = json_array_size(shape);
    if (tensor->rank > DP_MAX_RANK)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has %zu dimensions, at most %d are read", path, name,
                       tensor->rank, DP_MAX_RANK);
    tensor->count = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        if (!json_size(json_array_get(shape, i), &tensor->shape[i])
            || !dp_mul_size(tensor->count, tensor->shape[i], &tensor->count))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has an impossible shape", path, name);
    size_t begin, end, bytes, available = file->bytes.bytes - data_start;
    if (!json_size(json_array_get(offsets, 0), &begin) || !json_size(json_array_get(offsets, 1), &end) || begin > end
        || end > available)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' lies outside the file (it may be cut short)", path, name);
    if (!dp_mul_size(tensor->count, dp_dtype_bytes(tensor->dtype), &bytes) || bytes != end - begin)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has %zu bytes, which do not fit its shape and dtype", path,
                       name, end - begin);
    tensor->data = (const unsigned char *)file->bytes.data + data_start + begin;
    return DP_OK;
}

static dp_status check_layout(const dp_safetensors *file, size_t data_start, dp_error *err)
{
    const unsigned char *next = (const unsigned char *)file->bytes.data + data_start;
    for (size_t i = 0; i < file->n; i++) {
        const dp_tensor *tensor = &file->tensors[i];
        if (tensor->data != next)
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' %s", file->path, tensor->name,
                           tensor->data < next ? "overlaps the one before it" : "leaves a gap before it");
        next += tensor->count * dp_dtype_bytes(tensor->dtype);
    }
    size_t rest = file->bytes.bytes - (size_t)(next - (const unsigned char *)file->bytes.data);
    if (rest)
        return dp_fail(err, DP_E_FORMAT, "%s: %zu bytes after the last tensor", file->path, rest);
    return DP_OK;
}

/* What a file is instead, by its first bytes, and what to do; NULL: not known. */
static const char *what_else(const unsigned char *data, size_t bytes)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *what;
    } known[] = {
        {"PK\3\4", 4, "a zip archive, as PyTorch saves (.pth, .pt): convert it to safetensors"},
        {"version https://git-lfs", 23, "a Git LFS pointer, not the file itself: fetch it with 'git lfs pull'"},
        {"\x89HDF\r\n", 6, "an HDF5 file: convert it to safetensors"},
        {"GGUF", 4, "a GGUF file: convert it to safetensors"},
        {"\x1f\x8b", 2, "a gzip file: unpack it first"},
        {"\x89PNG", 4, "a picture"},
        {"\xff\xd8\xff", 3, "a picture"},
        {"<!DOCTYPE", 9, "a web page: the download went wrong"},
        {"<html", 5, "a web page: the download went wrong"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (bytes >= known[i].n && !memcmp(data, known[i].magic, known[i].n))
            return known[i].what;
    if (bytes > 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5) /* the number of its protocol */
        return "a Python pickle, as PyTorch saves (.pth, .bin): convert it to safetensors";
    /* the first field of an ONNX model is its version, small, the second its producer */
    if (bytes > 4 && data[0] == 8 && data[1] < 32 && data[2] == 18 && data[3] < 64)
        return "an ONNX model: give the checkpoint in safetensors";
    return NULL;
}

static dp_status parse(dp_safetensors *file, const dp_limits *limits, dp_error *err)
{
    const unsigned char *data = file->bytes.data;
    if (file->bytes.bytes < 8)
        return dp_fail(err, DP_E_FORMAT, "%s: %s", file->path,
                       file->bytes.bytes ? "shorter than a safetensors header" : "is empty");
    const char *other = file->bytes.bytes > 8 && data[8] == '{'
                            ? NULL
                            : what_else(data, file->bytes.bytes); /* a header begins with { */
    if (other)
        return dp_fail(err, DP_E_FORMAT, "%s: is not a safetensors file, but %s", file->path, other);
    uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; i--)
        header_bytes = header_bytes << 8 | data[i];
    if (header_bytes > limits->max_header_bytes)
        return dp_fail(
            err, DP_E_FORMAT,
            "%s: is not a safetensors file, or its header is broken (a header of %llu bytes; the limit is %zu)",
            file->path, (unsigned long long)header_bytes, limits->max_header_bytes);
    if (header_bytes > file->bytes.bytes - 8)
        return dp_fail(err, DP_E_FORMAT, "%s: header of %llu bytes is cut short", file->path,
                       (unsigned long long)header_bytes);
    size_t most;
    if (!dp_mul_size(limits->max_tensors, VALUES_PER_TENSOR, &most) || !dp_add_size(most, VALUES_BESIDES, &most))
        most = SIZE_MAX;
    if (dp_json_values((const char *)data + 8, (size_t)header_bytes) > most)
        return dp_fail(err, DP_E_FORMAT, "%s: its header is longer than %zu tensors, the limit, could need", file->path,
                       limits->max_tensors);
    json_error_t json;
    file->header = json_loadb((const char *)data + 8, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &json);
    if (!file->header)
        return dp_fail(err, DP_E_FORMAT, "%s: header is not JSON: %s", file->path, json.text);
    if (!json_is_object(file->header))
        return dp_fail(err, DP_E_FORMAT, "%s: header is not a JSON object", file->path);
    file->metadata = json_object_get(file->header, "__metadata__");
    if (file->metadata && !json_is_object(file->metadata))
        return dp_fail(err, DP_E_FORMAT, "%s: __metadata__ is not an object", file->path);

    size_t data_start = 8 + (size_t)header_bytes, entries = json_object_size(file->header);
    if (entries - (file->metadata != NULL) > limits->max_tensors)
        return dp_fail(err, DP_E_FORMAT, "%s: holds %zu tensors; the limit is %zu", file->path,
                       entries - (file->metadata != NULL), limits->max_tensors);
    file->tensors = dp_calloc(entries, sizeof *file->tensors);
    if (!file->tensors)
        return dp_fail_memory(err, file->path, entries * sizeof *file->tensors);
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (!strcmp(name, "__metadata__"))
            continue;
        dp_status status = read_tensor(file, name, entry, data_start, &file->tensors[file->n], err);
        if (status)
            return status;
        file->n++;
    }
    if (file->n) /* on some systems qsort must not be called with a count of 0 */
        qsort(file->tensors, file->n, sizeof *file->tensors, by_offset);
    return check_layout(file, data_start, err);
}

static dp_status create(const char *path, const dp_limits *limits, dp_mapping mapping, dp_bytes bytes,
                        dp_safetensors **out, dp_error *err)
{
    dp_safetensors *file = dp_calloc(1, sizeof *file);
    char *name = dp_strdup(path);
    if (!file || !name) {
        dp_memory_free(file);
        dp_memory_free(name);
        dp_mapping_close(&mapping);
        return dp_fail_memory(err, path, sizeof *file);
    }
    *file = (dp_safetensors){.mapping = mapping, .bytes = bytes, .path = name};
    dp_limits usual;
    dp_limits_init(&usual);
    if (!limits)
        limits = &usual;
    dp_status status = DP_OK;
    if (limits->max_file_bytes && bytes.bytes > limits->max_file_bytes)
        status =
            dp_fail(err, DP_E_FORMAT, "%s: is %zu bytes; the limit is %zu", path, bytes.bytes, limits->max_file_bytes);
    else
        status = parse(file, limits, err);
    if (status)
        dp_safetensors_close(&file);
    else
        *out = file;
    return status;
}

dp_status dp_safetensors_open(const char *path, dp_safetensors **out, dp_error *err)
{
    return dp_safetensors_open_within(path, NULL, out, err);
}

dp_status dp_safetensors_open_within(const char *path, const dp_limits *limits, dp_safetensors **out, dp_error *err)
{
    dp_mapping mapping;
    dp_status status = dp_mapping_open(path, &mapping, err);
    if (status)
        return status;
    return create(path, limits, mapping, (dp_bytes){mapping.data, mapping.bytes}, out, err);
}

dp_status dp_safetensors_parse(const unsigned char *data, size_t bytes, const char *name, dp_safetensors **out,
                               dp_error *err)
{
    return create(name, NULL, (dp_mapping){0}, (dp_bytes){data, bytes}, out, err);
}

dp_status dp_safetensors_join(const char *path, dp_safetensors *const *parts, size_t n, dp_safetensors **out,
                              dp_error *err)
{
    dp_safetensors *file = dp_calloc(1, sizeof *file);
    if (!file)
        return dp_fail_memory(err, path, sizeof *file);
    size_t tensors = 0;
    for (size_t i = 0; i < n; i++)
        tensors += parts[i]->n;
    file->path = dp_strdup(path);
    file->parts = dp_calloc(n, sizeof(dp_safetensors *));
    file->part_bytes = dp_calloc(n, sizeof *file->part_bytes);
    file->tensors = dp_calloc(tensors, sizeof *file->tensors);
    if (!file->path || !file->parts || !file->part_bytes || !file->tensors) {
        dp_safetensors_close(&file);
        return dp_fail_memory(err, path, tensors * sizeof *file->tensors);
    }
    for (size_t i = 0; i < n; i++) {
        file->parts[i] = parts[i];
        file->part_bytes[i] = parts[i]->bytes;
        if (parts[i]->n)
            memcpy(file->tensors + file->n, parts[i]->tensors, parts[i]->n * sizeof *file->tensors);
        file->n += parts[i]->n;
    }
    file->n_parts = n;
    *out = file;
    return DP_OK;
}

dp_status dp_safetensors_check(const dp_safetensors *file, dp_error *err)
{
    for (size_t i = 0; i < file->n_parts; i++) {
        dp_status status = dp_safetensors_check(file->parts[i], err);
        if (status)
            return status;
    }
    return dp_mapping_check(&file->mapping, file->path, err);
}

void dp_safetensors_close(dp_safetensors **file_pointer)
{
    if (!file_pointer || !*file_pointer)
        return;
    dp_safetensors *file = *file_pointer;
    for (size_t i = 0; i < file->n_parts; i++)
        dp_safetensors_close(&file->parts[i]);
    dp_memory_free(file->parts);
    dp_memory_free(file->part_bytes);
    json_decref(file->header);
    dp_mapping_close(&file->mapping);
    dp_memory_free(file->tensors);
    dp_memory_free(file->path);
    dp_memory_free(file);
    *file_pointer = NULL;
}

size_t dp_safetensors_count(const dp_safetensors *file)
{
    return file->n;
}

const dp_tensor *dp_safetensors_at(const dp_safetensors *file, size_t index)
{
    return &file->tensors[index];
}

const dp_tensor *dp_safetensors_find(const dp_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n; i++)
        if (!strcmp(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

const char *dp_safetensors_metadata(const dp_safetensors *file, const char *key)
{
    const char *value = json_string_value(json_object_get(file->metadata, key));
    for (size_t i = 0; i < file->n_parts && !value; i++)
        value = dp_safetensors_metadata(file->parts[i], key);
    return value;
}

dp_bytes dp_safetensors_bytes(const dp_safetensors *file)
{
    return file->bytes;
}

const dp_bytes *dp_safetensors_pieces(const dp_safetensors *file, size_t *n)
{
    *n = file->parts ? file->n_parts : 1;
    return file->parts ? file->part_bytes : &file->bytes;
}

dp_status dp_tensor_to_f32(const dp_tensor *tensor, float *out, dp_error *err)
{
    const unsigned char *from = tensor->data;
    switch (tensor->dtype) {
    case DP_DTYPE_F32: memcpy(out, from, tensor->count * sizeof *out); return DP_OK;
    case DP_DTYPE_F64:
        for (size_t i = 0; i < tensor->count; i++) {
            double value;
            memcpy(&value, from + 8 * i, sizeof value);
            out[i] = (float)value;
        }
        return DP_OK;
    case DP_DTYPE_F16:
    case DP_DTYPE_BF16:
        for (size_t i = 0; i < tensor->count; i++) {
            uint16_t half;
            memcpy(&half, from + 2 * i, sizeof half);
            out[i] = tensor->dtype == DP_DTYPE_F16 ? dp_f16_to_f32(half) : dp_bf16_to_f32(half);
        }
        return DP_OK;
    default:
        return dp_fail(err, DP_E_FORMAT, "tensor '%s' is %s, not floating point", tensor->name,
                       dp_dtype_name(tensor->dtype));
    }
}

/* Returns the header's entry for a tensor; NULL if memory is short. */
static json_t *describe(const dp_tensor *tensor, size_t *offset)
{
    json_t *shape = json_array();
    int failed = !shape;
    for (size_t i = 0; i < tensor->rank && !failed; i++)
        failed = json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    size_t begin = *offset;
    *offset += tensor->count * dp_dtype_bytes(tensor->dtype);
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dp_dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*offset);
}

/* Returns the header as JSON text, padded with spaces so that the data starts at a multiple of 64; NULL if memory is
 * short. */
static char *header_text(const dp_tensor *tensors, size_t n_tensors, const dp_key_value *metadata, size_t n_metadata,
                         size_t *bytes)
{
    json_t *header = json_object(), *pairs = json_object();
    char *padded = NULL;
    int failed = 0;
    for (size_t i = 0; i < n_metadata; i++)
        failed |= json_object_set_new(pairs, metadata[i].key, json_string(metadata[i].value));
    failed |= n_metadata ? json_object_set(header, "__metadata__", pairs) : 0;
    size_t offset = 0;
    for (size_t i = 0; i < n_tensors; i++)
        failed |= json_object_set_new(header, tensors[i].name, describe(&tensors[i], &offset));
    char *text = failed ? NULL : dp_json_text(header);
    if (text) {
        size_t length = strlen(text);
        *bytes = (8 + length + 63) / 64 * 64 - 8;
        padded = dp_malloc(*bytes + 1, 1);
        if (padded)
            snprintf(padded, *bytes + 1, "%-*s", (int)*bytes, text);
    }
    dp_memory_free(text);
    json_decref(pairs);
    json_decref(header);
    return padded;
}

dp_status dp_safetensors_header(const char *path, const dp_tensor *tensors, size_t n_tensors,
                                const dp_key_value *metadata, size_t n_metadata, unsigned char **out, size_t *out_bytes,
                                dp_error *err)
{
    for (size_t i = 0; i < n_metadata; i++) {
        json_t *text = json_string(metadata[i].value);
        if (!text)
            return dp_fail(err, DP_E_ARGUMENT, "%s: metadata '%s' is not UTF-8", path, metadata[i].key);
        json_decref(text);
    }
    size_t bytes;
    char *text = header_text(tensors, n_tensors, metadata, n_metadata, &bytes);
    unsigned char *header = text ? dp_malloc(8 + bytes, 1) : NULL;
    if (!header) {
        dp_memory_free(text);
        return dp_fail_memory(err, path, 0);
    }
    for (int i = 0; i < 8; i++)
        header[i] = (unsigned char)((uint64_t)bytes >> 8 * i);
    memcpy(header + 8, text, bytes);
    dp_memory_free(text);
    *out = header;
    *out_bytes = 8 + bytes;
    return DP_OK;
}

dp_status dp_safetensors_begin(const char *path, const dp_tensor *tensors, size_t n_tensors,
                               const dp_key_value *metadata, size_t n_metadata, dp_writer **out, dp_error *err)
{
    unsigned char *header;
    size_t bytes;
    dp_status status = dp_safetensors_header(path, tensors, n_tensors, metadata, n_metadata, &header, &bytes, err);
    if (status)
        return status;
    dp_writer *writer = NULL;
    status = dp_writer_open(path, &writer, err);
    if (!status)
        status = dp_writer_put(writer, header, bytes, err);
    dp_memory_free(header);
    if (status)
        dp_writer_abort(&writer);
    else
        *out = writer;
    return status;
}
