/* SPDX-License-Identifier: Apache-2.0 */
/* tars.c - the pictures in tar files, each file opened once. */
#include "tars.h"
#include "picture_names.h"

#include <string.h>
#include <sys/resource.h>

enum { NAMED = 4, COMPLAINTS = 8 };

/* Members that are left out without a complaint. */
struct left {
    size_t n;
    GPtrArray *names; /* of the first */
};

struct place {
    const dp_tar *tar;
    size_t member;
};

struct cli_tars {
    GPtrArray *paths;    /* of the files */
    GPtrArray *open;     /* [paths] of dp_tar */
    GHashTable *by_path; /* path of a file -> dp_tar */
    GHashTable *places;  /* path of a picture -> struct place */
    struct left no_picture, hidden;
};

static void close_tar(gpointer data)
{
    dp_tar *tar = data;
    dp_tar_close(&tar);
}

cli_tars *cli_tars_new(void)
{
    cli_tars *tars = g_new0(cli_tars, 1);
    tars->paths = g_ptr_array_new_with_free_func(g_free);
    tars->open = g_ptr_array_new_with_free_func(close_tar);
    tars->by_path = g_hash_table_new(g_str_hash, g_str_equal);
    tars->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    tars->no_picture.names = g_ptr_array_new_with_free_func(g_free);
    tars->hidden.names = g_ptr_array_new_with_free_func(g_free);
    return tars;
}

void cli_tars_free(cli_tars *tars)
{
    if (!tars)
        return;
    g_hash_table_unref(tars->places);
    g_hash_table_unref(tars->by_path);
    g_ptr_array_unref(tars->open);
    g_ptr_array_unref(tars->paths);
    g_ptr_array_unref(tars->no_picture.names);
    g_ptr_array_unref(tars->hidden.names);
    g_free(tars);
}

/* Each tar file keeps a descriptor: as many as the system lets the program have. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The tar file of a path, opened if it is not yet. NULL: complained. */
static const dp_tar *open_once(cli_tars *tars, const char *path, size_t *n_failed)
{
    const dp_tar *known = g_hash_table_lookup(tars->by_path, path);
    if (known)
        return known;
    if (!tars->paths->len)
        allow_descriptors();
    dp_tar *tar = NULL;
    dp_error err;
    if (dp_tar_open(path, &tar, &err)) {
        cli_complain("%s", err.message);
        ++*n_failed;
        return NULL;
    }
    g_ptr_array_add(tars->paths, g_strdup(path));
    g_ptr_array_add(tars->open, tar);
    g_hash_table_insert(tars->by_path, tars->paths->pdata[tars->paths->len - 1], tar);
    return tar;
}

static void leave(struct left *left, const char *path)
{
    if (left->n++ < NAMED)
        g_ptr_array_add(left->names, g_strdup(path));
}

static bool is_hidden(const char *name)
{
    char **parts = g_strsplit(name, "/", -1);
    bool hidden = false;
    for (char **part = parts; *part; part++)
        hidden |= **part && cli_is_left_out(*part);
    g_strfreev(parts);
    return hidden;
}

/* Why a member with the name of a picture or a tar file is not inspected; NULL: it is. */
static const char *fault_of(const dp_tar_member *member, bool is_tar)
{
    if (member->fault)
        return member->fault;
    return is_tar ? "is a tar file in a tar file, which is not looked into; unpack it" : NULL;
}

void cli_tars_add(cli_tars *tars, const char *path, GPtrArray *paths, size_t *n_failed)
{
    const dp_tar *tar = open_once(tars, path, n_failed);
    const guint before = paths->len;
    size_t n_bad = 0;
    for (size_t i = 0; tar && i < dp_tar_count(tar); i++) {
        const dp_tar_member *member = dp_tar_member_at(tar, i);
        const bool is_tar = cli_is_tar_name(member->name);
        char *name = g_strconcat(path, "/", member->name, NULL);
        const char *fault = fault_of(member, is_tar);
        if (!is_tar && !cli_is_picture_name(member->name)) {
            leave(&tars->no_picture, name);
        } else if (is_hidden(member->name) && !(fault && !is_tar)) {
            leave(&tars->hidden, name);
        } else if (fault) {
            if (n_bad++ < COMPLAINTS)
                cli_complain("%s: %s", name, fault);
        } else {
            struct place *place = g_hash_table_lookup(tars->places, name);
            if (!place) {
                place = g_new0(struct place, 1);
                g_hash_table_insert(tars->places, g_strdup(name), place);
                g_ptr_array_add(paths, g_strdup(name));
            } else if (place->member == i) { /* the tar file is given again */
                g_ptr_array_add(paths, g_strdup(name));
            } else if (n_bad++ < COMPLAINTS) {
                cli_complain("%s: is twice in the tar file; the later one is taken, as tar would", name);
            }
            *place = (struct place){tar, i};
        }
        g_free(name);
    }
    if (n_bad > COMPLAINTS)
        cli_complain("%s: %zu more of its members are not read for such reasons", path, n_bad - COMPLAINTS);
    *n_failed += n_bad;
    if (tar && dp_tar_fault(tar)) {
        cli_complain("%s: %s", path, dp_tar_fault(tar));
        ++*n_failed;
    } else if (tar && !n_bad && paths->len == before) {
        cli_complain("%s: the tar file holds no pictures", path);
        ++*n_failed;
    }
}

static void report(const cli_tars *tars, const struct left *left, const char *one, const char *many)
{
    if (!left->n)
        return;
    GString *line = g_string_new(NULL);
    char *where =
        tars->paths->len == 1 ? g_strdup(tars->paths->pdata[0]) : g_strdup_printf("%u tar files", tars->paths->len);
    g_string_append_printf(line, "%zu %s in %s %s: ", left->n, left->n == 1 ? "file" : "files", where,
                           left->n == 1 ? one : many);
    for (guint i = 0; i < left->names->len; i++)
        g_string_append_printf(line, "%s%s", i ? ", " : "", (const char *)left->names->pdata[i]);
    if (left->n > left->names->len)
        g_string_append(line, ", ...");
    cli_note("%s", line->str);
    g_string_free(line, TRUE);
    g_free(where);
}

void cli_tars_report(const cli_tars *tars)
{
    report(tars, &tars->no_picture, "is not a picture", "are not pictures");
    report(tars, &tars->hidden, "is hidden or a system file, left out", "are hidden or system files, left out");
}

const GPtrArray *cli_tars_files(const cli_tars *tars)
{
    return tars->paths;
}

dp_kept_picture cli_tars_find(const cli_tars *tars, const char *path)
{
    const struct place *place = g_hash_table_lookup(tars->places, path);
    return place ? (dp_kept_picture){path, place->tar, place->member} : (dp_kept_picture){.name = path};
}

char *cli_tars_sha256(const cli_tars *tars, const char *path)
{
    enum { CHUNK = 1 << 20 };
    const dp_kept_picture at = cli_tars_find(tars, path);
    const dp_tar_member *member = dp_tar_member_at(at.tar, at.member);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    guchar *bytes = g_malloc(CHUNK);
    dp_error err;
    bool good = true;
    for (uint64_t from = 0; good && from < member->bytes; from += CHUNK) {
        const size_t n = MIN(CHUNK, member->bytes - from);
        good = !dp_tar_read(at.tar, at.member, from, bytes, n, &err);
        g_checksum_update(sum, bytes, (gssize)n);
    }
    char *text = good ? g_strdup(g_checksum_get_string(sum)) : NULL;
    g_checksum_free(sum);
    g_free(bytes);
    return text;
}
