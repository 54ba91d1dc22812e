/* memory_plan.c - the memory of a bank is known from the number of pictures, the canvas and the transformer, before any picture is
 * embedded: a bank that will not fit is refused then, and not after hours.
 *
 * Free is what Linux calls MemAvailable (free pages and those of files that can be dropped), and no more than a control group (a
 * container, a service) leaves of its limit: memory.max - memory.current of version 2, with what is only file cache given back. */
#include "run/memory_plan.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096

/* A number behind `key` in a file of lines, or the only one of the file (key NULL). */
static bool read_number(const char *path, const char *key, unsigned long long *number)
{
    FILE *file = fopen(path, "r");
    char line[512];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        size_t skip = key ? strlen(key) : 0;
        found = (!key || strncmp(line, key, skip) == 0) && sscanf(line + skip, " %llu", number) == 1; /* not "max" */
    }
    if (file)
        fclose(file);
    return found;
}

static size_t machine_free(void)
{
    unsigned long long kilobytes;
    if (!read_number("/proc/meminfo", "MemAvailable:", &kilobytes) || kilobytes > SIZE_MAX / 1024)
        return SIZE_MAX;
    return (size_t)kilobytes * 1024;
}

/* What the control group at that folder and those above it leave. */
static size_t group_free(char *folder, size_t root)
{
    size_t least = SIZE_MAX;
    for (;;) {
        char path[PATH_BYTES + 32];
        unsigned long long limit, used, cache = 0;
        snprintf(path, sizeof path, "%s/memory.max", folder);
        bool limited = read_number(path, NULL, &limit);
        snprintf(path, sizeof path, "%s/memory.current", folder);
        limited = limited && read_number(path, NULL, &used);
        snprintf(path, sizeof path, "%s/memory.stat", folder);
        if (limited) {
            read_number(path, "inactive_file", &cache);
            used -= cache < used ? cache : used;
            size_t left = used < limit ? (size_t)(limit - used) : 0;
            least = left < least ? left : least;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root)
            return least;
        *slash = 0;
    }
}

static size_t groups_free(void)
{
    static const char mount[] = "/sys/fs/cgroup";
    FILE *file = fopen("/proc/self/cgroup", "r");
    char line[PATH_BYTES], folder[PATH_BYTES + sizeof mount];
    size_t least = SIZE_MAX;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        snprintf(folder, sizeof folder, "%s%s", mount, line + 3);
        least = group_free(folder, sizeof mount - 1);
    }
    if (file)
        fclose(file);
    return least;
}

size_t dp_memory_free_bytes(const dp_run *run)
{
    size_t machine = machine_free(), groups = groups_free(), least = machine < groups ? machine : groups;
    return run->max_memory_bytes && run->max_memory_bytes < least ? run->max_memory_bytes : least;
}

/* Bytes of the bank as it will be written: fewer dimensions and rows than the spec, where the recipe says so.  A share of the variance
 * is taken for all dimensions: how many it will need is not known. */
static bool final_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    dp_bank_spec final = *spec;
    const dp_recipe *recipe = spec->recipe;
    if (recipe->pca >= 1 && recipe->pca < (double)spec->dim)
        final.dim = (size_t)recipe->pca;
    if (recipe->kmeans && recipe->kmeans < spec->capacity * spec->rows_per_picture) {
        final.rows_per_picture = 1;
        final.capacity = recipe->kmeans;
    }
    if (recipe->coreset > 0) {
        double rows = (double)spec->grid_rows * (double)spec->grid_cols * (double)spec->capacity * (double)spec->rows_per_picture;
        double kept = recipe->coreset < 1 ? recipe->coreset * rows : recipe->coreset < rows ? recipe->coreset : rows;
        final.grid_rows = final.grid_cols = final.rows_per_picture = 1;
        final.capacity = kept < 1 ? 1 : kept < (double)UINT32_MAX ? (size_t)kept : UINT32_MAX;
    }
    return dp_bank_bytes(&final, bytes);
}

/* While pictures come in, and then while the final bank is made from them. */
static bool peak_bytes(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, size_t *bytes)
{
    size_t small = 0;
    bool twice = adding || spec->recipe->pca > 0 || spec->recipe->kmeans || spec->recipe->coreset > 0;
    return dp_bank_bytes(collected, bytes) && (!twice || (final_bytes(spec, &small) && dp_add_size(*bytes, small, bytes)));
}

struct size_text {
    char text[32];
};

static struct size_text size_text(size_t bytes)
{
    struct size_text size;
    snprintf(size.text, sizeof size.text, bytes < 1000000000 ? "%.1f MB" : "%.1f GB", (double)bytes / (bytes < 1000000000 ? 1e6 : 1e9));
    return size;
}

static bool fits_as(const dp_bank_spec *spec, dp_storage storage, size_t capacity, size_t free_bytes, size_t *bytes)
{
    dp_recipe recipe = *spec->recipe;
    dp_bank_spec other = *spec;
    recipe.storage = storage;
    other.recipe = &recipe;
    other.capacity = capacity;
    return dp_bank_bytes(&other, bytes) && *bytes <= free_bytes;
}

/* What to ask for instead: the mildest first. */
static void suggest(const dp_bank_spec *spec, size_t free_bytes, char *text, size_t size)
{
    static const struct {
        dp_storage storage;
        const char *option;
    } ways[] = {{DP_STORAGE_F32, "--storage f32"}, {DP_STORAGE_F16, "--storage f16"}, {DP_STORAGE_I8, "--storage int8"}};
    const char *afterwards = spec->recipe->pca > 0 || spec->recipe->kmeans || spec->recipe->coreset > 0
                                 ? ", and 'dinopatch bank compress' makes it smaller afterwards" : "";
    size_t bytes, n = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        /* Without a reduction the type asked for has been found too large. */
        if ((!*afterwards && ways[i].storage <= spec->recipe->storage) || !fits_as(spec, ways[i].storage, spec->capacity, free_bytes, &bytes))
            continue;
        n += (size_t)snprintf(text + n, n < size ? size - n : 0, "%s%s (%s)", n ? " or " : "", ways[i].option,
                              size_text(bytes).text);
    }
    if (n) {
        if (n < size)
            snprintf(text + n, size - n, " would fit%s", !*afterwards ? "" : spec->recipe->coreset > 0 ? " without --coreset" : " without --pca and --kmeans");
        n = strlen(text);
        snprintf(text + n, size - n, "%s", afterwards);
        return;
    }
    /* Fewer pictures in the smallest type. */
    size_t low = 0, high = spec->capacity;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (fits_as(spec, DP_STORAGE_I8, middle, free_bytes, &bytes))
            low = middle;
        else
            high = middle - 1;
    }
    if (low)
        snprintf(text, size, "--storage int8 --shots %zu would fit", low);
    else
        snprintf(text, size, "a smaller --canvas is needed");
}

dp_status dp_memory_plan(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, const dp_run *run, dp_error *err)
{
    size_t final, peak, free_bytes = dp_memory_free_bytes(run);
    if (!final_bytes(spec, &final) || !peak_bytes(spec, collected, adding, &peak))
        return dp_fail(err, DP_E_ARGUMENT, "a bank of %zu pictures on %zux%zu cells is too large", spec->capacity, spec->grid_rows,
                       spec->grid_cols);
    if (peak > free_bytes) {
        char advice[300] = "";
        if (adding)
            snprintf(advice, sizeof advice, "'dinopatch bank compress' makes the bank smaller first");
        else
            suggest(spec, free_bytes, advice, sizeof advice);
        return dp_fail(err, DP_E_MEMORY, "%zu pictures on %zux%zu cells of %zu features need %s and there are %s: %s", spec->capacity,
                       spec->grid_rows, spec->grid_cols, spec->dim, size_text(peak).text, size_text(free_bytes).text, advice);
    }
    if (run->log) {
        char line[200];
        int n = snprintf(line, sizeof line, "%zu pictures, %zux%zu cells of %zu features: the bank takes %s%s", spec->capacity,
                         spec->grid_rows, spec->grid_cols, spec->dim, spec->recipe->pca > 0 && spec->recipe->pca < 1 ? "at most " : "",
                         size_text(final).text);
        if (peak > final && n > 0 && (size_t)n < sizeof line)
            snprintf(line + n, sizeof line - (size_t)n, ", %s while it is made", size_text(peak).text);
        run->log(run->user, DP_LOG_INFO, line);
    }
    return DP_OK;
}
