/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"
#include "fetch.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The XDG base directory specification says: ignore a relative path in the variable. */
static const char *cache_root(const char **below)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): it is, unless somebody changes the environment; this library does not */
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *below = "";
    if (xdg && xdg[0] == '/')
        return xdg;
    *below = "/.cache";
    return home && home[0] ? home : NULL;
}

dp_status fetch_cache_path(const char *name, const char *folder, char **path, dp_error *err)
{
    const fetch_checkpoint *checkpoint;
    dp_status status = fetch_registry_find(name, &checkpoint, err);
    if (status)
        return status;
    const char *below = "", *own = "", *root = folder;
    if (!folder) {
        own = "/dinopatch";
        root = cache_root(&below);
        if (!root)
            return fetch_fail(err, DP_E_IO,
                              "%s: there is no cache folder, because neither XDG_CACHE_HOME nor HOME is set", name);
    }
    size_t bytes = strlen(root) + strlen(below) + strlen(own) + strlen(checkpoint->name) + sizeof "/.safetensors";
    char *text = malloc(bytes);
    if (!text)
        return fetch_fail_memory(err, name, bytes);
    snprintf(text, bytes, "%s%s%s/%s.safetensors", root, below, own, checkpoint->name);
    *path = text;
    return DP_OK;
}

dp_status fetch_make_folder_for(const char *path, dp_error *err)
{
    char *folder = strdup(path);
    if (!folder)
        return fetch_fail_memory(err, path, strlen(path));
    dp_status status = DP_OK;
    for (char *slash = strchr(folder + (folder[0] != 0), '/'); slash && !status; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            status = fetch_fail_errno(err, "%s: cannot make its folder", folder);
        *slash = '/';
    }
    free(folder);
    return status;
}
