/* inputs.c - from what the user names to a list of picture files. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool cli_is_picture_name(const char *name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".ppm", ".pgm", NULL};
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && suffixes[i]; i++)
        if (!g_ascii_strcasecmp(dot, suffixes[i]))
            return true;
    return false;
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *cli_folder_names(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    DIR *dir = opendir(folder);
    int error = dir ? 0 : errno;
    while (dir && !error) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        error = errno;
        if (!entry)
            break;
        if (entry->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(entry->d_name));
    }
    if (dir)
        closedir(dir);
    if (error) {
        cli_complain("%s: cannot read the folder: %s", folder, g_strerror(error));
        g_ptr_array_unref(names);
        return NULL;
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

/* Adds the pictures below a folder, in the order of their names.  Links to folders are not followed, so that no loop arises. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are, whose paths the system limits */
static bool add_folder(GPtrArray *files, const char *folder)
{
    GPtrArray *names = cli_folder_names(folder);
    if (!names)
        return false;
    bool good = true;
    for (guint i = 0; i < names->len; i++) {
        char *path = g_build_filename(folder, names->pdata[i], NULL);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            good &= add_folder(files, path);
            g_free(path);
        } else if (cli_is_picture_name(names->pdata[i])) {
            g_ptr_array_add(files, path);
        } else {
            g_free(path);
        }
    }
    g_ptr_array_unref(names);
    return good;
}

GPtrArray *cli_inputs(char **arguments, int n, size_t *n_failed)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < n; i++) {
        if (!g_file_test(arguments[i], G_FILE_TEST_IS_DIR)) {
            g_ptr_array_add(files, g_strdup(arguments[i])); /* whether it is a picture is for the reader to say */
            continue;
        }
        guint before = files->len;
        bool good = add_folder(files, arguments[i]);
        if (good && files->len == before) {
            cli_complain("%s: the folder holds no pictures", arguments[i]);
            good = false;
        }
        *n_failed += !good;
    }
    return files;
}

bool cli_make_folder(const char *path)
{
    if (g_mkdir_with_parents(path, 0777) == 0)
        return true;
    cli_complain("%s: cannot make the folder: %s", path, g_strerror(errno));
    return false;
}

static char *base_without_suffix(const char *path)
{
    char *name = g_path_get_basename(path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
    return name;
}

GPtrArray *cli_output_names(const GPtrArray *inputs)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GHashTable *stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < inputs->len; i++) {
        g_hash_table_add(stems, base_without_suffix(inputs->pdata[i]));
    }
    bool collide = g_hash_table_size(stems) < inputs->len;
    GHashTable *taken = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < inputs->len; i++) {
        char *name = base_without_suffix(inputs->pdata[i]);
        if (collide) {
            char *folder = g_path_get_dirname(inputs->pdata[i]), *parent = g_path_get_basename(folder);
            char *longer = g_strconcat(parent, "_", name, NULL);
            g_free(folder);
            g_free(parent);
            g_free(name);
            name = longer;
        }
        for (unsigned k = 2; g_hash_table_contains(taken, name); k++) {
            char *numbered = g_strdup_printf("%s_%u", name, k);
            g_free(name);
            name = numbered;
        }
        g_hash_table_add(taken, name);
        g_ptr_array_add(names, name);
    }
    g_hash_table_unref(taken);
    g_hash_table_unref(stems);
    return names;
}
