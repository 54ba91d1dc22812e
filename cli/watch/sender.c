/* SPDX-License-Identifier: Apache-2.0 */
/* sender.c - sends the messages of the journal to one place. */
#include "sender.h"
#include "../service/log.h"

#include <string.h>

#define LONGEST_WAIT_S 60

struct sender {
    sender_settings settings;
    GThread *thread;
    GMutex lock;
    GCond changed;
    int64_t n_waiting, n_dropped;
    bool closing, ended;
    gint stop;
};

struct taken {
    int64_t id;
    char *kind, *body;
};

static void take(void *user, const journal_message *message)
{
    struct taken *taken = user;
    *taken = (struct taken){message->id, g_strdup(message->kind), g_strdup(message->body)};
}

/* True: it has arrived, or there is none. */
static bool send_oldest(sender *s, dp_error *err)
{
    const sender_settings *settings = &s->settings;
    struct taken taken = {0};
    if (journal_oldest(settings->journal, settings->target, take, &taken, err))
        return false;
    bool sent = true;
    if (taken.body) {
        const journal_message message = {taken.id, settings->target, taken.kind, taken.body};
        sent = settings->deliver(settings->user, &message, &s->stop, err)
               && !journal_sent(settings->journal, taken.id, err);
    }
    g_mutex_lock(&s->lock);
    if (!taken.body)
        s->n_waiting = 0;
    else if (sent && s->n_waiting > 0)
        s->n_waiting--;
    g_mutex_unlock(&s->lock);
    g_free(taken.kind);
    g_free(taken.body);
    return sent;
}

/* With the lock. */
static void wait_after_fault(sender *s, int wait_s)
{
    gint64 end_us = g_get_monotonic_time() + wait_s * G_TIME_SPAN_SECOND;
    while (!s->closing && g_cond_wait_until(&s->changed, &s->lock, end_us))
        continue;
}

static void *work(void *user)
{
    sender *s = user;
    int wait_s = 0;
    for (;;) {
        g_mutex_lock(&s->lock);
        while (!s->n_waiting && !s->closing)
            g_cond_wait(&s->changed, &s->lock);
        bool over = s->closing && (!s->n_waiting || g_atomic_int_get(&s->stop));
        g_mutex_unlock(&s->lock);
        if (over)
            break;
        dp_error err;
        if (send_oldest(s, &err)) {
            if (wait_s)
                log_line(LOG_LEVEL_INFO, "%s: messages arrive again", s->settings.shown);
            wait_s = 0;
            continue;
        }
        wait_s = wait_s ? MIN(2 * wait_s, LONGEST_WAIT_S) : 1;
        g_mutex_lock(&s->lock);
        over = s->closing;
        if (!over)
            log_line(LOG_LEVEL_WARNING, "%s: %s; tried again in %d s", s->settings.shown, err.message, wait_s);
        wait_after_fault(s, wait_s);
        g_mutex_unlock(&s->lock);
        if (over)
            break;
    }
    g_mutex_lock(&s->lock);
    s->ended = true;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
    return NULL;
}

dp_status sender_open(const sender_settings *settings, sender **opened, dp_error *err)
{
    int64_t n;
    dp_status status = journal_count(settings->journal, settings->target, &n, err);
    if (status)
        return status;
    sender *s = g_new0(sender, 1);
    s->settings = *settings;
    s->n_waiting = n;
    g_mutex_init(&s->lock);
    g_cond_init(&s->changed);
    if (n)
        log_line(LOG_LEVEL_INFO, "%s: %" G_GINT64_FORMAT " messages of an earlier run are sent first", settings->shown,
                 n);
    s->thread = g_thread_new("send", work, s);
    *opened = s;
    return DP_OK;
}

void sender_came(sender *s, size_t n)
{
    g_mutex_lock(&s->lock);
    s->n_waiting += (int64_t)n;
    bool full = s->n_waiting > s->settings.most;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
    int64_t dropped;
    dp_error err;
    if (!full || journal_drop(s->settings.journal, s->settings.target, s->settings.most, &dropped, &err) || !dropped)
        return;
    g_mutex_lock(&s->lock);
    s->n_waiting = MAX(0, s->n_waiting - dropped);
    bool first = !s->n_dropped;
    s->n_dropped += dropped;
    int64_t in_all = s->n_dropped;
    g_mutex_unlock(&s->lock);
    if (first || in_all % 1000 == 0)
        log_line(LOG_LEVEL_ERROR,
                 "%s: %" G_GINT64_FORMAT " messages wait already; the oldest are dropped, %" G_GINT64_FORMAT
                 " so far; see to it that they arrive, or raise --spool",
                 s->settings.shown, s->settings.most, in_all);
}

void sender_close(sender **opened, int drain_s)
{
    sender *s = *opened;
    *opened = NULL;
    if (!s)
        return;
    gint64 end_us = g_get_monotonic_time() + drain_s * G_TIME_SPAN_SECOND;
    g_mutex_lock(&s->lock);
    s->closing = true;
    g_cond_broadcast(&s->changed);
    while (!s->ended && g_cond_wait_until(&s->changed, &s->lock, end_us))
        continue;
    g_atomic_int_set(&s->stop, 1);
    g_mutex_unlock(&s->lock);
    g_thread_join(s->thread);
    if (s->n_waiting || s->n_dropped)
        log_line(LOG_LEVEL_WARNING,
                 "%s: %" G_GINT64_FORMAT " messages wait for the next start, %" G_GINT64_FORMAT " were dropped",
                 s->settings.shown, s->n_waiting, s->n_dropped);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->changed);
    g_free(s);
}
