/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_safetensors.c - a checkpoint of any bytes: its header, its tensors, and the model they make.
 *
 * Input: a safetensors file; or only its header (it begins with '{'), to which the target adds the tensors, so that a
 * whole transformer fits into a few kilobytes. */
#include "container.h"
#include "fuzz.h"

#include "base/memory.h"
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>

#define MOST_TENSOR_BYTES ((size_t)2 << 20)

#ifdef DP_FUZZING
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return container_mutate(data, size, max_size, seed);
}
#endif

static void read_all(const dp_safetensors *file, const uint8_t *data, size_t bytes)
{
    dp_error err;
    const uint8_t *next = NULL;
    for (size_t i = 0; i < dp_safetensors_count(file); i++) {
        const dp_tensor *tensor = dp_safetensors_at(file, i);
        size_t held = tensor->count * dp_dtype_bytes(tensor->dtype);
        fuzz_must(tensor->data >= data && held <= bytes && tensor->data <= data + bytes - held,
                  "a tensor lies within its file");
        fuzz_must(!next || tensor->data == next, "tensors lie one behind the other");
        fuzz_must(dp_safetensors_find(file, tensor->name) != NULL, "a tensor is found by its name");
        next = tensor->data + held;
        float *values = dp_malloc(tensor->count, sizeof *values);
        if (values && fuzz_ok(dp_tensor_to_f32(tensor, values, &err), &err)) {
            volatile float sum = 0;
            for (size_t j = 0; j < tensor->count; j++)
                sum = values[j];
            (void)sum;
        }
        dp_memory_free(values);
    }
    static const char *const keys[] = {"format", "heads", "offset", "dinopatch_bank", "recipe"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = dp_safetensors_metadata(file, keys[i]);
        fuzz_must(!value || fuzz_is_utf8(value, strlen(value)), "metadata is UTF-8");
    }
}

static void open_model(const uint8_t *data, size_t bytes)
{
    dp_network *model = NULL;
    dp_error err;
    if (!fuzz_ok(dp_network_open(fuzz_file(data, bytes), &model, &err), &err)) {
        fuzz_must(model == NULL, "a failed opening leaves its output alone");
        return;
    }
    dp_network_info info;
    dp_network_get_info(model, &info);
    fuzz_must(info.dim > 0 && info.patch_px > 0 && info.parameters > 0, "a model has sizes");
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    fuzz_ok(dp_network_settle_recipe(model, &recipe, &err), &err);
    dp_network_close(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    dp_safetensors *file = NULL;
    dp_error err;
    uint8_t *whole = NULL;
    if (bytes && data[0] == '{') {
        whole = container_expand(data, bytes, MOST_TENSOR_BYTES, 0x3c, &bytes);
        if (!whole)
            return 0;
        data = whole;
    }
    if (fuzz_ok(dp_safetensors_parse(data, bytes, "the file", &file, &err), &err))
        read_all(file, data, bytes);
    else
        fuzz_must(file == NULL, "a failed opening leaves its output alone");
    dp_safetensors_close(&file);
    open_model(data, bytes);
    free(whole);
    return 0;
}
