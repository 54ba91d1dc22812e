/* SPDX-License-Identifier: Apache-2.0 */
/* kserve_request.c - reads an inference request of the KServe V2 protocol. */
#include "kserve_request.h"

#include <math.h>
#include <string.h>

#define MOST_SIDE 65536

const struct kserve_tensor kserve_tensors[KSERVE_OUTPUTS] = {
    {"score", "FP64", 1},          {"label", "BYTES", 1},  {"threshold", "FP64", 1}, {"p_value", "FP64", 1},
    {"cell_threshold", "FP64", 1}, {"result", "BYTES", 1}, {"map", "FP32", 2}};

/* A tensor's bytes: from behind the JSON, or from its "data". */
struct tensor {
    const uint8_t *binary; /* [bytes]; NULL: it stands in data */
    size_t bytes;
    json_t *data;
};

/* Each product is small: sides are bounded. */
static char *read_shape(const json_t *shape, size_t *dims, size_t *n_dims)
{
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n < 1 || n > 4)
        return g_strdup("shape: give [height, width, 3], [height, width], or [1] for a picture file");
    for (size_t i = 0; i < n; i++) {
        json_int_t side = json_integer_value(json_array_get(shape, i));
        if (side < 1 || side > MOST_SIDE)
            return g_strdup_printf("shape: number %zu is not a whole number from 1 to %d", i + 1, MOST_SIDE);
        dims[i] = (size_t)side;
    }
    *n_dims = n;
    return NULL;
}

/* Numbers of nested lists, or of one flat one, in their order. False: something else is among them, or there are too many. */
static bool flatten(const json_t *data, guchar *out, size_t most, size_t *n)
{
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)data, i, value)
    {
        if (json_is_array(value)) {
            if (!flatten(value, out, most, n))
                return false;
            continue;
        }
        double number = json_is_number(value) ? json_number_value(value) : -1;
        if (*n == most || !(number >= 0 && number <= 255) || number != floor(number))
            return false;
        out[(*n)++] = (guchar)number;
    }
    return true;
}

static char *read_pixels(kserve_request *request, const struct tensor *tensor, const size_t *dims, size_t n_dims)
{
    if (n_dims == 4 || (n_dims == 3 && dims[0] == 1 && dims[2] != 3 && dims[2] != 1)) { /* a batch of one */
        if (dims[0] != 1)
            return g_strdup("shape: one picture at a time, so the first of four numbers is 1");
        dims++;
        n_dims--;
    }
    if (n_dims < 2 || (n_dims == 3 && dims[2] != 3 && dims[2] != 1))
        return g_strdup("shape: pixels are [height, width, 3] or [height, width]");
    request->height = dims[0];
    request->width = dims[1];
    request->channels = n_dims == 3 ? dims[2] : 1;
    size_t expected = dims[0] * dims[1] * request->channels; /* sides are at most 2^16 */
    if (tensor->binary) {
        if (tensor->bytes != expected)
            return g_strdup_printf("the shape says %zu bytes, there are %zu", expected, tensor->bytes);
        request->pixels = tensor->binary;
        return NULL;
    }
    size_t n = 0;
    if (expected > ((size_t)1 << 28))
        return g_strdup("the picture has more pixels than can be sent as JSON; send it binary");
    request->owned = g_malloc(expected);
    if (!json_is_array(tensor->data) || !flatten(tensor->data, request->owned, expected, &n) || n != expected)
        return g_strdup_printf("data: give %zu whole numbers from 0 to 255", expected);
    request->pixels = request->owned;
    return NULL;
}

static char *read_file(kserve_request *request, const struct tensor *tensor, const size_t *dims, size_t n_dims)
{
    for (size_t i = 0; i < n_dims; i++)
        if (dims[i] != 1)
            return g_strdup("shape: one picture file at a time, so it is [1]");
    if (tensor->binary) {
        uint32_t length = 0;
        if (tensor->bytes >= 4)
            memcpy(&length, tensor->binary, 4);
        length = GUINT32_FROM_LE(length);
        if (tensor->bytes < 4 || length != tensor->bytes - 4)
            return g_strdup("BYTES: the length in front of the file is not that of what follows");
        request->file = tensor->binary + 4;
        request->file_bytes = length;
        return NULL;
    }
    const json_t *text = tensor->data;
    while (json_is_array(text) && json_array_size(text) == 1)
        text = json_array_get(text, 0);
    if (!json_is_string(text))
        return g_strdup("data: give the file as one base64 text, [\"...\"]");
    request->owned = g_base64_decode(json_string_value(text), &request->file_bytes);
    request->file = request->owned;
    return NULL;
}

static char *read_input(kserve_request *request, const json_t *input, const char *rest, size_t rest_bytes)
{
    const char *type = json_string_value(json_object_get(input, "datatype"));
    const json_t *size = json_object_get(json_object_get(input, "parameters"), "binary_data_size");
    size_t dims[4] = {0}, n_dims = 0;
    char *fault = read_shape(json_object_get(input, "shape"), dims, &n_dims);
    if (fault)
        return fault;
    struct tensor tensor = {.data = json_object_get(input, "data")};
    if (size) {
        if (!json_is_integer(size) || json_integer_value(size) < 0
            || (unsigned long long)json_integer_value(size) != rest_bytes)
            return g_strdup_printf("binary_data_size is not the %zu bytes that follow the JSON", rest_bytes);
        tensor.binary = (const uint8_t *)rest;
        tensor.bytes = rest_bytes;
    } else if (rest_bytes) {
        return g_strdup("bytes follow the JSON, and no input says binary_data_size");
    }
    if (type && !strcmp(type, "UINT8"))
        return read_pixels(request, &tensor, dims, n_dims);
    if (type && !strcmp(type, "BYTES"))
        return read_file(request, &tensor, dims, n_dims);
    return g_strdup("datatype: give UINT8 (pixels) or BYTES (a picture file)");
}

static char *read_outputs(kserve_request *request, const json_t *root)
{
    const json_t *outputs = json_object_get(root, "outputs"), *output;
    bool binary = json_is_true(json_object_get(json_object_get(root, "parameters"), "binary_data_output"));
    size_t i;
    for (int k = 0; k < KSERVE_OUTPUTS; k++) {
        request->outputs[k].wanted = !outputs && k != KSERVE_MAP;
        request->outputs[k].binary = binary;
    }
    if (outputs && !json_is_array(outputs))
        return g_strdup("outputs: give a list");
    json_array_foreach((json_t *)outputs, i, output)
    {
        const char *name = json_string_value(json_object_get(output, "name"));
        const json_t *own = json_object_get(json_object_get(output, "parameters"), "binary_data");
        int k = 0;
        while (k < KSERVE_OUTPUTS && g_strcmp0(name, kserve_tensors[k].name) != 0)
            k++;
        if (k == KSERVE_OUTPUTS)
            return g_strdup("outputs: there are score, label, threshold, p_value, cell_threshold, result, map");
        request->outputs[k].wanted = true;
        if (own)
            request->outputs[k].binary = json_is_true(own);
    }
    return NULL;
}

char *kserve_parse(const char *body, size_t bytes, size_t header_bytes, kserve_request *request)
{
    json_error_t error;
    size_t length = header_bytes == SIZE_MAX ? bytes : header_bytes;
    *request = (kserve_request){0};
    if (length > bytes)
        return g_strdup_printf("Inference-Header-Content-Length says %zu bytes, the body has %zu", length, bytes);
    json_t *root = json_loadb(body, length, 0, &error);
    if (!root) {
        g_autofree char *text = g_utf8_make_valid(error.text, -1); /* it may repeat what it read */
        return g_strdelimit(g_strdup_printf("the body is no JSON: line %d: %s", error.line, text), "\n\r", ' ');
    }
    const json_t *inputs = json_object_get(root, "inputs");
    char *fault = json_is_object(root) && json_is_array(inputs) && json_array_size(inputs) == 1
                      ? read_input(request, json_array_get(inputs, 0), body + length, bytes - length)
                      : g_strdup("inputs: give a list of one tensor, the picture");
    if (!fault)
        fault = read_outputs(request, root);
    if (!fault)
        request->id = g_strdup(json_string_value(json_object_get(root, "id")));
    json_decref(root);
    if (fault)
        kserve_request_clear(request);
    return fault;
}

void kserve_request_clear(kserve_request *request)
{
    g_free(request->id);
    g_free(request->owned);
    *request = (kserve_request){0};
}
