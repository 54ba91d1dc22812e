/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - records what an evaluation has done, one JSON line for each step, so that a stopped one can continue.
 *
 *      {"dinopatch": VERSION, "settings": {...}, "model": SHA-256, "files": SHA-256}      first line: what it depends on
 *      {"run": NAME, "part": "fit" | "figures" | ..., "value": {...}}
 *      {"run": NAME, "index": I, "value": {...}}                                          a picture
 *
 * A line that was cut short is ignored, with everything after it; its step is done again. */
#include "eval.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

json_t *eval_state_run(eval_state *state, const char *name)
{
    json_t *run = json_object_get(state->runs, name);
    if (!run) {
        run = cli_json_pack("{s:n, s:n, s:{}}", "category", "seed",
                            "pictures"); /* the order does not depend on how the run went */
        cli_json_set(state->runs, name, run);
    }
    return run;
}

json_t *eval_state_picture(eval_state *state, const char *name, guint index)
{
    char key[32];
    g_snprintf(key, sizeof key, "%u", index);
    return json_object_get(json_object_get(eval_state_run(state, name), "pictures"), key);
}

void eval_state_sort_pictures(eval_state *state, const char *name, guint n)
{
    json_t *sorted = json_object();
    for (guint i = 0; i < n; i++) {
        char key[32];
        g_snprintf(key, sizeof key, "%u", i);
        json_t *picture = eval_state_picture(state, name, i);
        if (picture)
            cli_json_share(sorted, key, picture);
    }
    cli_json_set(eval_state_run(state, name), "pictures", sorted);
}

static void keep(eval_state *state, const char *name, const char *part, long index, json_t *value)
{
    json_t *run = eval_state_run(state, name);
    if (index < 0) {
        cli_json_share(run, part, value);
        return;
    }
    char key[32];
    g_snprintf(key, sizeof key, "%ld", index);
    cli_json_share(json_object_get(run, "pictures"), key, value);
}

static bool write_all(int fd, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t done = write(fd, text, bytes);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            text += done;
            bytes -= (size_t)done;
        }
    }
    return true;
}

static bool write_line(eval_state *state, const json_t *line)
{
    char *text = cli_json_dumped(line, JSON_COMPACT | JSON_REAL_PRECISION(17));
    bool good = text != NULL;
    if (!good)
        cli_complain("%s: not enough memory", state->path);
    if (good) {
        size_t length = strlen(text);
        text[length] = '\n'; /* replaces the final zero */
        good = write_all(state->fd, text, length + 1);
        if (!good)
            cli_complain("%s: cannot write: %s", state->path, g_strerror(errno));
    }
    free(text);
    return good;
}

bool eval_state_put(eval_state *state, const char *name, const char *part, long index, json_t *value)
{
    keep(state, name, part, index, value);
    bool good = true;
    if (state->fd >= 0) {
        json_t *line = index < 0
                           ? cli_json_pack("{s:s, s:s, s:O}", "run", name, "part", part, "value", value)
                           : cli_json_pack("{s:s, s:I, s:O}", "run", name, "index", (json_int_t)index, "value", value);
        good = write_line(state, line);
        json_decref(line);
    }
    json_decref(value);
    return good;
}

/* Says what differs first between two headers; g_free. */
static char *difference(const json_t *had, const json_t *wants)
{
    const json_t *a = json_object_get(had, "settings"), *b = json_object_get(wants, "settings");
    const char *key;
    json_t *value;
    json_object_foreach(
        (json_t *)a, key,
        value) if (!json_equal(value, json_object_get(b, key))) return g_strdup_printf("--%s %s there", key,
                                                                                       json_string_value(value)
                                                                                           ? json_string_value(value)
                                                                                           : "");
    json_object_foreach((json_t *)b, key, value) if (!json_object_get(a, key)) return g_strdup_printf(
        "--%s %s is new", key, json_string_value(value) ? json_string_value(value) : "");
    if (!json_equal(json_object_get(had, "model"), json_object_get(wants, "model")))
        return g_strdup("another checkpoint");
    if (!json_equal(json_object_get(had, "files"), json_object_get(wants, "files")))
        return g_strdup("changed pictures");
    return g_strdup("another version of dinopatch");
}

/* Reads the lines. *end is where the last whole one ends. False: the state belongs to another evaluation;
 * complained. */
static bool read_lines(eval_state *state, const char *text, const json_t *header, size_t *end)
{
    const char *at = text;
    bool first = true;
    for (const char *stop; (stop = strchr(at, '\n')); at = stop + 1) {
        json_t *line = json_loadb(at, (size_t)(stop - at), 0, NULL);
        const char *name = json_string_value(json_object_get(line, "run"));
        json_t *value = json_object_get(line, "value"), *index = json_object_get(line, "index");
        if (first && line && !json_equal(line, header)) {
            char *what = difference(line, header);
            cli_complain(
                "%s: holds an evaluation with other settings (%s); name another folder, or pass --fresh to start again",
                state->path, what);
            g_free(what);
            json_decref(line);
            return false;
        }
        if (first ? !line : !name || !value) {
            json_decref(line);
            break;
        }
        if (!first) {
            const char *part = json_string_value(json_object_get(line, "part"));
            if (index)
                keep(state, name, NULL, (long)json_integer_value(index), value);
            else if (part)
                keep(state, name, part, -1, value);
            state->n_resumed += index != NULL;
        }
        first = false;
        *end = (size_t)(stop + 1 - text);
        json_decref(line);
    }
    return true;
}

char *eval_shard_path(const char *out, const char *name, cli_shard shard, const char *ending)
{
    return shard.n ? g_strdup_printf("%s/%s-%zu-of-%zu%s", out, name, shard.index, shard.n, ending)
                   : g_strdup_printf("%s/%s%s", out, name, ending);
}

bool eval_state_end_shard(eval_state *state)
{
    json_t *line = cli_json_pack("{s:[I,I]}", "shard_done", (json_int_t)state->shard.index, (json_int_t)state->shard.n);
    const bool good = state->fd < 0 || write_line(state, line);
    json_decref(line);
    return good;
}

/* Takes over the lines of one shard. False: complained. */
static bool join_shard(eval_state *state, const char *path, const json_t *header)
{
    char *text = NULL;
    gsize bytes = 0;
    size_t end = 0;
    eval_state shard = {.fd = -1, .path = (char *)path, .runs = state->runs};
    bool good = g_file_get_contents(path, &text, &bytes, NULL);
    if (!good)
        cli_complain("%s: this shard is missing, or cannot be read; run it, and merge again", path);
    good = good && read_lines(&shard, text, header, &end);
    if (good && !g_str_has_prefix(text + end, "{\"shard_done\":")) {
        cli_complain("%s: this shard is not finished; run it again, which goes on where it stopped, and merge again",
                     path);
        good = false;
    }
    const char *first = good ? strchr(text, '\n') + 1 : NULL;
    if (good && !write_all(state->fd, first, (size_t)(text + end - first))) {
        cli_complain("%s: cannot write: %s", state->path, g_strerror(errno));
        good = false;
    }
    state->n_resumed += shard.n_resumed;
    g_free(text);
    return good;
}

bool eval_state_join(eval_state *state, const char *out, size_t n, const json_t *header)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        char *path = eval_shard_path(out, "state", (cli_shard){i, n}, ".jsonl");
        good = join_shard(state, path, header) && good;
        g_free(path);
    }
    return good;
}

bool eval_state_open(eval_state *state, const char *out, cli_shard shard, const json_t *header, bool fresh)
{
    *state = (eval_state){.fd = -1, .runs = json_object(), .shard = shard};
    if (!out)
        return true;
    state->path = eval_shard_path(out, "state", shard, ".jsonl");
    char *text = NULL;
    size_t end = 0;
    do
        state->fd = open(state->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    while (state->fd < 0 && errno == EINTR);
    if (state->fd < 0) {
        cli_complain("%s: cannot write: %s", state->path, g_strerror(errno));
        return false;
    }
    if (flock(state->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        cli_complain("%s: another evaluation is running in this folder; wait for it, or name another folder", out);
        return false;
    }
    if (!fresh && g_file_get_contents(state->path, &text, NULL, NULL) && !read_lines(state, text, header, &end)) {
        g_free(text);
        return false;
    }
    g_free(text);
    int cut;
    do
        cut = ftruncate(state->fd, (off_t)end);
    while (cut != 0 && errno == EINTR);
    if (cut != 0 || lseek(state->fd, (off_t)end, SEEK_SET) < 0) {
        cli_complain("%s: cannot write: %s", state->path, g_strerror(errno));
        return false;
    }
    return end ? true : write_line(state, header);
}

void eval_state_close(eval_state *state)
{
    if (state->fd >= 0)
        close(state->fd);
    json_decref(state->runs);
    g_free(state->path);
    *state = (eval_state){.fd = -1};
}
