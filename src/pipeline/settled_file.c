/* SPDX-License-Identifier: Apache-2.0 */
/* settled_file.c - writes and reads what was settled for a fit. */
#include "pipeline/settled_file.h"
#include "bank/bank_tensors.h"
#include "bank/name_text.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/safetensors.h"
#include "options/recipe_json.h"

#include <string.h>

#define KEY "dinopatch_settled"
#define VERSION "1"

dp_status dp_settled_save(const dp_settled *settled, const dp_network_info *network, const char *path, dp_error *err)
{
    char *recipe = NULL, *choices = NULL, *network_path = dp_name_to_text(network->path);
    dp_bank pattern = {.recipe = settled->recipe, .reference = settled->reference};
    dp_tensor tensors[N_TENSORS];
    void *part[PART_TENSORS] = {NULL};
    dp_writer *writer = NULL;
    const size_t n_tensors = settled->reference ? PART_TENSORS : 0;
    dp_bank_describe(&pattern, tensors);
    dp_status status = network_path ? dp_recipe_to_json(&settled->recipe, &recipe, err)
                                    : dp_fail_memory(err, path, strlen(network->path));
    if (!status)
        status = dp_choices_to_json(&settled->choices, &choices, err);
    if (!status)
        status = dp_part_pack(settled->reference, tensors + PART_MEAN, part, err);
    if (!status) {
        const dp_key_value metadata[] = {
            {KEY, VERSION},       {"dinopatch", dp_version()},  {"recipe", recipe},
            {"choices", choices}, {"model_path", network_path}, {"model_sha256", network->sha256}};
        status = dp_safetensors_begin(path, tensors + PART_MEAN, n_tensors, metadata,
                                      sizeof metadata / sizeof *metadata, &writer, err);
    }
    for (size_t i = 0; i < n_tensors && !status; i++)
        status = dp_writer_put(writer, part[i], dp_tensor_bytes(&tensors[PART_MEAN + i]), err);
    if (!status)
        status = dp_writer_commit(&writer, err);
    dp_writer_abort(&writer);
    dp_part_pack_free(part);
    dp_memory_free(recipe);
    dp_memory_free(choices);
    dp_memory_free(network_path);
    return status;
}

dp_status dp_settled_read(dp_bytes bytes, const char *name, dp_settled *settled, dp_settled_network *network,
                          dp_error *err)
{
    dp_safetensors *file = NULL;
    *settled = (dp_settled){0};
    dp_status status = dp_safetensors_parse(bytes.data, bytes.bytes, name, &file, err);
    const char *version = status ? NULL : dp_safetensors_metadata(file, KEY);
    const char *recipe = status ? NULL : dp_safetensors_metadata(file, "recipe"),
               *choices = status ? NULL : dp_safetensors_metadata(file, "choices"),
               *path = status ? NULL : dp_safetensors_metadata(file, "model_path"),
               *sha256 = status ? NULL : dp_safetensors_metadata(file, "model_sha256");
    if (!status && (!version || strcmp(version, VERSION) != 0 || !recipe || !choices || !path || !sha256))
        status = dp_fail(err, DP_E_FORMAT, "%s: holds no settled fit of this version; settle again", name);
    if (!status)
        status = dp_recipe_from_json(recipe, name, &settled->recipe, err);
    if (!status)
        status = dp_choices_from_json(choices, name, &settled->choices, err);
    if (!status && settled->recipe.align == DP_ALIGN_FEATURES)
        status = dp_part_read(file, name, &settled->reference, err);
    if (!status && network) {
        int broken = 0;
        *network = (dp_settled_network){.path = dp_name_from_text(path, &broken)};
        strncpy(network->sha256, sha256, sizeof network->sha256 - 1);
        if (!network->path)
            status = broken ? dp_fail(err, DP_E_FORMAT, "%s: the path of its network is damaged", name)
                            : dp_fail_memory(err, name, strlen(path));
    }
    dp_safetensors_close(&file);
    return status;
}
