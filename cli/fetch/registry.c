/* registry.c - the official DINOv2 checkpoints.
 *
 * Parameters follow from the architecture (with the mask token and a 37x37 position grid), 4 bytes each.  No digest is
 * pinned: the hub states the SHA-256 of every file, and fetch_pull holds the file against it. */
#include "fetch.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): parts of one text, put side by side */
#define ENTRY(name_, repository_, parameters_)                                                                         \
    {                                                                                                                  \
        .name = name_, .repository = "facebook/" repository_, .revision = "main", .file = "model.safetensors",         \
        .source = "https://huggingface.co/facebook/" repository_, .licence = "Apache-2.0",                             \
        .parameters = UINT64_C(parameters_), .bytes = 4 * UINT64_C(parameters_)                                        \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static const fetch_checkpoint checkpoints[] = {
    ENTRY("vits14", "dinov2-small", 22056576),
    ENTRY("vitb14", "dinov2-base", 86580480),
    ENTRY("vitl14", "dinov2-large", 304368640),
    ENTRY("vitg14", "dinov2-giant", 1136480768),
    ENTRY("vits14_reg", "dinov2-with-registers-small", 22058112),
    ENTRY("vitb14_reg", "dinov2-with-registers-base", 86583552),
    ENTRY("vitl14_reg", "dinov2-with-registers-large", 304372736),
    ENTRY("vitg14_reg", "dinov2-with-registers-giant", 1136486912),
};

size_t fetch_registry_count(void)
{
    return sizeof checkpoints / sizeof checkpoints[0];
}

const fetch_checkpoint *fetch_registry_at(size_t index)
{
    return index < fetch_registry_count() ? &checkpoints[index] : NULL;
}

dp_status fetch_registry_find(const char *name, const fetch_checkpoint **checkpoint, dp_error *err)
{
    char names[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < fetch_registry_count(); i++) {
        if (strcmp(name, checkpoints[i].name) == 0 || strcmp(name, checkpoints[i].repository) == 0) {
            *checkpoint = &checkpoints[i];
            return DP_OK;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", checkpoints[i].name);
    }
    return fetch_fail(err, DP_E_ARGUMENT, "%s: no such checkpoint; there are %s", name, names);
}
