/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.c - the parts of a multipart/form-data body.
 *
 *     --BOUNDARY CRLF headers CRLF CRLF data CRLF --BOUNDARY CRLF ... CRLF --BOUNDARY-- */
#include "multipart.h"

#include <string.h>

#define MOST_PARTS 100000
#define MOST_HEAD_BYTES 8192

static void free_part(gpointer data)
{
    multipart_part *part = data;
    g_free(part->name);
    g_free(part->file);
    g_free(part);
}

/* Browsers, curl and others write '"' in a name as %22. */
static void decode_quotes(char *name)
{
    char *to = name;
    for (const char *from = name; from && *from; from++) {
        bool quote = !strncmp(from, "%22", 3);
        *to++ = quote ? '"' : *from;
        from += quote ? 2 : 0;
    }
    if (to)
        *to = '\0';
}

/* The value of a parameter, key="value" or key=value, of a header; g_free; NULL: it is not there. */
static char *parameter(const char *header, const char *key)
{
    size_t length = strlen(key);
    const char *at = strchr(header, ';');
    while (at) {
        at++;
        at += strspn(at, " \t");
        bool found = !g_ascii_strncasecmp(at, key, length) && at[length] == '=';
        const char *value = strchr(at, '=');
        if (!value)
            return NULL;
        value++;
        if (*value == '"') {
            GString *text = g_string_new(NULL);
            for (value++; *value && *value != '"'; value++) {
                if (*value == '\\' && (value[1] == '"' || value[1] == '\\'))
                    value++;
                g_string_append_c(text, *value);
            }
            if (found)
                return g_string_free(text, FALSE);
            g_string_free(text, TRUE);
        } else if (found) {
            return g_strndup(value, strcspn(value, "; \t"));
        }
        at = strchr(value, ';');
    }
    return NULL;
}

static const char *find(const char *from, const char *end, const char *what, size_t length)
{
    return memmem(from, (size_t)(end - from), what, length);
}

/* Name and file of a part from its headers [bytes].  False: they name no field. */
static bool read_head(multipart_part *part, const char *head, size_t bytes)
{
    g_autofree char *text = g_strndup(head, bytes);
    if (strlen(text) != bytes || !g_utf8_validate(text, -1, NULL))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    static const char key[] = "content-disposition:";
    for (char **line = lines; *line; line++) {
        if (g_ascii_strncasecmp(*line, key, sizeof key - 1) != 0)
            continue;
        const char *value = *line + sizeof key - 1;
        value += strspn(value, " \t");
        if (g_ascii_strncasecmp(value, "form-data", 9) != 0)
            return false;
        part->name = parameter(value, "name");
        part->file = parameter(value, "filename");
        decode_quotes(part->file);
        return part->name != NULL;
    }
    return false;
}

GPtrArray *multipart_parse(const char *type, const char *body, size_t bytes, char **fault)
{
    g_autofree char *boundary =
        type && !g_ascii_strncasecmp(type, "multipart/form-data", 19) ? parameter(type, "boundary") : NULL;
    *fault = NULL;
    if (!boundary || !*boundary || strlen(boundary) > 70) {
        *fault = g_strdup("the body is no form with files: send multipart/form-data with a boundary");
        return NULL;
    }
    g_autofree char *line = g_strconcat("\r\n--", boundary, NULL);
    size_t length = strlen(line);
    const char *end = body + bytes, *at;
    GPtrArray *parts = g_ptr_array_new_with_free_func(free_part);
    /* The first line may begin the body. */
    if (bytes >= length - 2 && !memcmp(body, line + 2, length - 2)) {
        at = body + length - 2;
    } else {
        at = find(body, end, line, length);
        at = at ? at + length : NULL;
    }
    while (at && !*fault) {
        if (end - at >= 2 && !memcmp(at, "--", 2))
            return parts; /* whole */
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        const char *head = at + 2;
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
            break;
        const char *head_end = find(at, end, "\r\n\r\n", 4);
        const char *next = head_end ? find(head_end + 2, end, line, length) : NULL;
        if (!next || head_end - at > MOST_HEAD_BYTES)
            break;
        multipart_part *part = g_new0(multipart_part, 1);
        g_ptr_array_add(parts, part);
        part->data = head_end + 4;
        part->bytes = next > part->data ? (size_t)(next - part->data) : 0;
        if (!read_head(part, head, head_end > head ? (size_t)(head_end - head) : 0))
            *fault = g_strdup_printf("part %u of the form has no name", parts->len);
        else if (parts->len > MOST_PARTS)
            *fault =
                g_strdup_printf("the form has more than %d parts; send the pictures in several requests", MOST_PARTS);
        at = next + length;
    }
    if (!*fault)
        *fault = g_strdup_printf("the form ends within part %u: it was cut short; send it again", parts->len + 1);
    g_ptr_array_unref(parts);
    return NULL;
}
