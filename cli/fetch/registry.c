/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - the published checkpoints that `model pull` downloads.
 *
 * Parameters follow from the architecture, 4 bytes each: DINOv2 with the mask token and a 37x37 position grid; DINOv3
 * without a mask token and without a bias of query, key and value; TIPSv2 with a 32x32 grid and without a mask token.
 * DINOv3 comes from timm's copies, whose files need no consent form; its licence applies all the same. TIPSv2's own
 * files also hold a text network, timm's do not. No digest is pinned: the hub states the SHA-256 of every file, and
 * fetch_pull compares the file with it. */
#include "fetch.h"
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): parts of one text, put side by side */
#define ENTRY(name_, repository_, licence_, layout_, parameters_, ...)                                                 \
    {                                                                                                                  \
        .name = name_, .repository = repository_, .revision = "main", .file = "model.safetensors",                     \
        .source = "https://huggingface.co/" repository_, .licence = licence_, .layout = layout_,                       \
        .parameters = UINT64_C(parameters_), .bytes = 4 * UINT64_C(parameters_), .also = {                             \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define TIMM(name_, timm_, licence_, parameters_, publisher_)                                                          \
    ENTRY(name_, "timm/vit_" timm_, licence_, "timm", parameters_, publisher_, "vit_" timm_)
#define V2(name_, repository_, parameters_, timm_)                                                                     \
    ENTRY(name_, "facebook/" repository_, "Apache-2.0", "huggingface", parameters_, "dinov2_" name_,                   \
          "timm/vit_" timm_ "_dinov2.lvd142m", "vit_" timm_ "_dinov2.lvd142m")
#define V3(name_, timm_, parameters_)                                                                                  \
    TIMM("dinov3_" name_, timm_ "_patch16_dinov3.lvd1689m", "DINOv3", parameters_,                                     \
         "facebook/dinov3-" name_ "-pretrain-lvd1689m")
#define TIPS(name_, timm_, parameters_)                                                                                \
    TIMM("tipsv2_" name_, timm_ "_patch14_reg1_tipsv2.webli", "Apache-2.0", parameters_, "google/tipsv2-" name_)
/* NOLINTEND(bugprone-macro-parentheses) */

static const fetch_checkpoint checkpoints[] = {
    V2("vits14", "dinov2-small", 22056576, "small_patch14"),
    V2("vitb14", "dinov2-base", 86580480, "base_patch14"),
    V2("vitl14", "dinov2-large", 304368640, "large_patch14"),
    V2("vitg14", "dinov2-giant", 1136480768, "giant_patch14"),
    V2("vits14_reg", "dinov2-with-registers-small", 22058112, "small_patch14_reg4"),
    V2("vitb14_reg", "dinov2-with-registers-base", 86583552, "base_patch14_reg4"),
    V2("vitl14_reg", "dinov2-with-registers-large", 304372736, "large_patch14_reg4"),
    V2("vitg14_reg", "dinov2-with-registers-giant", 1136486912, "giant_patch14_reg4"),
    V3("vits16", "small", 21586944),
    V3("vits16plus", "small_plus", 28683264),
    V3("vitb16", "base", 85641216),
    V3("vitl16", "large", 303079424),
    V3("vith16plus", "huge_plus", 840509440),
    TIPS("b14", "base", 86314752),
    TIPS("l14", "large", 304014336),
    TIPS("g14", "giant", 1135949312),
};

static bool is_called(const fetch_checkpoint *checkpoint, const char *name)
{
    bool called = !strcmp(name, checkpoint->name) || !strcmp(name, checkpoint->repository);
    for (size_t i = 0; i < FETCH_ALSO && checkpoint->also[i] && !called; i++)
        called = !strcmp(name, checkpoint->also[i]);
    return called;
}

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
    char names[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < fetch_registry_count(); i++) {
        if (is_called(&checkpoints[i], name)) {
            *checkpoint = &checkpoints[i];
            return DP_OK;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", checkpoints[i].name);
    }
    return fetch_fail(err, DP_E_ARGUMENT, "%s: there is no such checkpoint; give one of %s", name, names);
}
