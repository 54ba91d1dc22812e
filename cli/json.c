/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - reads JSON files and prints machine-readable lines on stdout. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 30) /* of a file; parsed, it takes several times as much memory */

/* If memory is short, a list could lose a member and still look whole when printed. So the process ends here, as GLib
 * does, with the exit code of a failed job. Files are unchanged: an output gets its name only when it is whole. */
static void *json_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) {
        cli_complain("not enough memory (%zu bytes)", bytes);
        _exit(EXIT_JOB_FAILED);
    }
    return memory;
}

void cli_json_begin(void)
{
    json_set_alloc_funcs(json_memory, free);
}

struct source {
    int fd;
    size_t left;
    int error; /* errno of a read that failed */
    bool too_long;
};

/* json_load_callback_t */
static size_t read_some(void *buffer, size_t bytes, void *user)
{
    struct source *from = user;
    ssize_t n;
    do
        n = read(from->fd, buffer, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        from->error = errno;
    else if ((size_t)n > from->left)
        from->too_long = true;
    if (n < 0 || from->too_long)
        return (size_t)-1;
    from->left -= (size_t)n;
    return (size_t)n;
}

json_t *cli_json_load(const char *path, size_t flags)
{
    struct source from = {.fd = open(path, O_RDONLY | O_CLOEXEC), .left = MOST_BYTES};
    struct stat about;
    json_error_t error = {0};
    json_t *value = NULL;
    if (from.fd < 0 || fstat(from.fd, &about))
        from.error = errno;
    else if (S_ISREG(about.st_mode) && about.st_size > (off_t)MOST_BYTES)
        from.too_long = true;
    else
        value = json_load_callback(read_some, &from, flags, &error);
    if (from.fd >= 0)
        close(from.fd);
    if (from.error)
        cli_complain("%s: cannot read: %s", path, g_strerror(from.error));
    else if (from.too_long)
        cli_complain("%s: is larger than 1 GiB, the limit for JSON", path);
    else if (!value)
        cli_complain("%s: line %d: %s", path, error.line, error.text);
    if (value && (from.error || from.too_long)) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

/* A value that could not be made is reported with its place. From then on nothing is printed or written as JSON. */
static bool broken;

json_t *cli_json_made(json_t *value, const char *where, int line, const char *why)
{
    if (value)
        return value;
    cli_complain("%s:%d: cannot make this JSON: %s", where, line, why && *why ? why : "not enough memory");
    broken = true;
    return json_null();
}

json_t *cli_json_packed(const char *where, int line, const char *format, ...)
{
    json_error_t error = {0};
    va_list values;
    va_start(values, format);
    json_t *value = json_vpack_ex(&error, 0, format, values);
    va_end(values);
    return cli_json_made(value, where, line, error.text);
}

void cli_json_put(json_t *object, const char *key, json_t *value, const char *where, int line)
{
    if (json_object_set_new(object, key, value))
        cli_json_made(NULL, where, line, key);
}

void cli_json_add(json_t *list, json_t *value, const char *where, int line)
{
    if (json_array_append_new(list, value))
        cli_json_made(NULL, where, line, "an entry of a list");
}

char *cli_json_dumped(const json_t *value, size_t flags)
{
    /* json_dumps of jansson 2.14 overlooks a buffer that could not grow; json_dumpb returns the true length. */
    size_t bytes = value && !broken ? json_dumpb(value, NULL, 0, flags) : 0;
    char *text = bytes ? malloc(bytes + 1) : NULL;
    if (text && json_dumpb(value, text, bytes, flags) != bytes) {
        free(text);
        return NULL;
    }
    if (text)
        text[bytes] = 0;
    return text;
}

json_t *cli_json_text(const char *bytes)
{
    if (!bytes)
        return json_null();
    char *text = g_utf8_make_valid(bytes, -1);
    json_t *value = cli_json_made(json_string(text), __FILE__, __LINE__, NULL);
    g_free(text);
    return value;
}

void cli_json_bytes(json_t *object, const char *key, const char *bytes)
{
    if (!bytes || g_utf8_validate(bytes, -1, NULL))
        return;
    char *name = g_strconcat(key, "_base64", NULL), *text = g_base64_encode((const guchar *)bytes, strlen(bytes));
    cli_json_set(object, name, json_string(text));
    g_free(text);
    g_free(name);
}

json_t *cli_json_real(double value)
{
    return isfinite(value) ? cli_json_made(json_real(value), __FILE__, __LINE__, NULL) : json_null();
}

static bool hidden;

void cli_hide_times(void)
{
    hidden = true;
}

bool cli_times_hidden(void)
{
    return hidden;
}

json_t *cli_json_ms(double ms)
{
    return hidden ? json_null() : cli_json_real(round(ms * 1000) / 1000);
}

json_t *cli_json_pose(const dp_pose *pose)
{
    json_t *object = json_object();
    cli_json_set(object, "status", json_string(dp_align_status_name(pose->status)));
    bool by_features = pose->score != 0, found = pose->n_points > 0 || by_features;
    cli_json_set(object, "angle_deg", found ? cli_json_real(pose->angle_rad * 180 / G_PI) : json_null());
    cli_json_set(object, "centre_px",
                 found ? cli_json_pack("[o,o]", cli_json_real(pose->centre_x_px), cli_json_real(pose->centre_y_px))
                       : json_null());
    cli_json_set(object, "sigma_major_px", found ? cli_json_real(pose->sigma_major_px) : json_null());
    cli_json_set(object, "sigma_minor_px", found ? cli_json_real(pose->sigma_minor_px) : json_null());
    if (by_features) {
        cli_json_set(object, "score", cli_json_real(pose->score));
        cli_json_set(object, "margin", cli_json_real(pose->margin));
        cli_json_set(object, "ambiguous", json_boolean(pose->margin == 0));
    }
    return object;
}

char *cli_json_line(const json_t *value)
{
    /* Twelve digits carry a float exactly, and a double more exactly than anything here needs. */
    return cli_json_dumped(value, JSON_COMPACT | JSON_REAL_PRECISION(12));
}

bool cli_json_print(json_t *value)
{
    char *text = cli_json_line(value);
    json_decref(value);
    if (!text)
        cli_complain("%s", broken ? "cannot make a line of JSON" : "not enough memory for a line of JSON");
    else
        puts(text);
    bool good = text && cli_output_good();
    free(text);
    return good;
}
