/* SPDX-License-Identifier: Apache-2.0 */
/* marks.c - makes folders for outputs, and marks them so that a search for pictures leaves the outputs out. */
#include "marks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool cli_make_folder(const char *path)
{
    if (g_mkdir_with_parents(path, 0777) == 0)
        return true;
    int error = errno;
    cli_complain("%s: cannot make the folder: %s", path, g_strerror(error));
    errno = error;
    return false;
}

static const char named_text[] = "dinopatch outputs: named\n"
                                 "A search of this folder leaves out files whose names end with .heat.png, .map.tiff, "
                                 ".explain-N.png, .aligned.png,\n"
                                 ".mask.png, .axes.png and .edges.png: dinopatch wrote such files here.\n";
static const char all_text[] =
    "dinopatch outputs: all\nA search for pictures leaves this folder out: dinopatch wrote all files in it.\n";

cli_mark cli_mark_of(const char *folder)
{
    char *path = g_build_filename(folder, CLI_MARK_FILE, NULL), start[sizeof named_text];
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(start, 1, sizeof start - 1, file) : 0;
    if (file)
        (void)fclose(file);
    g_free(path);
    start[n] = 0;
    return g_str_has_prefix(start, "dinopatch outputs: named\n") ? CLI_MARK_NAMED
           : g_str_has_prefix(start, "dinopatch outputs: all\n") ? CLI_MARK_ALL
                                                                 : CLI_MARK_NONE;
}

bool cli_mark_folder(const char *folder, cli_mark mark, dp_error *err)
{
    if (cli_mark_of(folder) != CLI_MARK_NONE)
        return true;
    const char *text = mark == CLI_MARK_ALL ? all_text : named_text;
    char *path = g_build_filename(folder, CLI_MARK_FILE, NULL);
    struct stat st;
    bool good = lstat(path, &st) != 0;
    if (good) {
        good = dp_file_write(path, text, strlen(text), err) == DP_OK;
    } else {
        err->status = DP_E_IO;
        g_snprintf(err->message, sizeof err->message,
                   "%s: was not written by dinopatch, but dinopatch marks its output folders with a file of this name; "
                   "remove it",
                   path);
    }
    g_free(path);
    return good;
}

/* True if the folder is empty, or holds only what a killed process left of the mark. */
static bool is_empty(const char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    do
        name = dir ? g_dir_read_name(dir) : NULL;
    while (name && g_str_has_prefix(name, CLI_MARK_FILE));
    if (dir)
        g_dir_close(dir);
    return dir && !name;
}

bool cli_make_marked(const char *folder, const char *place, dp_error *err)
{
    bool good = true, marked = false;
    for (const char *end = strchr(place, '/'); good && end; end = strchr(end + 1, '/')) {
        char *below = g_strndup(place, (gsize)(end - place)), *path = g_build_filename(folder, below, NULL);
        good = g_mkdir_with_parents(path, 0777) == 0;
        if (!good) {
            err->status = DP_E_IO;
            g_snprintf(err->message, sizeof err->message, "%s: cannot make the folder: %s", path, g_strerror(errno));
        }
        marked = marked || cli_mark_of(path) == CLI_MARK_ALL;
        if (good && !marked && is_empty(path)) {
            good = cli_mark_folder(path, CLI_MARK_ALL, err);
            marked = true;
        }
        g_free(path);
        g_free(below);
    }
    return good;
}

/* True if a file STEM with one of these endings exists. */
static bool comes_with(const char *path, size_t stem, const char *ending)
{
    char *name = g_strdup_printf("%.*s%s", (int)stem, path, ending);
    bool there = g_file_test(name, G_FILE_TEST_EXISTS);
    g_free(name);
    return there;
}

bool cli_is_output(const char *path)
{
    static const char *const endings[][2] = {{".heat.png", ".map.tiff"},    {".map.tiff", ".heat.png"},
                                             {".aligned.png", ".mask.png"}, {".mask.png", ".aligned.png"},
                                             {".axes.png", ".aligned.png"}, {".edges.png", ".aligned.png"}};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i][0]) && strlen(name) > strlen(endings[i][0]))
            return comes_with(path, strlen(path) - strlen(endings[i][0]), endings[i][1]);
    const char *explain = g_strrstr(name, ".explain-");
    if (!explain || explain == name)
        return false;
    const char *number = explain + strlen(".explain-");
    size_t digits = strspn(number, "0123456789");
    return digits > 0 && !strcmp(number + digits, ".png") && comes_with(path, (size_t)(explain - path), ".heat.png");
}
