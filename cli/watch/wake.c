/* SPDX-License-Identifier: Apache-2.0 */
/* wake.c - signals as requests. */
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
static sigset_t signals;

static void *listen(void *unused)
{
    for (;;) {
        int signal_number;
        if (sigwait(&signals, &signal_number) != 0)
            continue;
        if (signal_number == SIGHUP) {
            g_atomic_int_set(&reloading, 1);
        } else if (g_atomic_int_add(&stopping, 1) > 0) {
            signal(signal_number, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
            raise(signal_number);
        }
        const uint64_t one = 1;
        ssize_t written = write(event, &one, sizeof one);
        (void)written; /* it is readable already */
    }
    return NULL;
}

void wake_begin(void)
{
    event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    g_thread_unref(g_thread_new("signals", listen, NULL));
}

bool wake_stop(void)
{
    return g_atomic_int_get(&stopping) != 0;
}

bool wake_reload(void)
{
    return g_atomic_int_compare_and_exchange(&reloading, 1, 0);
}

void wake_wait(int fd, int most_ms)
{
    struct pollfd fds[] = {{.fd = event, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t n;
    poll(fds, 2, most_ms);
    ssize_t got = read(event, &n, sizeof n);
    (void)got;
}
