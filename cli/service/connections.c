/* SPDX-License-Identifier: Apache-2.0 */
/* connections.c - the open connections and how long each may take.
 *
 * Cutting off is shutdown(): the connection's own thread sees the end of the stream and cleans up. */
#include "connections.h"

#include <sys/socket.h>

#define WAIT_S 30               /* for a head, kept-alive connections included */
#define GRACE_S 30              /* for a body or an answer, and beyond it */
#define LEAST_BYTES_PER_S 16384 /* it has to move so fast */
#define FRESH_US 500000         /* a new connection has a request on its way */
#define STREAM_S 3600           /* of events; a client connects again */

struct connection {
    connection *next, *before;
    int fd;
    connection_state state;
    gint64 since_us, until_us; /* until 0: no end */
    bool cut;
};

struct connections {
    GMutex lock;
    connection *first; /* the newest */
    size_t n, most;    /* n: those that are not cut off */
    void (*on_cut)(void *user);
    void *user;
};

connections *connections_new(size_t most, void (*on_cut)(void *user), void *user)
{
    connections *all = g_new0(connections, 1);
    g_mutex_init(&all->lock);
    all->most = most;
    all->on_cut = on_cut;
    all->user = user;
    return all;
}

void connections_free(connections **all)
{
    if (!*all)
        return;
    g_mutex_clear(&(*all)->lock);
    g_free(*all);
    *all = NULL;
}

static void cut(connections *all, connection *one)
{
    if (one->cut)
        return;
    one->cut = true;
    all->n--;
    shutdown(one->fd, SHUT_RDWR);
    all->on_cut(all->user);
}

static gint64 time_for(connection_state state, size_t bytes)
{
    switch (state) {
    case CONNECTION_WAITING: return WAIT_S;
    case CONNECTION_WORKING: return 0; /* that is the service's own time */
    case CONNECTION_STREAMING: return STREAM_S;
    default: return GRACE_S + (gint64)(bytes / LEAST_BYTES_PER_S);
    }
}

static void set(connection *one, connection_state state, size_t bytes)
{
    gint64 seconds = time_for(state, bytes);
    one->state = state;
    one->since_us = g_get_monotonic_time();
    one->until_us = seconds ? one->since_us + seconds * G_USEC_PER_SEC : 0;
}

/* Where three of four places are taken, the one that has waited longest for its request goes. */
static void make_room(connections *all)
{
    connection *longest = NULL;
    if (4 * all->n < 3 * all->most)
        return;
    for (connection *one = all->first; one; one = one->next)
        if (!one->cut && (one->state == CONNECTION_WAITING || one->state == CONNECTION_RECEIVING)
            && (!longest || one->since_us < longest->since_us))
            longest = one;
    if (longest)
        cut(all, longest);
}

connection *connections_add(connections *all, int fd)
{
    connection *one = g_new0(connection, 1);
    one->fd = fd;
    set(one, CONNECTION_WAITING, 0);
    g_mutex_lock(&all->lock);
    make_room(all);
    one->next = all->first;
    if (one->next)
        one->next->before = one;
    all->first = one;
    if (++all->n > all->most) /* all others are at work */
        cut(all, one);
    g_mutex_unlock(&all->lock);
    return one;
}

void connections_remove(connections *all, connection *one)
{
    g_mutex_lock(&all->lock);
    if (one->before)
        one->before->next = one->next;
    else
        all->first = one->next;
    if (one->next)
        one->next->before = one->before;
    all->n -= !one->cut;
    g_mutex_unlock(&all->lock);
    g_free(one);
}

void connections_set(connections *all, connection *one, connection_state state, size_t bytes)
{
    g_mutex_lock(&all->lock);
    set(one, state, bytes);
    g_mutex_unlock(&all->lock);
}

void connections_check(connections *all)
{
    gint64 now = g_get_monotonic_time();
    g_mutex_lock(&all->lock);
    for (connection *one = all->first; one; one = one->next)
        if (one->until_us && now > one->until_us)
            cut(all, one);
    g_mutex_unlock(&all->lock);
}

size_t connections_drain(connections *all)
{
    size_t others = 0;
    g_mutex_lock(&all->lock);
    for (connection *one = all->first; one; one = one->next) {
        bool waits = one->state == CONNECTION_WAITING && g_get_monotonic_time() - one->since_us > FRESH_US;
        if (waits || one->state == CONNECTION_STREAMING)
            shutdown(one->fd, SHUT_RDWR);
        else
            others++;
    }
    g_mutex_unlock(&all->lock);
    return others;
}
