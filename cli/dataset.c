#include "dataset.h"
#include "mask_read.h"

#include <string.h>

static bool is_folder(const char *parent, const char *name)
{
    char *path = g_build_filename(parent, name, NULL);
    bool folder = g_file_test(path, G_FILE_TEST_IS_DIR);
    g_free(path);
    return folder;
}

/* Folders, or pictures, in a folder, sorted by name; none, and *broken, where it cannot be read (complained). */
static GPtrArray *names_in(const char *folder, bool folders, bool *broken)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free), *all = cli_folder_names(folder);
    for (guint i = 0; all && i < all->len; i++)
        if (is_folder(folder, all->pdata[i]) == folders && (folders || cli_is_picture_name(all->pdata[i])))
            g_ptr_array_add(names, g_strdup(all->pdata[i]));
    *broken |= !all;
    if (all)
        g_ptr_array_unref(all);
    return names;
}

static char *stem(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? g_strndup(name, (gsize)(dot - name)) : g_strdup(name);
}

static char *find_mask(const char *truth, const char *defect, const char *name)
{
    static const char *const suffixes[] = {"png", "bmp", "tif", "tiff", "jpg", "jpeg", "webp", "pgm", "pbm", "ppm", "pnm"};
    for (size_t i = 0; i < 4 * G_N_ELEMENTS(suffixes); i++) { /* each with and without _mask, in small letters and in capitals */
        char *suffix = i & 1 ? g_ascii_strup(suffixes[i / 4], -1) : g_strdup(suffixes[i / 4]);
        char *file = g_strconcat(name, i & 2 ? "." : "_mask.", suffix, NULL);
        g_free(suffix);
        char *path = g_build_filename(truth, defect, file, NULL);
        g_free(file);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return path;
        g_free(path);
    }
    return NULL;
}

static void add_test_folder(dataset *set, const char *folder, const char *split, const char *defect, const char *truth)
{
    char *path = g_build_filename(folder, defect, NULL);
    GPtrArray *files = names_in(path, false, &set->broken);
    for (guint i = 0; i < files->len; i++) {
        char *name = stem(files->pdata[i]);
        dataset_item item = {
            .path = g_build_filename(path, files->pdata[i], NULL),
            .split = split,
            .defect = g_strdup(defect),
            .name = name,
            .label = strcmp(defect, "good") != 0,
        };
        if (item.label && truth)
            item.mask = find_mask(truth, defect, name);
        if (item.label && !item.mask)
            set->masks = false;
        g_array_append_val(set->test, item);
    }
    g_ptr_array_unref(files);
    g_free(path);
}

static void clear_item(gpointer data)
{
    dataset_item *item = data;
    g_free(item->path);
    g_free(item->defect);
    g_free(item->name);
    g_free(item->mask);
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
    set->test = g_array_new(FALSE, FALSE, sizeof(dataset_item));
    g_array_set_clear_func(set->test, clear_item);
    set->masks = true;
    return set;
}

static void add_split(dataset *set, const char *split)
{
    char *folder = g_build_filename(set->path, split, NULL);
    char *truth = is_folder(folder, "ground_truth") ? g_build_filename(folder, "ground_truth", NULL)
                                                    : g_build_filename(set->path, "ground_truth", NULL);
    GPtrArray *defects = names_in(folder, true, &set->broken);
    for (guint i = 0; i < defects->len; i++)
        if (strcmp(defects->pdata[i], "ground_truth") != 0)
            add_test_folder(set, folder, split, defects->pdata[i], truth);
    g_ptr_array_unref(defects);
    g_free(truth);
    g_free(folder);
}

/* Plain folders: every third good picture is kept for the test. */
static void split_plain(dataset *set)
{
    GPtrArray *folders = names_in(set->path, true, &set->broken);
    for (guint i = 0; i < folders->len; i++)
        add_test_folder(set, set->path, "test", folders->pdata[i], NULL);
    g_ptr_array_unref(folders);
    GArray *test = g_array_new(FALSE, FALSE, sizeof(dataset_item));
    g_array_set_clear_func(test, clear_item);
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
}

static void add_train(dataset *set)
{
    char *folder = g_build_filename(set->path, "train", "good", NULL);
    GPtrArray *files = names_in(folder, false, &set->broken);
    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(set->train, g_build_filename(folder, files->pdata[i], NULL));
    g_ptr_array_unref(files);
    g_free(folder);
}

/* Pixel figures need a mask for every anomalous picture; where only some have one, that is said. */
static void tell_missing_masks(const dataset *set)
{
    guint n_anomalous = 0, n_masks = 0;
    for (guint i = 0; i < set->test->len; i++) {
        const dataset_item *item = &g_array_index(set->test, dataset_item, i);
        n_anomalous += item->label != 0;
        n_masks += item->mask != NULL;
    }
    if (n_masks && n_masks < n_anomalous)
        cli_complain("%s: %u of %u anomalous pictures have no mask: there will be no pixel figures", set->path, n_anomalous - n_masks,
                     n_anomalous);
}

/* The category a folder holds; NULL where it holds none, or one that cannot be used (complained, counted). */
static dataset *read_category(const char *folder, size_t *n_failed)
{
    bool mvtec = is_folder(folder, "train") && (is_folder(folder, "test") || is_folder(folder, "test_public"));
    if (!mvtec && !is_folder(folder, "good"))
        return NULL;
    dataset *set = dataset_new(folder);
    if (mvtec) {
        add_train(set);
        add_split(set, is_folder(folder, "test") ? "test" : "test_public");
    } else {
        split_plain(set);
    }
    if (set->train->len && set->test->len && !set->broken) {
        tell_missing_masks(set);
        return set;
    }
    if (!set->broken)
        cli_complain("%s: %s", folder, set->train->len ? "no pictures to test" : "no good pictures to learn from");
    ++*n_failed;
    dataset_free(set);
    return NULL;
}

GPtrArray *dataset_find(const char *folder, size_t *n_failed)
{
    GPtrArray *sets = g_ptr_array_new_with_free_func(dataset_free);
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        cli_complain("%s: is no folder", folder);
        g_ptr_array_unref(sets);
        return NULL;
    }
    bool broken = false;
    dataset *set = read_category(folder, n_failed);
    if (set) {
        g_ptr_array_add(sets, set);
    } else if (!*n_failed) {
        GPtrArray *names = names_in(folder, true, &broken);
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
    if (!broken && !*n_failed) /* else it has been said */
        cli_complain("%s: holds no data set: neither train/good and test/..., nor good and bad folders, nor folders of such", folder);
    g_ptr_array_unref(sets);
    return NULL;
}

bool dataset_load_mask(const dataset_item *item, size_t max_pixels, size_t height, size_t width, uint8_t **mask, dp_error *err)
{
    *mask = NULL;
    if (!item->mask)
        return true;
    *mask = g_new0(uint8_t, height * width);
    if (cli_mask_unite(item->mask, max_pixels, height, width, *mask, err)) {
        cli_mask_check(item->path, *mask, height * width);
        return true;
    }
    g_clear_pointer(mask, g_free);
    return false;
}
