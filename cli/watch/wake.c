/* SPDX-License-Identifier: Apache-2.0 */
/* wake.c - signals as wishes. */
#include "wake.h"

#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static gint stopping, reloading;
static int event = -1;
static sigset_t wishes;

static void *listen(void *unused)
{
    for (;;) {
        int signal_number;
        if (sigwait(&wishes, &signal_number) != 0)
            continue;
        if (signal_number == SIGHUP) {
            g_atomic_int_set(&reloading, 1);
        } else if (g_atomic_int_add(&stopping, 1) > 0) {
            signal(signal_number, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, &wishes, NULL);
            raise(signal_number);
        }
        wake_up();
    }
    return NULL;
}

void wake_begin(void)
{
    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sigemptyset(&wishes);
    sigaddset(&wishes, SIGINT);
    sigaddset(&wishes, SIGTERM);
    sigaddset(&wishes, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &wishes, NULL);
    g_thread_unref(g_thread_new("signals", listen, NULL));
}

int wake_fd(void)
{
    return event;
}

void wake_up(void)
{
    uint64_t one = 1;
    ssize_t written = write(event, &one, sizeof one);
    (void)written; /* it is readable already */
}

bool wake_stop(void)
{
    return g_atomic_int_get(&stopping) != 0;
}

bool wake_reload(void)
{
    return g_atomic_int_compare_and_exchange(&reloading, 1, 0);
}

void wake_clear(void)
{
    uint64_t n;
    ssize_t got = read(event, &n, sizeof n);
    (void)got;
}

void wake_wait(int fd, int most_ms)
{
    struct pollfd fds[] = {{.fd = event, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    poll(fds, 2, most_ms);
    wake_clear();
}
