/* SPDX-License-Identifier: Apache-2.0 */
/* masks.c - finds masks by name. People and data sets spell the names in many ways: NAME.png, NAME_mask.png,
 * NAME.jpg.png, NAME/000.png, with any suffix and in upper or lower case. */
#include "masks.h"
#include "inputs.h"

#include <string.h>

struct mask {
    char *path;
    char *class; /* the first folder of its path below the mask folder, in lower case; "": none */
    bool marked; /* its name ends like NAME_mask */
};

struct mask_index {
    GPtrArray *all;        /* of struct mask * */
    GHashTable *by_name;   /* "class/sub/stem" -> GPtrArray of struct mask * (borrowed) */
    GHashTable *by_folder; /* "class/sub" -> the same */
};

/* The name in lower case, without spaces, '-' and '_'. */
static char *plain(const char *name)
{
    GString *text = g_string_new(NULL);
    for (; *name; name++)
        if (!strchr("-_ .", *name))
            g_string_append_c(text, g_ascii_tolower(*name));
    return g_string_free(text, FALSE);
}

bool mask_folder_name(const char *name)
{
    static const char *const names[] = {
        "groundtruth",       "groundtruths", "gt",     "mask",         "masks",         "annotation",
        "annotations",       "label",        "labels", "segmentation", "segmentations", "segmentationmask",
        "segmentationmasks", "defectmasks"};
    char *text = plain(name);
    bool found = false;
    for (size_t i = 0; i < G_N_ELEMENTS(names) && !found; i++)
        found = !strcmp(text, names[i]);
    g_free(text);
    return found;
}

char *mask_stem(const char *name, bool *is_marked)
{
    static const char *const marks[] = {"_mask", "-mask", ".mask", "_gt", "_label", "_ground_truth", "_seg"};
    char *stem = g_strdup(name), *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = 0;
    *is_marked = false;
    for (size_t i = 0; i < G_N_ELEMENTS(marks) && !*is_marked; i++) {
        size_t length = strlen(stem), mark = strlen(marks[i]);
        *is_marked = length > mark && !g_ascii_strcasecmp(stem + length - mark, marks[i]);
        if (*is_marked)
            stem[length - mark] = 0;
    }
    return stem;
}

static void mask_free(gpointer data)
{
    struct mask *mask = data;
    g_free(mask->path);
    g_free(mask->class);
    g_free(mask);
}

static void list_free(gpointer data)
{
    g_ptr_array_unref(data);
}

mask_index *mask_index_new(void)
{
    mask_index *index = g_new(mask_index, 1);
    index->all = g_ptr_array_new_with_free_func(mask_free);
    index->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, list_free);
    index->by_folder = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, list_free);
    return index;
}

void mask_index_free(mask_index *index)
{
    if (!index)
        return;
    g_hash_table_unref(index->by_name);
    g_hash_table_unref(index->by_folder);
    g_ptr_array_unref(index->all);
    g_free(index);
}

static void put(GHashTable *table, char *key, struct mask *mask)
{
    GPtrArray *list = g_hash_table_lookup(table, key);
    if (!list) {
        list = g_ptr_array_new();
        g_hash_table_insert(table, key, list);
    } else {
        g_free(key);
    }
    g_ptr_array_add(list, mask);
}

/* DIR/NAME in lower case, or NAME if DIR is "."; g_free. */
static char *key_of(const char *folder, const char *name)
{
    char *joined = strcmp(folder, ".") != 0 && *folder ? g_strconcat(folder, "/", name, NULL) : g_strdup(name);
    char *key = g_ascii_strdown(joined, -1);
    g_free(joined);
    return key;
}

void mask_index_put(mask_index *index, const char *path, const char *below)
{
    char *in = g_path_get_dirname(below), *name = g_path_get_basename(below), *dot = strrchr(name, '.');
    struct mask *mask = g_new0(struct mask, 1);
    mask->path = g_strdup(path);
    char *stem = mask_stem(name, &mask->marked);
    char *class = strcmp(in, ".") != 0 ? g_strndup(in, strcspn(in, "/")) : g_strdup("");
    mask->class = g_ascii_strdown(class, -1);
    g_ptr_array_add(index->all, mask);
    put(index->by_name, key_of(in, stem), mask);
    if (dot && dot != name)
        *dot = 0;
    if (mask->marked) /* a picture whose own name is NAME_mask */
        put(index->by_name, key_of(in, name), mask);
    put(index->by_folder, key_of("", in), mask);
    g_free(class);
    g_free(stem);
    g_free(in);
    g_free(name);
}

bool mask_index_add(mask_index *index, const char *folder)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    bool good = cli_find_pictures(folder, NULL, files);
    for (guint i = 0; i < files->len; i++) {
        const char *below = (const char *)files->pdata[i] + strlen(folder);
        mask_index_put(index, files->pdata[i], below + strspn(below, "/"));
    }
    g_ptr_array_unref(files);
    return good;
}

guint mask_index_count(const mask_index *index)
{
    return index->all->len;
}

bool mask_index_has_class(const mask_index *index, const char *class)
{
    char *small = g_ascii_strdown(class, -1);
    bool found = false;
    for (guint i = 0; i < index->all->len && !found; i++)
        found = !strcmp(((const struct mask *)index->all->pdata[i])->class, small);
    g_free(small);
    return found;
}

static int worth_of(const struct mask *mask)
{
    return 2 * mask->marked + g_str_has_suffix(mask->path, ".png");
}

/* Chooses among several files of one name: one that is called a mask first, then a PNG. list has at least one. */
static const struct mask *best_of(const GPtrArray *list)
{
    const struct mask *best = list->pdata[0];
    for (guint i = 1; i < list->len; i++) {
        const struct mask *mask = list->pdata[i];
        if (worth_of(mask) > worth_of(best))
            best = mask;
    }
    return best;
}

GPtrArray *mask_index_find(const mask_index *index, const char *class, const char *below)
{
    char *folder = g_path_get_dirname(below), *name = g_path_get_basename(below), *stem = g_strdup(name),
         *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = 0;
    char *in = !class                     ? g_strdup(folder)
               : strcmp(folder, ".") != 0 ? g_strconcat(class, "/", folder, NULL)
                                          : g_strdup(class);
    char *whole = key_of(in, name), *key = key_of(in, stem);
    const GPtrArray *list =
        g_hash_table_lookup(index->by_name, whole); /* NAME.jpg.png, if NAME.png belongs to another picture */
    if (!list)
        list = g_hash_table_lookup(index->by_name, key);
    GPtrArray *found = NULL;
    if (list) {
        found = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(found, g_strdup(best_of(list)->path));
    } else if ((list = g_hash_table_lookup(index->by_folder,
                                           key))) { /* a folder of masks, one for each defect of the picture */
        found = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < list->len; i++)
            g_ptr_array_add(found, g_strdup(((const struct mask *)list->pdata[i])->path));
    }
    g_free(whole);
    g_free(key);
    g_free(in);
    g_free(stem);
    g_free(name);
    g_free(folder);
    return found;
}

void mask_index_report_unused(const mask_index *index, const char *category, GHashTable *used,
                              bool (*is_good)(const char *class))
{
    GString *names = g_string_new(NULL);
    guint n = 0;
    for (guint i = 0; i < index->all->len; i++) {
        const struct mask *mask = index->all->pdata[i];
        if (g_hash_table_contains(used, mask->path) || is_good(mask->class))
            continue;
        if (n < 3)
            g_string_append_printf(names, "%s%s", n ? ", " : "", mask->path);
        else if (n == 3)
            g_string_append(names, ", ...");
        n++;
    }
    if (n)
        cli_complain("%s: %u of %u mask%s belong%s to no picture: %s", category, n, index->all->len,
                     index->all->len == 1 ? "" : "s", n == 1 ? "s" : "", names->str);
    g_string_free(names, TRUE);
}
