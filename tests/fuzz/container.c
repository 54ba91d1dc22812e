/* SPDX-License-Identifier: Apache-2.0 */
/* container.c - see container.h. Only libFuzzer's builds mutate; replays need only container_expand. */
#include "container.h"

#include "options/recipe_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

uint8_t *container_expand(const uint8_t *header, size_t header_bytes, size_t most, uint8_t fill, size_t *bytes)
{
    json_t *object = json_loadb((const char *)header, header_bytes, 0, NULL), *entry;
    if (!object)
        return NULL;
    const char *name;
    size_t end = 0;
    json_object_foreach(object, name, entry)
    {
        json_int_t last = json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 1));
        if (last > 0 && (size_t)last > end)
            end = (size_t)last;
    }
    json_decref(object);
    if (end > most)
        return NULL;
    *bytes = 8 + header_bytes + end;
    uint8_t *file = malloc(*bytes);
    if (!file)
        return NULL;
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)header_bytes >> 8 * i);
    memcpy(file + 8, header, header_bytes);
    memset(file + 8 + header_bytes, fill, end);
    return file;
}

char *container_recipe(const char *text)
{
    dp_recipe recipe;
    char *usual_text = NULL;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    json_t *given = json_loads(text, 0, NULL);
    json_t *usual = dp_recipe_to_json(&recipe, &usual_text, NULL) ? NULL : json_loads(usual_text, 0, NULL);
    dp_memory_free(usual_text);
    char *result = NULL;
    if (json_is_object(given) && usual) {
        const char *name;
        json_t *value;
        void *next;
        json_object_foreach_safe(given, next, name, value) if (!json_object_get(usual, name))
            json_object_del(given, name);
        json_object_update_missing(given, usual);
        result = json_dumps(given, JSON_COMPACT);
    }
    json_decref(given);
    json_decref(usual);
    return result;
}

uint8_t *container_bank(const uint8_t *data, size_t bytes, size_t *new_bytes)
{
    uint64_t length = 0;
    for (int i = 7; bytes >= 8 && i >= 0; i--)
        length = length << 8 | data[i];
    if (bytes < 8 || length > bytes - 8)
        return NULL;
    json_t *header = json_loadb((const char *)data + 8, (size_t)length, 0, NULL),
           *metadata = json_object_get(header, "__metadata__");
    const char *given = json_string_value(json_object_get(metadata, "recipe"));
    char *recipe = given ? container_recipe(given) : NULL, *text = NULL;
    uint8_t *file = NULL;
    if (recipe && json_object_set_new(metadata, "recipe", json_string(recipe)) == 0
        && (text = json_dumps(header, JSON_COMPACT))) {
        size_t used = strlen(text), padded = (8 + used + 63) / 64 * 64 - 8, rest = bytes - 8 - (size_t)length;
        file = malloc(8 + padded + rest);
        for (int i = 0; file && i < 8; i++)
            file[i] = (uint8_t)((uint64_t)padded >> 8 * i);
        if (file) {
            memcpy(file + 8, text, used);
            memset(file + 8 + used, ' ', padded - used);
            memcpy(file + 8 + padded, data + 8 + length, rest);
            *new_bytes = 8 + padded + rest;
        }
    }
    free(recipe);
    free(text);
    json_decref(header);
    return file;
}

#ifdef DP_FUZZING
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static size_t dtype_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t bytes;
    } known[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
    for (size_t i = 0; dtype && i < sizeof known / sizeof *known; i++)
        if (!strcmp(dtype, known[i].name))
            return known[i].bytes;
    return 1;
}

/* Writes another header before the body. Returns the bytes, or 0 if they are more than `most`. */
static size_t put_header(const json_t *header, const uint8_t *body, size_t body_bytes, uint8_t *data, size_t most,
                         bool file)
{
    char *text = json_dumps(header, JSON_COMPACT);
    const size_t length = text ? strlen(text) : 0, at = file ? 8 : 0;
    size_t bytes = 0;
    if (text && 8 + length + body_bytes <= most) {
        for (size_t i = 0; i < at; i++)
            data[i] = (uint8_t)((uint64_t)length >> 8 * i);
        memcpy(data + at, text, length);
        memcpy(data + at + length, body, body_bytes);
        bytes = at + length + body_bytes;
    }
    free(text);
    return bytes;
}

static uint64_t state;

static size_t roll(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(state >> 33) % n : 0;
}

/* Another value in the place of a JSON node. */
static json_t *other_value(const json_t *old)
{
    static const json_int_t sizes[] = {
        0,         1,        -1,    2,       3,          7,          8,          13,         14,
        16,        31,       32,    64,      100,        127,        128,        255,        256,
        1000,      65535,    65536, 1000000, 2147483647, 2147483648, 4294967295, 4294967296, 4611686018427387904,
        INT64_MAX, INT64_MIN};
    static const double reals[] = {0,     -0.0,   1,    -1,    0.5, 0.1, 0.99, 1e-300,
                                   1e300, -1e300, 1e30, 1e-30, 2.5, 64,  31,   1e9};
    static const char *const texts[] = {"",       "none",       "global", "flat",   "grid", "f32",    "f16",
                                        "int8",   "max",        "top1p",  "cosine", "l2",   "rotate", "mirror",
                                        "concat", "mean",       "true",   "false",  "1",    "0",      "\"",
                                        "pca",    "hysteresis", "pixels", "cells",  "p99"};
    size_t kind = roll(10);
    if (kind < 4 && json_is_integer(old)) {
        json_int_t value = json_integer_value(old), step = (json_int_t)roll(3) + 1;
        return json_integer(roll(2)                 ? sizes[roll(sizeof sizes / sizeof *sizes)]
                            : roll(2)               ? (value < INT64_MAX - 4 ? value + step : 0)
                            : value > INT64_MIN + 4 ? value - step
                                                    : 0);
    }
    if (kind < 4 && json_is_real(old))
        return json_real(roll(2) ? reals[roll(sizeof reals / sizeof *reals)]
                                 : json_real_value(old) * (1 + (double)roll(3)));
    if (kind < 4 && json_is_string(old))
        return json_string(texts[roll(sizeof texts / sizeof *texts)]);
    if (kind < 4 && json_is_boolean(old))
        return json_boolean(!json_is_true(old));
    switch (roll(8)) {
    case 0: return json_null();
    case 1: return json_array();
    case 2: return json_object();
    case 3: return json_boolean((int)roll(2));
    case 4: return json_real(reals[roll(sizeof reals / sizeof *reals)]);
    case 5: return json_string(texts[roll(sizeof texts / sizeof *texts)]);
    default: return json_integer(sizes[roll(sizeof sizes / sizeof *sizes)]);
    }
}

static json_t *mutate_text(const char *text);

/* A copy of a JSON value with something changed in it. */
static json_t *mutate_json(json_t *value)
{
    size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    if (json_is_string(value) && roll(3))
        return mutate_text(json_string_value(value));
    if (!n)
        return other_value(value);
    size_t at = roll(n), i = 0;
    if (json_is_array(value)) {
        switch (roll(8)) {
        case 0: json_array_remove(value, at); break;
        case 1: json_array_append(value, json_array_get(value, at)); break;
        default: json_array_set_new(value, at, mutate_json(json_array_get(value, at))); break;
        }
        return json_incref(value);
    }
    const char *key;
    json_t *entry, *chosen = NULL;
    char *name = NULL;
    json_object_foreach(value, key, entry) if (i++ == at)
    {
        chosen = json_incref(entry);
        name = strdup(key);
    }
    if (name) {
        switch (roll(12)) {
        case 0: json_object_del(value, name); break;
        case 1: json_object_set(value, "another", chosen); break;
        default: json_object_set_new(value, name, mutate_json(chosen)); break;
        }
    }
    json_decref(chosen);
    free(name);
    return json_incref(value);
}

/* Text in metadata is JSON itself, or letters. */
static json_t *mutate_text(const char *text)
{
    json_t *inside = json_loads(text, 0, NULL);
    if (inside && roll(10)) {
        json_t *changed = mutate_json(inside);
        char *dump = json_dumps(changed, JSON_COMPACT | JSON_ENCODE_ANY);
        json_t *result = json_string(dump ? dump : "");
        free(dump);
        json_decref(changed);
        json_decref(inside);
        return result;
    }
    json_decref(inside);
    size_t length = strlen(text), most = length + 16;
    uint8_t *room = calloc(most + 1, 1);
    memcpy(room, text, length);
    length = LLVMFuzzerMutate(room, length, most);
    json_t *result = json_stringn((const char *)room, length);
    free(room);
    return result ? result : json_string(text);
}

struct part {
    char *name;
    json_t *entry;
    const uint8_t *data;
    size_t bytes, begin;
};

static int by_begin(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Changes the shape or the type of one tensor. */
static void reshape(json_t *entry)
{
    static const char *const dtypes[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"};
    json_t *shape = json_object_get(entry, "shape");
    size_t n = json_array_size(shape);
    switch (roll(8)) {
    case 0: json_object_set_new(entry, "dtype", json_string(dtypes[roll(10)])); break;
    case 1: json_array_append_new(shape, json_integer((json_int_t)roll(3))); break;
    case 2: json_array_remove(shape, roll(n)); break;
    default:
        if (n) {
            size_t at = roll(n);
            static const json_int_t small[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 33, 64, 128, 192};
            json_int_t old = json_integer_value(json_array_get(shape, at));
            json_array_set_new(
                shape, at,
                json_integer(roll(2) && old > -100 && old < 1 << 30 ? old + (json_int_t)roll(3) - 1 : small[roll(15)]));
        }
    }
}

static size_t wanted_bytes(const json_t *entry, size_t most)
{
    const json_t *shape = json_object_get(entry, "shape");
    size_t bytes = dtype_bytes(json_string_value(json_object_get(entry, "dtype")));
    for (size_t i = 0; i < json_array_size(shape); i++) {
        json_int_t side = json_integer_value(json_array_get(shape, i));
        if (side < 0 || side > 1 << 20 || (bytes *= (size_t)side) > most)
            return most + 1;
    }
    return bytes;
}

/* The file written anew from its header and parts; 0 where it does not fit. */
static size_t lay_out(json_t *header, struct part *parts, size_t n, uint8_t *data, size_t most, int file)
{
    size_t total = 0;
    uint8_t *body = calloc(most + 1, 1);
    char *text = NULL;
    size_t result = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = wanted_bytes(parts[i].entry, file ? most : (size_t)1 << 21);
        if (file && (bytes > most || total + bytes > most))
            goto done;
        if (file)
            for (size_t j = 0; j < bytes; j++) /* what a tensor gains repeats what it had */
                body[total + j] = parts[i].bytes ? parts[i].data[j % parts[i].bytes] : 0;
        json_object_set_new(parts[i].entry, "data_offsets",
                            json_pack("[I,I]", (json_int_t)total, (json_int_t)(total + bytes)));
        total += bytes;
    }
    text = json_dumps(header, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0;
    size_t padded = file ? (8 + length + 7) / 8 * 8 - 8 : length;
    if (!text || 8 + padded + (file ? total : 0) > most)
        goto done;
    if (file) {
        for (int i = 0; i < 8; i++)
            data[i] = (uint8_t)((uint64_t)padded >> 8 * i);
        memcpy(data + 8, text, length);
        memset(data + 8 + length, ' ', padded - length);
        memcpy(data + 8 + padded, body, total);
        result = 8 + padded + total;
    } else {
        memcpy(data, text, length);
        result = length;
    }
done:
    free(text);
    free(body);
    return result;
}

size_t container_mutate(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
    state = seed;
    size_t plain = roll(16); /* now and then bytes are only bytes */
    int file = !(bytes && data[0] == '{');
    uint64_t length = 0;
    for (int i = 7; file && bytes >= 8 && i >= 0; i--)
        length = length << 8 | data[i];
    if (!file)
        length = bytes;
    if (plain == 0 || (file && (bytes < 8 || length > bytes - 8)))
        return LLVMFuzzerMutate(data, bytes, most);
    uint8_t *copy = malloc(bytes);
    memcpy(copy, data, bytes);
    const uint8_t *body = copy + (file ? 8 + length : length);
    size_t body_bytes = bytes - (size_t)(body - copy), result = 0, n = 0;
    json_t *header = json_loadb((const char *)copy + (file ? 8 : 0), (size_t)length, 0, NULL), *entry;
    struct part *parts = calloc(json_object_size(header) + 1, sizeof *parts);
    if (!header || !json_is_object(header)) {
        result = LLVMFuzzerMutate(data, bytes, most);
        goto done;
    }
    const char *name;
    json_object_foreach(header, name, entry)
    {
        json_t *offsets = json_object_get(entry, "data_offsets");
        json_int_t begin = json_integer_value(json_array_get(offsets, 0)),
                   end = json_integer_value(json_array_get(offsets, 1));
        if (!strcmp(name, "__metadata__") || !offsets)
            continue;
        struct part *part = &parts[n++];
        *part = (struct part){.name = strdup(name), .entry = entry, .begin = begin > 0 ? (size_t)begin : 0};
        if (file && begin >= 0 && end > begin && (size_t)end <= body_bytes)
            part->data = body + begin, part->bytes = (size_t)(end - begin);
    }
    qsort(parts, n, sizeof *parts, by_begin);
    size_t kind = roll(10);
    if (kind < 3 && n) { /* shapes and types, with the bytes they need */
        for (size_t i = 0; i <= roll(3); i++)
            reshape(parts[roll(n)].entry);
        result = lay_out(header, parts, n, data, most, file);
    } else if (kind < 6) { /* metadata */
        json_t *meta = json_object_get(header, "__metadata__"), *changed = mutate_json(meta ? meta : header);
        json_decref(changed);
        result = lay_out(header, parts, n, data, most, file);
    } else if (kind < 7 && n) { /* names */
        struct part *part = &parts[roll(n)];
        json_t *renamed = mutate_text(part->name);
        json_incref(part->entry);
        if (roll(2))
            json_object_del(header, part->name);
        json_object_set(header, roll(2) ? parts[roll(n)].name : json_string_value(renamed), part->entry);
        json_decref(part->entry);
        json_decref(renamed);
        result = put_header(header, body, body_bytes, data, most, file);
    } else if (kind < 8) { /* anything in the header */
        json_t *changed = mutate_json(header);
        result = put_header(changed, body, body_bytes, data, most, file);
        json_decref(changed);
    } else if (file && body_bytes && n) { /* the bytes of one tensor */
        struct part *part = &parts[roll(n)];
        if (part->bytes) {
            memcpy(data, copy, bytes);
            LLVMFuzzerMutate(data + (part->data - copy), part->bytes, part->bytes);
            result = bytes;
        }
    }
    if (!result) {
        memcpy(data, copy, bytes);
        result = LLVMFuzzerMutate(data, bytes, most);
    }
done:
    for (size_t i = 0; i < n; i++)
        free(parts[i].name);
    free(parts);
    json_decref(header);
    free(copy);
    return result;
}
#endif
