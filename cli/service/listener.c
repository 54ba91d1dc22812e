/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c - the address that the service listens on. */
#include "listener.h"
#include "fault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof four);
        return ntohl(four.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 six;
    memcpy(&six, address, sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

static char *name_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&address, &bytes)
        || getnameinfo((struct sockaddr *)&address, bytes, host, sizeof host, port, sizeof port,
                       NI_NUMERICHOST | NI_NUMERICSERV))
        return g_strdup("?");
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static dp_status open_at(const char *text, const struct addrinfo *at, listener *l, dp_error *err)
{
    int yes = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd >= 0 && at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (fd < 0 || bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, 128)) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return service_fail(err, DP_E_IO, "cannot listen on %s: %s%s", text, g_strerror(error),
                            error == EADDRINUSE ? "; another program does, or give another port" : "");
    }
    l->fd = fd;
    l->loopback = is_loopback(at->ai_addr);
    l->name = name_of(fd);
    return DP_OK;
}

dp_status listener_open(const char *text, listener *l, dp_error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    guint64 port = colon ? g_ascii_strtoull(colon + 1, &end, 10) : 0;
    if (!colon || colon == text || !g_ascii_isdigit(colon[1]) || *end || port > 65535)
        return service_fail(err, DP_E_ARGUMENT, "--listen %s: give ADDRESS:PORT, like 127.0.0.1:8080 or [::]:8080",
                            text);
    g_autofree char *host = *text == '[' && colon[-1] == ']' ? g_strndup(text + 1, (gsize)(colon - text) - 2)
                                                             : g_strndup(text, (gsize)(colon - text));
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code)
        return service_fail(err, DP_E_ARGUMENT, "--listen %s: %s is no address of this machine: %s", text, host,
                            gai_strerror(code));
    dp_status status = open_at(text, found, l, err);
    freeaddrinfo(found);
    return status;
}
