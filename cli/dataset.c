/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.c - finds out which folder of a data set holds what, and says so. */
#include "dataset.h"
#include "inputs.h"
#include "mask_read.h"
#include "masks.h"
#include "marks.h"

#include <string.h>

static bool is_folder(const char *parent, const char *name)
{
    char *path = g_build_filename(parent, name, NULL);
    bool folder = g_file_test(path, G_FILE_TEST_IS_DIR);
    g_free(path);
    return folder;
}

static bool is_good_name(const char *name)
{
    static const char *const names[] = {"good", "ok", "okay", "normal"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (!g_ascii_strcasecmp(name, names[i]))
            return true;
    return false;
}

/* The folders in a folder, sorted by name. If it cannot be read, returns none, complains and sets *broken. */
static GPtrArray *folders_in(const char *folder, bool *broken)
{
    GPtrArray *names = cli_folder_names(folder);
    *broken |= !names;
    if (!names)
        return g_ptr_array_new_with_free_func(g_free);
    for (guint i = names->len; i > 0; i--)
        if (!is_folder(folder, names->pdata[i - 1]))
            g_ptr_array_remove_index(names, i - 1);
    return names;
}

/* The folder with this name in upper or lower case, an exact match first. NULL: there is none. */
static const char *named(const GPtrArray *folders, const char *name)
{
    const char *found = NULL;
    for (guint i = 0; i < folders->len; i++) {
        if (!strcmp(folders->pdata[i], name))
            return folders->pdata[i];
        if (!found && !g_ascii_strcasecmp(folders->pdata[i], name))
            found = folders->pdata[i];
    }
    return found;
}

static void clear_item(gpointer data)
{
    dataset_item *item = data;
    g_free(item->path);
    g_free(item->defect);
    g_free(item->name);
    if (item->masks)
        g_ptr_array_unref(item->masks);
}

static GArray *items_new(void)
{
    GArray *items = g_array_new(FALSE, FALSE, sizeof(dataset_item));
    g_array_set_clear_func(items, clear_item);
    return items;
}

static void dataset_free(gpointer data)
{
    dataset *set = data;
    g_free(set->category);
    g_free(set->path);
    g_ptr_array_unref(set->train);
    g_array_unref(set->test);
    g_free(set);
}

static dataset *dataset_new(const char *folder)
{
    dataset *set = g_new0(dataset, 1);
    char *absolute = g_canonicalize_filename(folder, NULL);
    set->category = g_path_get_basename(absolute);
    g_free(absolute);
    set->path = g_strdup(folder);
    set->train = g_ptr_array_new_with_free_func(g_free);
    set->test = items_new();
    set->masks = true;
    return set;
}

/* --------------------------------------------------------------------------------------------------------- reading */

/* A category while it is read. */
struct reading {
    dataset *set;
    mask_index *masks;  /* masks in folders beside the classes */
    GHashTable *owners; /* path of a mask -> path of the picture that has it */
    GString *roles;     /* one line for each folder: what it was taken for */
};

static const char *plural(guint n)
{
    return n == 1 ? "" : "s";
}

/* "data/screw/test/crack/: defective, ..." */
static void add_role(struct reading *reading, const char *folder, const char *role)
{
    g_string_append_printf(reading->roles, "%s/: %s\n", folder, role);
}

static const char *suffix_of(const char *path)
{
    const char *dot = strrchr(path, '.'); /* every path from a search has a suffix */
    return dot ? dot : path + strlen(path);
}

/* Sets dataset_item.name for the pictures of one class. */
static void name_items(GArray *items, guint first, const char *folder)
{
    GHashTable *stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool meet = false;
    for (guint i = first; i < items->len; i++) {
        dataset_item *item = &g_array_index(items, dataset_item, i);
        const char *below = item->path + strlen(folder);
        item->name = g_strdup(below + strspn(below, "/"));
        meet |= !g_hash_table_add(stems, g_strndup(item->name, (gsize)(suffix_of(item->name) - item->name)));
    }
    for (guint i = first; i < items->len; i++) {
        dataset_item *item = &g_array_index(items, dataset_item, i);
        char *name =
            meet ? cli_output_name(item->name) : g_strndup(item->name, (gsize)(suffix_of(item->name) - item->name));
        g_free(item->name);
        item->name = name;
    }
    g_hash_table_unref(stems);
}

/* Moves NAME_mask.png beside NAME.png from the pictures to the masks. */
static void take_masks_out(GPtrArray *files, const char *folder, mask_index *own)
{
    GHashTable *stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *left = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < files->len; i++)
        g_hash_table_add(
            stems, g_strndup(files->pdata[i], (gsize)(suffix_of(files->pdata[i]) - (const char *)files->pdata[i])));
    for (guint i = 0; i < files->len; i++) {
        const char *path = files->pdata[i], *below = path + strlen(folder);
        bool marked;
        char *stem = mask_stem(path, &marked);
        if (marked && g_hash_table_contains(stems, stem))
            mask_index_put(own, path, below + strspn(below, "/"));
        else
            g_ptr_array_add(left, g_strdup(path));
        g_free(stem);
    }
    g_ptr_array_set_size(files, 0);
    for (guint i = 0; i < left->len; i++)
        g_ptr_array_add(files, g_strdup(left->pdata[i]));
    g_ptr_array_unref(left);
    g_hash_table_unref(stems);
}

/* Adds the masks in folders inside a class's own folder. */
static void add_own_masks(struct reading *reading, const char *folder, mask_index *own)
{
    GDir *dir = g_dir_open(folder, 0, NULL); /* the search for pictures has complained about an unreadable one */
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        if (mask_folder_name(name) && is_folder(folder, name)) {
            char *path = g_build_filename(folder, name, NULL);
            reading->set->broken |= !mask_index_add(own, path);
            g_free(path);
        }
    if (dir)
        g_dir_close(dir);
}

/* Reads one class: all pictures below its folder. */
static void add_class(struct reading *reading, const char *parent, const char *split, const char *class)
{
    dataset *set = reading->set;
    char *folder = g_build_filename(parent, class, NULL);
    if (cli_mark_of(folder) == CLI_MARK_ALL) {
        add_role(reading, folder, "written by dinopatch, left out");
        g_free(folder);
        return;
    }
    bool good = is_good_name(class), has_class = mask_index_has_class(reading->masks, class);
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    mask_index *own = mask_index_new();
    set->broken |= !cli_find_pictures(folder, mask_folder_name, files);
    add_own_masks(reading, folder, own);
    take_masks_out(files, folder, own);
    guint first = set->test->len, n_masks = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *path = files->pdata[i], *below = path + strlen(folder);
        below += strspn(below, "/");
        dataset_item item = {.path = g_strdup(path), .split = split, .defect = g_strdup(class), .label = !good};
        item.masks = mask_index_find(own, NULL, below);
        if (!item.masks)
            item.masks = mask_index_find(reading->masks, has_class ? class : NULL, below);
        n_masks += item.masks != NULL;
        g_array_append_val(set->test, item);
    }
    name_items(set->test, first, folder);
    char *role =
        !files->len ? g_strdup("no pictures, not used")
        : good      ? g_strdup_printf("good, %u picture%s", files->len, plural(files->len))
        : n_masks ? g_strdup_printf("defective, %u picture%s, %u with a mask", files->len, plural(files->len), n_masks)
                  : g_strdup_printf("defective, %u picture%s", files->len, plural(files->len));
    add_role(reading, folder, role);
    g_free(role);
    mask_index_free(own);
    g_ptr_array_unref(files);
    g_free(folder);
}

/* Gives each picture its masks. A mask that several anomalous pictures claim, as in a flat folder of masks, goes to
 * none. */
static void choose_masks(struct reading *reading)
{
    GArray *test = reading->set->test;
    GHashTable *shared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int label = 1; label >= 0; label--) /* good pictures last: their masks are empty and matter to no other
                                              * picture */
        for (guint i = 0; i < test->len; i++) {
            const dataset_item *item = &g_array_index(test, dataset_item, i);
            for (guint m = 0; item->label == label && item->masks && m < item->masks->len; m++) {
                const char *path = item->masks->pdata[m], *owner = g_hash_table_lookup(reading->owners, path);
                if (!owner)
                    g_hash_table_insert(reading->owners, g_strdup(path), g_strdup(item->path));
                else if (label && g_hash_table_add(shared, g_strdup(path)))
                    cli_complain("%s: could be the mask of %s or of %s, so neither uses it; put it into a folder with "
                                 "the name of the class, or name it after the whole picture name, like 000.jpg.png",
                                 path, owner, item->path);
            }
        }
    for (guint i = 0; i < test->len; i++) {
        dataset_item *item = &g_array_index(test, dataset_item, i);
        bool keep = item->label != 0;
        for (guint m = 0; item->masks && m < item->masks->len; m++)
            keep = keep && !g_hash_table_contains(shared, item->masks->pdata[m]);
        if (!keep && item->masks) {
            g_ptr_array_unref(item->masks);
            item->masks = NULL;
        }
    }
    g_hash_table_unref(shared);
}

/* Warns if pixel figures are impossible: some anomalous picture has no mask, or masks fit no picture. */
static void report_masks(const struct reading *reading)
{
    dataset *set = reading->set;
    guint n_anomalous = 0, n_without = 0;
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < set->test->len; i++) {
        const dataset_item *item = &g_array_index(set->test, dataset_item, i);
        n_anomalous += item->label != 0;
        if (!item->label || item->masks)
            continue;
        if (n_without < 3)
            g_string_append_printf(names, "%s%s", n_without ? ", " : "", item->path);
        else if (n_without == 3)
            g_string_append(names, ", ...");
        n_without++;
    }
    set->masks = !n_without;
    mask_index_report_unused(reading->masks, set->path, reading->owners, is_good_name);
    if (n_without && n_without < n_anomalous)
        cli_complain("%s: %u of %u anomalous pictures have no mask, so there are no pixel figures: %s", set->path,
                     n_without, n_anomalous, names->str);
    else if (n_without && mask_index_count(reading->masks))
        cli_complain("%s: no mask fits an anomalous picture, so there are no pixel figures; name a mask NAME_mask.png "
                     "or NAME.png, and put it into a folder with the name of the class",
                     set->path);
    g_string_free(names, TRUE);
}

/* Adds the folders of masks beside the classes. */
static void add_masks(struct reading *reading, const char *parent, const GPtrArray *folders)
{
    for (guint i = 0; i < folders->len; i++) {
        if (!mask_folder_name(folders->pdata[i]))
            continue;
        char *path = g_build_filename(parent, folders->pdata[i], NULL);
        guint before = mask_index_count(reading->masks);
        reading->set->broken |= !mask_index_add(reading->masks, path);
        guint n = mask_index_count(reading->masks) - before;
        char *role = g_strdup_printf("masks, %u file%s", n, plural(n));
        add_role(reading, path, role);
        g_free(role);
        g_free(path);
    }
}

/* Adds the good pictures below train/, or those directly in it. */
static void add_train(struct reading *reading, const char *train)
{
    dataset *set = reading->set;
    char *folder = g_build_filename(set->path, train, NULL);
    GPtrArray *classes = folders_in(folder, &set->broken);
    bool any = false;
    for (guint i = 0; i < classes->len; i++)
        any |= is_good_name(classes->pdata[i]);
    for (guint i = 0; i < classes->len; i++) {
        char *path = g_build_filename(folder, classes->pdata[i], NULL), *role = g_strdup("not used");
        if (is_good_name(classes->pdata[i])) {
            guint before = set->train->len;
            set->broken |= !cli_find_pictures(path, mask_folder_name, set->train);
            g_free(role);
            role = g_strdup_printf("good, %u picture%s to learn from", set->train->len - before,
                                   plural(set->train->len - before));
        }
        if (any || classes->len)
            add_role(reading, path, role);
        g_free(role);
        g_free(path);
    }
    if (!any && !classes->len) {
        set->broken |= !cli_find_pictures(folder, NULL, set->train);
        char *role = g_strdup_printf("good, %u picture%s to learn from", set->train->len, plural(set->train->len));
        add_role(reading, folder, role);
        g_free(role);
    }
    g_ptr_array_unref(classes);
    g_free(folder);
}

static void add_test(struct reading *reading, const char *test, const char *split)
{
    char *folder = g_build_filename(reading->set->path, test, NULL);
    GPtrArray *classes = folders_in(folder, &reading->set->broken);
    add_masks(reading, folder, classes);
    for (guint i = 0; i < classes->len; i++)
        if (!mask_folder_name(classes->pdata[i]))
            add_class(reading, folder, split, classes->pdata[i]);
    g_ptr_array_unref(classes);
    g_free(folder);
}

/* Splits the good pictures of plain folders: every third is a test picture. */
static void split_plain(struct reading *reading)
{
    dataset *set = reading->set;
    GArray *test = items_new();
    unsigned n_good = 0;
    for (guint i = 0; i < set->test->len; i++) {
        dataset_item *item = &g_array_index(set->test, dataset_item, i);
        if (item->label || n_good++ % 3 == 2) {
            dataset_item moved = *item;
            g_array_append_val(test, moved);
            *item = (dataset_item){0};
        } else {
            g_ptr_array_add(set->train, g_strdup(item->path));
        }
    }
    g_array_unref(set->test);
    set->test = test;
    g_string_append_printf(reading->roles, "%s/: %u good pictures: %u to learn from, every third by name to test\n",
                           set->path, n_good, set->train->len);
}

static void read_folders(struct reading *reading, const GPtrArray *folders, const char *train, const char *test)
{
    const char *path = reading->set->path;
    add_masks(reading, path, folders);
    if (train) {
        add_train(reading, train);
        add_test(reading, test, g_ascii_strcasecmp(test, "test") ? "test_public" : "test");
    }
    for (guint i = 0; i < folders->len; i++) {
        const char *name = folders->pdata[i];
        if (mask_folder_name(name) || name == train || name == test)
            continue;
        char *folder = g_build_filename(path, name, NULL);
        if (train)
            add_role(reading, folder, "not used");
        else
            add_class(reading, path, "test", name);
        g_free(folder);
    }
    if (!train)
        split_plain(reading);
}

/* Why a category cannot be measured; NULL: it can. */
static const char *unusable(const dataset *set)
{
    guint n_anomalous = 0;
    for (guint i = 0; i < set->test->len; i++)
        n_anomalous += g_array_index(set->test, dataset_item, i).label != 0;
    return !set->train->len  ? "no good pictures to learn from; they lie in train/good, or in good"
           : !set->test->len ? "no pictures to test; they lie in test/good and test/DEFECT, or in a folder beside good"
           : !n_anomalous ? "no defective pictures to test, so nothing can be measured; they lie in test/DEFECT, or in "
                            "a folder beside good"
                          : NULL;
}

static void note_roles(const char *roles)
{
    char **lines = g_strsplit(roles, "\n", -1);
    for (char **line = lines; *line; line++)
        if (**line)
            cli_note("%s", *line);
    g_strfreev(lines);
}

/* The category in a folder. NULL: there is none, or it cannot be used (complained, counted). */
static dataset *read_category(const char *folder, size_t *n_failed)
{
    bool broken = false;
    GPtrArray *folders = folders_in(folder, &broken);
    const char *train = named(folders, "train"), *test = named(folders, "test");
    if (!test)
        test = named(folders, "test_public");
    bool plain = false;
    for (guint i = 0; i < folders->len; i++)
        plain |= is_good_name(folders->pdata[i]);
    if (!train || !test)
        train = test = NULL;
    if (!train && !plain) {
        *n_failed += broken;
        g_ptr_array_unref(folders);
        return NULL;
    }
    dataset *set = dataset_new(folder);
    struct reading reading = {.set = set, .masks = mask_index_new(), .roles = g_string_new(NULL)};
    reading.owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    read_folders(&reading, folders, train, test);
    choose_masks(&reading);
    note_roles(reading.roles->str);
    const char *why = unusable(set);
    bool usable = !set->broken && !why;
    if (usable) {
        bool good = false;
        for (guint i = 0; i < set->test->len; i++)
            good |= !g_array_index(set->test, dataset_item, i).label;
        if (!good)
            cli_complain("%s: holds no good test pictures, so false alarms cannot be counted and there is no AUROC",
                         folder);
        report_masks(&reading);
    } else if (!set->broken) {
        cli_complain("%s: %s", folder, why);
    }
    mask_index_free(reading.masks);
    g_hash_table_unref(reading.owners);
    g_string_free(reading.roles, TRUE);
    g_ptr_array_unref(folders);
    if (usable)
        return set;
    ++*n_failed;
    dataset_free(set);
    return NULL;
}

GPtrArray *dataset_find(const char *folder, size_t *n_failed)
{
    GPtrArray *sets = g_ptr_array_new_with_free_func(dataset_free);
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        cli_complain("%s: is not a folder", folder);
        g_ptr_array_unref(sets);
        return NULL;
    }
    bool broken = false;
    dataset *set = read_category(folder, n_failed);
    if (set) {
        g_ptr_array_add(sets, set);
    } else if (!*n_failed) {
        GPtrArray *names = folders_in(folder, &broken);
        for (guint i = 0; i < names->len; i++) {
            char *path = g_build_filename(folder, names->pdata[i], NULL);
            set = read_category(path, n_failed);
            if (set)
                g_ptr_array_add(sets, set);
            g_free(path);
        }
        g_ptr_array_unref(names);
    }
    if (sets->len)
        return sets;
    if (!broken && !*n_failed) /* otherwise the reason was printed already */
        cli_complain("%s: holds no data set: it has neither train/good and test/..., nor good and bad folders, nor "
                     "folders of these",
                     folder);
    g_ptr_array_unref(sets);
    return NULL;
}

bool dataset_load_mask(const dataset_item *item, size_t max_pixels, size_t height, size_t width, uint8_t **mask,
                       dp_error *err)
{
    *mask = item->masks ? g_new0(uint8_t, height * width) : NULL;
    bool good = true;
    for (guint m = 0; item->masks && m < item->masks->len && good; m++)
        good = cli_mask_unite(item->masks->pdata[m], max_pixels, height, width, *mask, err);
    if (!good)
        g_clear_pointer(mask, g_free);
    else if (*mask)
        cli_mask_check(item->path, *mask, height * width);
    return good;
}
