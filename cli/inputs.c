/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.c - makes a list of picture files from the arguments, and names for their outputs.
 *
 * The name of a picture in an output folder depends only on its path below the folder that was given: two runs agree,
 * and two pictures of a folder never share a name. What a search leaves out is counted and named. */
#include "inputs.h"
#include "marks.h"
#include "picture_names.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMED = 4 }; /* names shown of the files that are left out */

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the pictures of a folder in at the place of the folder's name. */
static int by_path(gconstpointer a, gconstpointer b)
{
    const unsigned char *x = *(unsigned char *const *)a, *y = *(unsigned char *const *)b;
    for (; *x && *x == *y; x++)
        y++;
    unsigned p = *x == '/' ? 0 : *x, q = *y == '/' ? 0 : *y;
    return p == q ? (*x != 0) - (*y != 0) : p < q ? -1 : 1;
}

/* All names in a folder, sorted. NULL: it cannot be read; complained. */
static GPtrArray *all_names(const char *folder)
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
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
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

GPtrArray *cli_folder_names(const char *folder)
{
    GPtrArray *names = all_names(folder);
    for (guint i = names ? names->len : 0; i > 0; i--)
        if (cli_is_left_out(names->pdata[i - 1])) {
            char *path = g_build_filename(folder, names->pdata[i - 1], NULL);
            if (g_file_test(path, G_FILE_TEST_IS_DIR))
                cli_note("%s/: a hidden or system folder, left out", path);
            g_free(path);
            g_ptr_array_remove_index(names, i - 1);
        }
    return names;
}

/* ---------------------------------------------------------------------------------------------------------- search */

/* Why a search left a path out. */
enum reason { NO_PICTURE, UNNAMED, HIDDEN, FOLDER, OUTPUT, LINKED, N_REASONS };

struct search {
    const char *root;
    cli_leave_out leave_out; /* or NULL */
    GPtrArray *files, *links;
    GPtrArray *left[N_REASONS];
    GHashTable *seen; /* folders seen: device and inode */
    bool good;
};

/* "new" for "new//", whose pictures are new/a.png. "/" stays. */
static char *without_slashes(const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    return g_strndup(folder, length);
}

static void leave(struct search *search, enum reason reason, const char *path)
{
    const char *below = path + strlen(search->root);
    while (*below == '/')
        below++;
    g_ptr_array_add(search->left[reason], g_strdup(below));
}

/* True if a file begins like one of the readable formats. */
static bool looks_like_picture(const char *path)
{
    unsigned char s[16] = {0};
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(s, 1, sizeof s, file) : 0;
    if (file)
        (void)fclose(file);
    if (n < sizeof s)
        return false;
    return !memcmp(s, "\xFF\xD8\xFF", 3) || !memcmp(s, "\x89PNG\r\n\x1A\n", 8) || !memcmp(s, "II*\0", 4)
           || !memcmp(s, "MM\0*", 4) || !memcmp(s, "II+\0", 4) || !memcmp(s, "MM\0+", 4)
           || (!memcmp(s, "RIFF", 4) && !memcmp(s + 8, "WEBP", 4))
           || (!memcmp(s, "BM", 2) && !memcmp(s + 6, "\0\0\0\0", 4))
           || (s[0] == 'P' && s[1] >= '1' && s[1] <= '6' && g_ascii_isspace(s[2]))
           || (!memcmp(s + 4, "ftyp", 4)
               && (!memcmp(s + 8, "hei", 3) || !memcmp(s + 8, "hev", 3) || !memcmp(s + 8, "mif1", 4)
                   || !memcmp(s + 8, "avif", 4)));
}

static void look_at_file(struct search *search, const char *name, const char *path, cli_mark mark)
{
    if (mark == CLI_MARK_NAMED && cli_is_output(path))
        leave(search, OUTPUT, path);
    else if (cli_is_picture_name(name))
        g_ptr_array_add(search->files, g_strdup(path));
    else
        leave(search, looks_like_picture(path) ? UNNAMED : NO_PICTURE, path);
}

/* Searches a folder. Links to folders come later, so that a folder that is also reachable without a link keeps its own
 * path. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are, whose paths the system limits */
static void search_folder(struct search *search, const char *folder, cli_mark above)
{
    struct stat st;
    if (stat(folder, &st) == 0) {
        char *key = g_strdup_printf("%llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        if (!g_hash_table_add(search->seen, key)) {
            leave(search, LINKED, folder);
            return;
        }
    }
    cli_mark mark = cli_mark_of(folder);
    if (mark == CLI_MARK_ALL && strcmp(folder, search->root) != 0) {
        char *shown = g_strconcat(folder, "/", NULL);
        leave(search, OUTPUT, shown);
        g_free(shown);
        return;
    }
    mark = MAX(mark, above);
    GPtrArray *names = all_names(folder);
    search->good &= names != NULL;
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        char *path = g_build_filename(folder, name, NULL);
        bool there = lstat(path, &st) == 0, link = there && S_ISLNK(st.st_mode);
        bool is_folder = there && (S_ISDIR(st.st_mode) || (link && stat(path, &st) == 0 && S_ISDIR(st.st_mode)));
        if (cli_is_left_out(name)) {
            if (strcmp(name, CLI_MARK_FILE) != 0)
                leave(search, is_folder ? FOLDER : HIDDEN, path);
        } else if (!is_folder) {
            look_at_file(search, name, path, mark);
        } else if (!search->leave_out || !search->leave_out(name)) {
            if (link)
                g_ptr_array_add(search->links, g_strdup(path));
            else
                search_folder(search, path, mark);
        }
        g_free(path);
    }
    if (names)
        g_ptr_array_unref(names);
}

/* "3 files in new/ are not pictures: a.txt, b.csv, c.md" */
static void report_skipped(const struct search *search, enum reason reason)
{
    static const char *const texts[N_REASONS][2] = {
        [NO_PICTURE] = {"1 file in %s is not a picture: ", "%u files in %s are not pictures: "},
        [UNNAMED] = {"1 file in %s looks like a picture but its name does not end like one, so it is left out; give it "
                     "the right suffix, such as .png or .jpg, or name it on the command line: ",
                     "%u files in %s look like pictures but their names do not end like those, so they are left out; "
                     "give them the right suffix, such as .png or .jpg, or name them on the command line: "},
        [HIDDEN] = {"1 hidden or system file in %s is left out: ", "%u hidden or system files in %s are left out: "},
        [FOLDER] = {"1 hidden or system folder in %s is left out: ",
                    "%u hidden or system folders in %s are left out: "},
        [OUTPUT] = {"1 output of dinopatch in %s is left out: ", "%u outputs of dinopatch in %s are left out: "},
        [LINKED] = {"1 linked folder in %s leads to a folder that was searched already, so it is left out: ",
                    "%u linked folders in %s lead to folders that were searched already, so they are left out: "},
    };
    const GPtrArray *list = search->left[reason];
    if (!list->len)
        return;
    bool slash = g_str_has_suffix(search->root, "/");
    char *root = g_strconcat(search->root, slash ? "" : "/", NULL);
    GString *line = g_string_new(NULL);
    if (list->len == 1)
        g_string_append_printf(line, texts[reason][0], root);
    else
        g_string_append_printf(line, texts[reason][1], list->len, root);
    for (guint i = 0; i < list->len && i < NAMED; i++)
        g_string_append_printf(line, "%s%s", i ? ", " : "", (const char *)list->pdata[i]);
    if (list->len > NAMED)
        g_string_append(line, ", ...");
    if (reason == UNNAMED)
        cli_complain("%s", line->str);
    else
        cli_note("%s", line->str);
    g_string_free(line, TRUE);
    g_free(root);
}

bool cli_find_pictures(const char *folder, cli_leave_out leave_out, GPtrArray *files)
{
    char *root = without_slashes(folder);
    struct search search = {.root = root, .leave_out = leave_out, .files = g_ptr_array_new(), .good = true};
    search.links = g_ptr_array_new_with_free_func(g_free);
    search.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int r = 0; r < N_REASONS; r++)
        search.left[r] = g_ptr_array_new_with_free_func(g_free);
    search_folder(&search, root, CLI_MARK_NONE);
    for (guint i = 0; i < search.links->len; i++) /* the list may grow meanwhile */
        search_folder(&search, search.links->pdata[i], CLI_MARK_NONE);
    g_ptr_array_sort(search.files, by_path);
    for (guint i = 0; i < search.files->len; i++)
        g_ptr_array_add(files, search.files->pdata[i]);
    for (int r = 0; r < N_REASONS; r++) {
        report_skipped(&search, (enum reason)r);
        g_ptr_array_unref(search.left[r]);
    }
    g_hash_table_unref(search.seen);
    g_ptr_array_unref(search.links);
    g_ptr_array_unref(search.files);
    g_free(root);
    return search.good;
}

/* ----------------------------------------------------------------------------------------------------------- names */

char *cli_output_name(const char *below)
{
    size_t length = strlen(below);
    if (length <= 4 || !g_str_has_suffix(below, ".png") || below[length - 5] == '/')
        return g_strdup(below);
    char *stem = g_strndup(below, length - 4);
    if (!cli_is_picture_name(stem))
        return stem;
    g_free(stem); /* x.jpg.png keeps its suffix, because x.jpg would have the same name */
    return g_strdup(below);
}

/* Notes the folder that pictures come from, by device and inode, and its name. */
static void add_source(GHashTable *known, GPtrArray *sources, const char *folder)
{
    struct stat st;
    char *key = stat(folder, &st) == 0
                    ? g_strdup_printf("%llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino)
                    : g_strdup(folder);
    g_hash_table_add(known, key);
    char *whole = g_canonicalize_filename(folder, NULL), *name = g_path_get_basename(whole);
    g_ptr_array_add(sources, strchr(name, '/') ? g_strdup("") : g_strdup(name));
    g_free(name);
    g_free(whole);
}

/* The name of a listed picture: its path as the list has it, where that stays below the folder that the list was made in;
 * otherwise its file name. g_free. */
static char *listed_name(const char *path)
{
    while (g_str_has_prefix(path, "./"))
        path += 2 + strspn(path + 2, "/");
    bool below = *path != '/';
    for (const char *part = path; part && below; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        below = strncmp(part, "..", 2) != 0 || (part[2] && part[2] != '/');
    return below ? g_strdup(path) : g_path_get_basename(path);
}

/* What cli_inputs_listed collects. */
struct found {
    GPtrArray *files, *below; /* paths, and paths below the folder given */
    GPtrArray *sources;       /* names of the folders that were given */
    GHashTable *known;        /* those folders: device and inode */
    GArray *source_of;        /* [files] of int: an index of sources; -1: none */
    cli_tars *tars;           /* or NULL */
};

static void find_argument(struct found *all, const char *argument, bool listed, size_t *n_failed)
{
    guint before = all->files->len;
    int source = (int)all->sources->len;
    if (g_file_test(argument, G_FILE_TEST_IS_DIR)) {
        add_source(all->known, all->sources, argument);
        bool good = cli_find_pictures(argument, NULL, all->files);
        char *root = without_slashes(argument);
        for (guint f = before; f < all->files->len; f++) {
            const char *below = (const char *)all->files->pdata[f] + strlen(root);
            g_ptr_array_add(all->below, g_strdup(below + strspn(below, "/")));
        }
        g_free(root);
        if (good && all->files->len == before) {
            cli_complain("%s: the folder holds no pictures", argument);
            good = false;
        }
        *n_failed += !good;
    } else {
        if (listed) {
            source = -1;
        } else {
            char *folder = g_path_get_dirname(argument);
            add_source(all->known, all->sources, folder);
            g_free(folder);
        }
        char *name = listed ? listed_name(argument) : g_path_get_basename(argument);
        if (all->tars && cli_is_tar_name(argument))
            cli_tars_add(all->tars, argument, all->files, n_failed);
        else
            g_ptr_array_add(all->files, g_strdup(argument)); /* the reader will say if it is no picture */
        for (guint f = before; f < all->files->len; f++)
            g_ptr_array_add(all->below, g_strconcat(name, (char *)all->files->pdata[f] + strlen(argument), NULL));
        g_free(name);
    }
    for (; before < all->files->len; before++)
        g_array_append_val(all->source_of, source);
}

GPtrArray *cli_inputs_listed(char **arguments, int n, const GPtrArray *listed, cli_tars *tars, GPtrArray **names,
                             size_t *n_failed)
{
    struct found all = {.files = g_ptr_array_new_with_free_func(g_free),
                        .below = g_ptr_array_new_with_free_func(g_free),
                        .sources = g_ptr_array_new_with_free_func(g_free),
                        .known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                        .source_of = g_array_new(FALSE, FALSE, sizeof(int)),
                        .tars = tars};
    for (int i = 0; i < n; i++)
        find_argument(&all, arguments[i], false, n_failed);
    for (guint i = 0; listed && i < listed->len; i++)
        find_argument(&all, listed->pdata[i], true, n_failed);
    if (tars)
        cli_tars_report(tars);
    if (names) {
        *names = g_ptr_array_new_with_free_func(g_free);
        bool several = g_hash_table_size(all.known) > 1;
        for (guint f = 0; f < all.files->len; f++) {
            int source = g_array_index(all.source_of, int, f);
            const char *folder = source < 0 ? "" : all.sources->pdata[source];
            char *name = cli_output_name(all.below->pdata[f]);
            g_ptr_array_add(*names, several && *folder ? g_build_filename(folder, name, NULL) : g_strdup(name));
            g_free(name);
        }
    }
    g_array_unref(all.source_of);
    g_hash_table_unref(all.known);
    g_ptr_array_unref(all.sources);
    g_ptr_array_unref(all.below);
    return all.files;
}

GPtrArray *cli_inputs_named(char **arguments, int n, GPtrArray **names, size_t *n_failed)
{
    return cli_inputs_listed(arguments, n, NULL, NULL, names, n_failed);
}

GPtrArray *cli_inputs(char **arguments, int n, size_t *n_failed)
{
    return cli_inputs_named(arguments, n, NULL, n_failed);
}

bool cli_names_differ(const GPtrArray *inputs, const GPtrArray *names, int *code)
{
    GHashTable *taken = g_hash_table_new(g_str_hash, g_str_equal);
    const char *other = NULL;
    guint i = 0;
    for (; i < names->len && !(other = g_hash_table_lookup(taken, names->pdata[i])); i++)
        g_hash_table_insert(taken, names->pdata[i], inputs->pdata[i]);
    g_hash_table_unref(taken);
    if (!other)
        return true;
    if (!strcmp(other, inputs->pdata[i]))
        cli_complain("%s: is given twice; give it once", other);
    else
        cli_complain("%s and %s: their outputs would have the same name, %s; give the folder above both, or use two "
                     "runs with two --out folders",
                     other, (const char *)inputs->pdata[i], (const char *)names->pdata[i]);
    *code = EXIT_USAGE;
    return false;
}
