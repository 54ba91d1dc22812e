/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - finds and reads the training pictures that defects are compared with. */
#include "explain.h"

#include <string.h>

enum { KEPT = 8 };

/* A training picture. picture NULL: it cannot be read now, and the reason. */
struct kept {
    size_t index, used;
    dp_picture *picture;
    char *why;
};

struct cli_explain {
    const dp_bank *bank;
    const char *train;
    size_t max_pixels, n, clock;
    struct kept kept[KEPT];
};

cli_explain *cli_explain_new(const dp_bank *bank, const char *train, size_t max_pixels)
{
    cli_explain *explain = g_new0(cli_explain, 1);
    explain->bank = bank;
    explain->train = train;
    explain->max_pixels = max_pixels;
    return explain;
}

static void forget(struct kept *kept)
{
    dp_picture_free(&kept->picture);
    g_clear_pointer(&kept->why, g_free);
}

void cli_explain_free(cli_explain *explain)
{
    for (size_t i = 0; explain && i < explain->n; i++)
        forget(&explain->kept[i]);
    g_free(explain);
}

/* Tries the recorded path below the folder, then the path without its first folder, and so on; g_free. NULL: none
 * exists. A bank may come from anywhere, so its names must not lead out of the folder: *outside if one does. */
static char *below(const char *folder, const char *name, bool *outside)
{
    *outside = false;
    for (const char *end = name; end; end = strchr(end, '/')) {
        while (*end == '/')
            end++;
        if (!*end)
            break;
        bool this_outside;
        char *path = cli_path_inside(folder, end, &this_outside);
        *outside = *outside || this_outside;
        if (path)
            return path;
    }
    return NULL;
}

static void read_picture(const cli_explain *explain, struct kept *kept)
{
    const char *name = dp_bank_picture_name(explain->bank, kept->index);
    bool outside = false;
    char *path = explain->train ? below(explain->train, name, &outside) : g_strdup(name);
    dp_bank_details info;
    dp_bank_get_details(explain->bank, &info);
    const dp_picture_options options = {
        .max_pixels = explain->max_pixels, .tolerant = 1, .white = info.recipe.sample_white};
    dp_error err;
    if (!path && outside) {
        kept->why = g_strdup_printf("%s: leads out of %s and is not read", name, explain->train);
        cli_log(NULL, DP_LOG_WARNING, kept->why);
    } else if (!path)
        kept->why = g_strdup_printf("%s: not below %s", name, explain->train);
    else if (dp_picture_load_with(path, &options, &kept->picture, NULL, &err))
        kept->why = g_strdup_printf("%s%s", err.message,
                                    explain->train ? "" : " (--train DIR says where the training pictures are now)");
    g_free(path);
}

static const struct kept *find(cli_explain *explain, size_t index)
{
    struct kept *oldest = explain->kept;
    for (size_t i = 0; i < explain->n; i++) {
        struct kept *kept = &explain->kept[i];
        if (kept->index == index) {
            kept->used = ++explain->clock;
            return kept;
        }
        oldest = kept->used < oldest->used ? kept : oldest;
    }
    if (explain->n < KEPT)
        oldest = &explain->kept[explain->n++];
    else
        forget(oldest);
    *oldest = (struct kept){.index = index, .used = ++explain->clock};
    read_picture(explain, oldest);
    return oldest;
}

dp_status cli_explain_draw(cli_explain *explain, const dp_picture *picture, const dp_result *result, size_t defect,
                           bool captions, dp_picture **drawn, dp_error *err)
{
    size_t nearest = result->defects[defect].nearest_picture;
    const struct kept *kept = dp_bank_picture_name(explain->bank, nearest) ? find(explain, nearest) : NULL;
    return dp_defect_draw(explain->bank, picture, result, defect, kept ? kept->picture : NULL, kept ? kept->why : NULL,
                          captions, drawn, err);
}
