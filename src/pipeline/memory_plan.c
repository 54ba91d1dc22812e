/* SPDX-License-Identifier: Apache-2.0 */
/* memory_plan.c - finds out whether a bank fits into memory.
 *
 * The number of pictures, the canvas and the network determine the size of a bank, so a bank that does not fit is refused
 * before any picture is embedded, and not after hours.
 *
 * Free memory is what Linux calls MemAvailable (free pages, and pages of files that can be dropped), and at most what a
 * control group (a container, a service) leaves of its limit: memory.max - memory.current of version 2, plus its file
 * cache. */
#include "pipeline/memory_plan.h"
#include "base/error.h"
#include "base/memory.h"
#include "options/recipe_facts.h"
#include "dinopatch/edit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096

/* Reads the number after `key` in a file of lines, or the only number of the file (key NULL). */
static bool read_number(const char *path, const char *key, unsigned long long *number)
{
    FILE *file = fopen(path, "r");
    char line[512];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        size_t skip = key ? strlen(key) : 0;
        if (key && strncmp(line, key, skip) != 0)
            continue;
        char *end = line + skip;
        *number = strtoull(line + skip, &end, 10);
        found = end != line + skip; /* not "max" */
    }
    if (file)
        (void)fclose(file);
    return found;
}

static size_t machine_free(void)
{
    unsigned long long kilobytes;
    if (!read_number("/proc/meminfo", "MemAvailable:", &kilobytes) || kilobytes > SIZE_MAX / 1024)
        return SIZE_MAX;
    return (size_t)kilobytes * 1024;
}

/* Returns what the control group at a folder and the groups above it leave. */
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
        (void)fclose(file);
    return least;
}

size_t dp_memory_free_bytes(const dp_run *run)
{
    size_t machine = machine_free(), groups = groups_free(), least = machine < groups ? machine : groups;
    return run->max_memory_bytes && run->max_memory_bytes < least ? run->max_memory_bytes : least;
}

/* Bytes of the moments of such a bank. */
static bool moments_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    size_t sets = 1, size;
    return (spec->recipe->moments == DP_MOMENTS_SUBSPACE || dp_mul_size(spec->grid_rows, spec->grid_cols, &sets))
           && spec->dim <= DP_MOMENTS_DIM
           && dp_mul_size(dp_moments_size(spec->dim) + spec->dim + 1, sizeof(double), &size)
           && dp_mul_size(sets, size, bytes);
}

/* Computes the bytes of the bank as it will be written, with the dimensions and rows that the recipe keeps. A share of the
 * variance counts as all dimensions, because the number it needs is not known yet. */
static bool final_bytes(const dp_bank_spec *spec, size_t *bytes)
{
    dp_bank_spec final = *spec;
    const dp_recipe *recipe = spec->recipe;
    size_t kept_rows = 0;
    if (recipe->layout == DP_LAYOUT_MOMENTS)
        return (!recipe->keep_features || dp_bank_bytes(spec, &kept_rows)) && moments_bytes(spec, bytes)
               && dp_add_size(*bytes, kept_rows, bytes);
    if (recipe->pca >= 1 && recipe->pca < (double)spec->dim)
        final.dim = (size_t)recipe->pca;
    if (recipe->kmeans && recipe->kmeans < spec->capacity * spec->rows_per_picture) {
        final.rows_per_picture = 1;
        final.capacity = recipe->kmeans;
    }
    const double kept_part = recipe->coreset > 0 ? recipe->coreset : recipe->thin;
    if (kept_part > 0) {
        double rows =
            (double)spec->grid_rows * (double)spec->grid_cols * (double)spec->capacity * (double)spec->rows_per_picture;
        double kept = kept_part < 1 ? kept_part * rows : kept_part < rows ? kept_part : rows;
        final.grid_rows = final.grid_cols = final.rows_per_picture = 1;
        final.capacity = kept < 1 ? 1 : kept < (double)UINT32_MAX ? (size_t)kept : UINT32_MAX;
    }
    return dp_bank_bytes(&final, bytes);
}

/* Computes the bytes needed beside the bank that a smaller one is made from. k-means: the final bank, and the bank of one
 * fold at a time. A coreset: the projected rows as floats, and either what the choice compares or the chosen rows. */
static bool reduction_bytes(const dp_compression *how, size_t places, size_t dim, size_t n_pictures, size_t small,
                            size_t *bytes)
{
    *bytes = small;
    if (how->kmeans && n_pictures > 1)
        return dp_add_size(small, small, bytes);
    if (how->coreset == 0)
        return true;
    size_t kept = how->pca >= 1 && how->pca < (double)dim ? (size_t)how->pca : dim, compared = kept < 128 ? kept : 128,
           z, projected = 0;
    bool fits = dp_mul_size(places, (compared + 1) * sizeof(float), &z);
    if (fits && how->pca > 0)
        fits = dp_mul_size(places, (kept + 4) * sizeof(float), &projected);
    return fits && dp_add_size(z > small ? z : small, projected, bytes);
}

/* Computes the most bytes needed at once: while pictures come in, and while the final bank is made from them. */
static bool peak_bytes(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, size_t *bytes)
{
    const dp_recipe *recipe = spec->recipe;
    size_t small = 0, places, more = 0;
    if (recipe->layout == DP_LAYOUT_MOMENTS) /* the rows, the moments, and two factors while pictures are left out */
        return dp_bank_bytes(collected, bytes) && moments_bytes(spec, &more) && dp_mul_size(more, 3, &more)
               && dp_add_size(*bytes, more, bytes);
    if (!dp_bank_bytes(collected, bytes) || (!adding && !dp_shrinks_bank(recipe)))
        return dp_bank_bytes(collected, bytes);
    if (!final_bytes(spec, &small))
        return false;
    if (adding) { /* the new pictures, the same projected, and the joined bank */
        dp_bank_spec projected = *spec;
        projected.capacity = collected->capacity;
        more = small;
        if (spec->dim != collected->dim)
            return dp_bank_bytes(&projected, &small) && dp_add_size(more, small, &more)
                   && dp_add_size(*bytes, more, bytes);
        return dp_add_size(*bytes, more, bytes);
    }
    const dp_compression how = {.pca = recipe->pca, .kmeans = recipe->kmeans, .coreset = recipe->coreset};
    return dp_mul_size(spec->grid_rows * spec->grid_cols, spec->capacity * spec->rows_per_picture, &places)
           && reduction_bytes(&how, places, spec->dim, spec->capacity, small, &more)
           && dp_add_size(*bytes, more, bytes);
}

struct size_text {
    char text[32];
};

static struct size_text size_text(size_t bytes)
{
    struct size_text size;
    snprintf(size.text, sizeof size.text, bytes < 1000000000 ? "%.1f MB" : "%.1f GB",
             (double)bytes / (bytes < 1000000000 ? 1e6 : 1e9));
    return size;
}

/* Returns whether the fit would fit with another storage type, fewer pictures, or without reductions. */
static bool fits_as(const dp_bank_spec *spec, dp_storage storage, size_t capacity, bool reduced, size_t free_bytes,
                    size_t *bytes)
{
    dp_recipe recipe = *spec->recipe, plain;
    dp_bank_spec other = *spec, collected;
    recipe.storage = storage;
    plain = recipe;
    plain.pca = plain.coreset = plain.thin = 0;
    plain.kmeans = 0;
    other.recipe = reduced ? &recipe : &plain;
    other.capacity = capacity;
    collected = other;
    collected.recipe = &plain;
    return peak_bytes(&other, &collected, false, bytes) && *bytes <= free_bytes;
}

static void append(char *text, size_t size, const char *format, ...)
{
    size_t n = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + n, size - n, format, arguments);
    va_end(arguments);
}

static bool suggest_types(const dp_bank_spec *spec, bool reduced, size_t free_bytes, char *text, size_t size)
{
    static const char *const options[] = {"bank.storage=f32", "bank.storage=f16", "bank.storage=int8"};
    size_t bytes = 0;
    /* The type that was asked for is known to be too large with the reductions that were asked for. */
    for (int type = (int)spec->recipe->storage + (reduced || !dp_shrinks_bank(spec->recipe) ? 1 : 0);
         type <= DP_STORAGE_I8; type++)
        if (fits_as(spec, (dp_storage)type, spec->capacity, reduced, free_bytes, &bytes))
            append(text, size, "%s%s (%s)", *text ? " or " : "", options[type], size_text(bytes).text);
    return *text;
}

/* Says what to ask for instead, the mildest change first. 0.4 of the rows as bytes make a tenth of the bank of floats;
 * docs/results.md, "Smaller banks", measures what that does to the detection of defects. */
static void suggest(const dp_bank_spec *spec, size_t free_bytes, char *text, size_t size)
{
    size_t bytes, rows = spec->capacity * spec->rows_per_picture;
    const dp_recipe *recipe = spec->recipe;
    if (recipe->layout == DP_LAYOUT_MOMENTS) {
        snprintf(text, size, "give fewer features.channels, fewer pictures or a smaller canvas");
        return;
    }
    if (suggest_types(spec, true, free_bytes, text, size)) {
        append(text, size, " would fit");
        if (!dp_shrinks_bank(recipe) && recipe->layout == DP_LAYOUT_GRID && rows >= 50)
            append(text, size,
                   "; compressing that bank with bank.storage=int8 and bank.kmeans=%zu then makes it ten times smaller "
                   "than f32",
                   2 * rows / 5);
        return;
    }
    if (dp_shrinks_bank(recipe) && suggest_types(spec, false, free_bytes, text, size)) {
        append(text, size, " would fit without bank.pca, bank.kmeans and bank.coreset; compress the bank afterwards");
        return;
    }
    /* Fewer pictures in the smallest type. */
    size_t low = 0, high = spec->capacity;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (fits_as(spec, DP_STORAGE_I8, middle, true, free_bytes, &bytes))
            low = middle;
        else
            high = middle - 1;
    }
    if (low)
        snprintf(text, size, "bank.storage=int8 with pictures.shots=%zu would fit", low);
    else
        snprintf(text, size, "give a smaller canvas");
}

dp_status dp_memory_check(const char *what, size_t bytes, const char *advice, const dp_run *run, dp_error *err)
{
    size_t free_bytes = dp_memory_free_bytes(run);
    return bytes <= free_bytes ? DP_OK
                               : dp_fail(err, DP_E_MEMORY, "%s needs %s, but %s are free; %s", what,
                                         size_text(bytes).text, size_text(free_bytes).text, advice);
}

dp_status dp_memory_plan_compression(const dp_bank *bank, const dp_compression *how, const dp_run *run, dp_error *err)
{
    size_t rows = bank->rows.n_rows, dim = bank->rows.dim, small, bytes;
    bool counted = dp_bank_has_pictures(bank) ? bank->pictures.n > 1 : false;
    if (how->pca >= 1 && how->pca < (double)dim)
        dim = (size_t)how->pca;
    if (how->kmeans && how->kmeans < rows)
        rows = how->kmeans;
    if (how->coreset > 0)
        rows = how->coreset >= (double)rows ? rows
               : how->coreset >= 1          ? (size_t)how->coreset
                                            : (size_t)(how->coreset * (double)rows) + 1;
    dp_recipe recipe = bank->recipe;
    recipe.storage = how->storage;
    const dp_bank_shape shape = {
        .recipe = &recipe, .n_rows = rows, .dim = dim, .owners = how->kmeans || bank->rows.row_picture};
    if (!dp_bank_shape_bytes(bank, &shape, &small)
        || !reduction_bytes(how, dp_rows_places(&bank->rows), bank->rows.dim, counted ? bank->pictures.n : 1, small,
                            &bytes))
        return dp_fail_memory(err, "the smaller bank", SIZE_MAX);
    return dp_memory_check("making the bank smaller", bytes,
                           how->storage == DP_STORAGE_I8
                               ? "a smaller bank.kmeans, bank.coreset or bank.pca needs less"
                               : "bank.storage=int8, or a smaller bank.kmeans, bank.coreset or bank.pca needs less",
                           run, err);
}

dp_status dp_memory_plan(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, const dp_run *run,
                         dp_error *err)
{
    size_t final, peak, free_bytes = dp_memory_free_bytes(run);
    if (!final_bytes(spec, &final) || !peak_bytes(spec, collected, adding, &peak))
        return dp_fail(err, DP_E_ARGUMENT, "a bank of %zu pictures on %zux%zu cells is too large", spec->capacity,
                       spec->grid_rows, spec->grid_cols);
    if (peak > free_bytes) {
        char advice[400] = "";
        if (adding)
            snprintf(advice, sizeof advice, "compress the bank first");
        else
            suggest(spec, free_bytes, advice, sizeof advice);
        return dp_fail(err, DP_E_MEMORY, "%zu picture%s on %zux%zu cells of %zu feature%s need %s, but %s are free; %s",
                       spec->capacity, DP_S(spec->capacity), spec->grid_rows, spec->grid_cols, spec->dim,
                       DP_S(spec->dim), size_text(peak).text, size_text(free_bytes).text, advice);
    }
    if (run->log) {
        char line[200];
        int n =
            snprintf(line, sizeof line, "%zu picture%s, %zux%zu cells of %zu feature%s: the bank takes %s%s",
                     spec->capacity, DP_S(spec->capacity), spec->grid_rows, spec->grid_cols, spec->dim, DP_S(spec->dim),
                     spec->recipe->pca > 0 && spec->recipe->pca < 1 ? "at most " : "", size_text(final).text);
        if (peak > final && n > 0 && (size_t)n < sizeof line)
            snprintf(line + n, sizeof line - (size_t)n, ", %s while it is made", size_text(peak).text);
        run->log(run->user, DP_LOG_INFO, line);
    }
    return DP_OK;
}
