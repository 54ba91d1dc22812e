/* SPDX-License-Identifier: Apache-2.0 */
/* outputs.c - keeps the files that a command writes apart from those that it reads.
 *
 * An existing file is identified by device and inode, a missing one by the nearest existing folder above it and the
 * rest of the path. Hash tables hold them all, so every step is linear in the number of files. */
#include "outputs.h"
#include "marks.h"
#include "models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { NEW, OWN, BANK };

struct output {
    char *path;
    enum kind kind;
};

struct input {
    char *path, *what;
    bool source;
};

/* A folder for outputs. */
struct folder {
    char *key;
    char *problem; /* why no file can be written into it, or NULL */
    bool missing;  /* it must be made */
};

struct cli_outputs {
    bool overwrite;
    GHashTable *inputs; /* identity -> struct input */
    GArray *outputs;    /* of struct output */
};

static char *identity(const struct stat *st)
{
    return g_strdup_printf("%llx:%llx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
}

static void input_free(gpointer data)
{
    struct input *input = data;
    g_free(input->path);
    g_free(input->what);
    g_free(input);
}

static void output_clear(gpointer data)
{
    g_free(((struct output *)data)->path);
}

static void folder_free(gpointer data)
{
    struct folder *folder = data;
    g_free(folder->key);
    g_free(folder->problem);
    g_free(folder);
}

cli_outputs *cli_outputs_new(bool overwrite)
{
    cli_outputs *files = g_new0(cli_outputs, 1);
    files->overwrite = overwrite;
    files->inputs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, input_free);
    files->outputs = g_array_new(FALSE, FALSE, sizeof(struct output));
    g_array_set_clear_func(files->outputs, output_clear);
    return files;
}

void cli_outputs_free(cli_outputs *files)
{
    if (!files)
        return;
    g_hash_table_unref(files->inputs);
    g_array_unref(files->outputs);
    g_free(files);
}

static void add_input(cli_outputs *files, const char *path, const char *what, bool source)
{
    struct stat st;
    if (!path || stat(path, &st) != 0)
        return;
    char *key = identity(&st);
    const struct input *known = g_hash_table_lookup(files->inputs, key);
    if (known && !known->source) { /* it is also read as a file that must not change */
        g_free(key);
        return;
    }
    struct input *input = g_new(struct input, 1);
    *input = (struct input){g_strdup(path), g_strdup(what), source};
    g_hash_table_replace(files->inputs, key, input);
}

void cli_outputs_read(cli_outputs *files, const char *path, const char *what)
{
    add_input(files, path, what, false);
}

void cli_outputs_read_all(cli_outputs *files, const GPtrArray *paths, const char *what)
{
    for (guint i = 0; i < paths->len; i++)
        add_input(files, paths->pdata[i], what, false);
}

void cli_outputs_read_model(cli_outputs *files, const char *argument, const char *recorded)
{
    char *path = cli_model_path(argument);
    if (!cli_model_is_built_in(path))
        add_input(files, path, "the checkpoint in use", false);
    if (recorded && !cli_model_is_built_in(recorded))
        add_input(files, recorded, "the checkpoint that the bank names", false);
    g_free(path);
}

void cli_outputs_source(cli_outputs *files, const char *path)
{
    add_input(files, path, "the bank", true);
}

static void add_output(cli_outputs *files, const char *path, enum kind kind)
{
    const struct output output = {g_strdup(path), kind};
    g_array_append_val(files->outputs, output);
}

void cli_outputs_write(cli_outputs *files, const char *path)
{
    add_output(files, path, NEW);
}

void cli_outputs_write_bank(cli_outputs *files, const char *path)
{
    add_output(files, path, BANK);
}

void cli_outputs_write_own(cli_outputs *files, const char *path)
{
    add_output(files, path, OWN);
}

/* ---------------------------------------------------------------------------------------------------------- checks */

/* What is known of a folder. Looks at each folder once. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the folders are, whose paths the system limits */
static const struct folder *look_at_folder(GHashTable *folders, const char *path)
{
    struct folder *folder = g_hash_table_lookup(folders, path);
    if (folder)
        return folder;
    folder = g_new0(struct folder, 1);
    struct stat st;
    if (stat(path, &st) == 0) {
        folder->key = identity(&st);
        if (!S_ISDIR(st.st_mode))
            folder->problem = g_strdup_printf("%s is not a folder", path);
        else if (access(path, W_OK | X_OK) != 0)
            folder->problem = g_strdup_printf("the folder %s cannot be written to: %s", path, g_strerror(errno));
    } else if (errno != ENOENT) {
        folder->problem = g_strdup_printf("the folder %s cannot be made: %s", path, g_strerror(errno));
        folder->key = g_strdup(path);
    } else if (lstat(path, &st) == 0) {
        folder->problem = g_strdup_printf("%s is a symbolic link to a missing folder", path);
        folder->key = g_strdup(path);
    } else {
        char *above = g_path_get_dirname(path), *name = g_path_get_basename(path);
        const struct folder *parent = look_at_folder(folders, above);
        folder->missing = true;
        folder->problem = g_strdup(parent->problem);
        folder->key = g_strconcat(parent->key, "/", name, NULL);
        g_free(above);
        g_free(name);
    }
    g_hash_table_insert(folders, g_strdup(path), folder);
    return folder;
}

/* Where the bytes will go: the end of a chain of symbolic links. NULL: the chain has no end. */
static char *end_of_links(const char *path)
{
    char *at = g_strdup(path);
    for (int links = 0; links < 40; links++) {
        char *to = g_file_read_link(at, NULL);
        if (!to)
            return at;
        char *folder = g_path_get_dirname(at);
        g_free(at);
        at = g_path_is_absolute(to) ? g_strdup(to) : g_build_filename(folder, to, NULL);
        g_free(folder);
        g_free(to);
    }
    g_free(at);
    return NULL;
}

/* True if two names lead to one entry of one folder. A hard link is another entry: writing it leaves the first
 * unchanged. */
static bool is_same_place(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    bool same = x && y && !strcmp(x, y);
    free(x);
    free(y);
    return same;
}

/* True for an empty file or one that begins like a bank: the length of a header, which is a JSON object. */
static bool is_bank_or_empty(const char *path)
{
    unsigned char start[9];
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(start, 1, sizeof start, file) : 0;
    if (file)
        (void)fclose(file);
    return file && (!n || (n == sizeof start && start[8] == '{'));
}

/* Checks that a file in place may be replaced. False: complained, or counted in *n_there. */
static bool may_replace(const cli_outputs *files, const struct output *output, const struct stat *st, const char *key,
                        guint *n_there)
{
    const char *path = output->path;
    if (S_ISDIR(st->st_mode)) {
        cli_complain("%s: is a folder; name the file to write", path);
        return false;
    }
    if (!S_ISREG(st->st_mode)) {
        cli_complain("%s: is not a regular file, so it cannot be written; name another file", path);
        return false;
    }
    const struct input *input = g_hash_table_lookup(files->inputs, key);
    bool update = input && input->source && output->kind == BANK && is_same_place(input->path, path);
    if (input && !update) {
        if (strcmp(input->path, path) != 0)
            cli_complain("%s: would be overwritten, but it is %s (%s); write to another place", path, input->what,
                         input->path);
        else
            cli_complain("%s: would be overwritten, but it is %s; write to another place", path, input->what);
        return false;
    }
    if (output->kind == BANK && !update && !is_bank_or_empty(path)) {
        cli_complain("%s: exists and is not a bank; name another file", path);
        return false;
    }
    if (!update && !files->overwrite && output->kind != OWN) {
        ++*n_there;
        return false;
    }
    if (access(path, W_OK) != 0) {
        cli_complain("%s: cannot be replaced: %s; allow writing to it, or name another file", path, g_strerror(errno));
        return false;
    }
    return true;
}

/* Checks one output. *key identifies it, g_free. False: complained, or counted in *n_there. */
static bool check_output(const cli_outputs *files, const struct output *output, GHashTable *folders, char **key,
                         guint *n_there)
{
    struct stat st;
    const char *path = output->path, *slash = strrchr(path, '/');
    if (!*path || (slash && !slash[1])) {
        cli_complain("%s: is not the name of a file", *path ? path : "''");
        return false;
    }
    bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    char *target = link ? end_of_links(path) : g_strdup(path);
    if (!target) {
        cli_complain("%s: is a symbolic link that leads to itself", path);
        return false;
    }
    char *folder_path = g_path_get_dirname(target), *name = g_path_get_basename(target);
    const struct folder *folder = look_at_folder(folders, folder_path);
    bool there = stat(path, &st) == 0, good = false;
    if (!there && errno != ENOENT && !folder->problem) {
        cli_complain("%s: cannot be written: %s", path, g_strerror(errno));
    } else if (there) {
        *key = identity(&st);
        good = may_replace(files, output, &st, *key, n_there);
    } else {
        *key = g_strconcat(folder->key, "/", name, NULL);
        good = true;
    }
    if (good && folder->problem)
        cli_complain("%s: cannot be written: %s", path, folder->problem);
    else if (good && link && folder->missing)
        cli_complain("%s: is a symbolic link into a missing folder: %s; make the folder, or name another file", path,
                     folder_path);
    good = good && !folder->problem && !(link && folder->missing);
    g_free(folder_path);
    g_free(name);
    g_free(target);
    return good;
}

bool cli_outputs_check(const cli_outputs *files, int *code)
{
    GHashTable *folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, folder_free);
    GHashTable *written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL); /* identity -> path */
    const char *first_there = NULL;
    guint n_there = 0;
    bool good = true;
    for (guint i = 0; i < files->outputs->len && good; i++) {
        const struct output *output = &g_array_index(files->outputs, struct output, i);
        char *key = NULL;
        guint before = n_there;
        good = check_output(files, output, folders, &key, &n_there);
        if (n_there > before) { /* one of many may fail: continue with the next */
            first_there = first_there ? first_there : output->path;
            good = true;
        }
        const char *other = key ? g_hash_table_lookup(written, key) : NULL;
        if (good && other) {
            cli_complain("%s and %s are the same file, and both would be written; name another place for one of them",
                         other, output->path);
            good = false;
        }
        if (key)
            g_hash_table_replace(written, key, output->path);
    }
    if (good && n_there > 1)
        cli_complain(
            "%s: exists already, and so do %u more of the files to write; write to another place, or pass --overwrite",
            first_there, n_there - 1);
    else if (good && n_there)
        cli_complain("%s: exists already; write to another place, or pass --overwrite", first_there);
    good = good && !n_there;
    GHashTableIter iter;
    gpointer path, value;
    g_hash_table_iter_init(&iter, folders);
    while (good && g_hash_table_iter_next(&iter, &path, &value)) {
        const struct folder *folder = value;
        const char *file = folder->missing ? g_hash_table_lookup(written, folder->key) : NULL;
        if (file) {
            cli_complain("%s: would have to be a file and a folder at once; write to another place", file);
            good = false;
        }
    }
    g_hash_table_unref(folders);
    g_hash_table_unref(written);
    if (!good)
        *code = EXIT_USAGE;
    return good;
}

bool cli_outputs_begin(const cli_outputs *files, const char *marked, int *code)
{
    GHashTable *made = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool good = true;
    *code = EXIT_JOB_FAILED;
    for (guint i = 0; i < files->outputs->len && good; i++) {
        char *folder = g_path_get_dirname(g_array_index(files->outputs, struct output, i).path);
        if (g_hash_table_contains(made, folder)) {
            g_free(folder);
            continue;
        }
        good = cli_make_folder(folder);
        if (!good && errno != ENOSPC && errno != EIO) /* the place cannot be used */
            *code = EXIT_USAGE;
        g_hash_table_add(made, folder);
    }
    g_hash_table_unref(made);
    dp_error err;
    if (good && marked && !cli_mark_folder(marked, CLI_MARK_NAMED, &err)) {
        cli_complain("%s", err.message);
        good = false;
    }
    return good;
}

bool cli_outputs_bank(cli_outputs *files, const char *out, const char *bank, const char *model, int *code)
{
    cli_outputs_source(files, bank);
    cli_outputs_read_model(files, model, NULL);
    cli_outputs_write_bank(files, out);
    if (!cli_outputs_check(files, code))
        return false;
    return !g_file_test(bank, G_FILE_TEST_EXISTS)
           || cli_outputs_begin(files, NULL, code); /* the reader of a missing file complains about it */
}
