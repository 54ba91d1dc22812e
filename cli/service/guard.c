/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c - who may ask. */
#include "guard.h"

#include <gio/gio.h>
#include <string.h>

/* The name without its port, brackets and last dot; g_free.  NULL: it is none. */
static char *host_name(const char *host)
{
    const char *end;
    if (*host == '[') {
        end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':'))
            return NULL;
        host++;
    } else {
        end = strchr(host, ':');
        if (!end)
            end = host + strlen(host);
        if (end > host && end[-1] == '.')
            end--;
    }
    return end > host ? g_ascii_strdown(host, end - host) : NULL;
}

bool guard_host(const char *host, char *const *names)
{
    g_autofree char *name = host_name(host);
    if (!name)
        return false;
    if (!strcmp(name, "localhost") || g_hostname_is_ip_address(name))
        return true;
    for (; names && *names; names++)
        if (!g_ascii_strcasecmp(name, *names))
            return true;
    return false;
}

/* "host:port" with the scheme's own port left out; g_free. */
static char *authority(const char *text, const char *default_port)
{
    char *copy = g_ascii_strdown(text, -1);
    if (g_str_has_suffix(copy, default_port))
        copy[strlen(copy) - strlen(default_port)] = 0;
    return copy;
}

bool guard_origin(const char *origin, const char *host)
{
    const char *port = g_str_has_prefix(origin, "https://") ? ":443" : ":80";
    const char *rest = strstr(origin, "://");
    if (!rest)
        return false; /* "null" */
    g_autofree char *from = authority(rest + 3, port);
    g_autofree char *to = authority(host, port);
    return !strcmp(from, to);
}

static void digest_of(const char *text, size_t length, guint8 digest[32])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize bytes = 32;
    g_checksum_update(sum, (const guchar *)text, (gssize)length);
    g_checksum_get_digest(sum, digest, &bytes);
}

char *guard_token_read(const char *path, guard_token *token)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error))
        return g_strdup(error->message);
    text[strcspn(text, "\r\n")] = 0;
    size_t length = strlen(text);
    if (length < 16)
        return g_strdup_printf(
            "%s: its first line, the token, has %zu characters; it takes at least 16, for example of "
            "'openssl rand -hex 32'",
            path, length);
    for (const char *c = text; *c; c++)
        if (!g_ascii_isgraph(*c))
            return g_strdup_printf("%s: the token has a space or a character beyond ASCII; use letters and digits",
                                   path);
    digest_of(text, length, token->digest);
    return NULL;
}

bool guard_token_matches(const guard_token *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    guint8 digest[32], differ = 0;
    if (!authorization || g_ascii_strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    digest_of(given, strlen(given), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        differ |= (guint8)(digest[i] ^ token->digest[i]);
    return !differ;
}
