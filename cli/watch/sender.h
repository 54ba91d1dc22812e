/* SPDX-License-Identifier: Apache-2.0 */
/* sender.h - sends the messages of the journal to one place, in their order, each until it has arrived: at least once, also after a kill. */
#ifndef DP_CLI_WATCH_SENDER_H
#define DP_CLI_WATCH_SENDER_H

#include "journal.h"

/* Called from the sender's thread.  stop: non-zero once there is no more time; a long wait looks at it.  False: *err, it is tried again. */
typedef bool (*sender_deliver_fn)(void *user, const journal_message *message, const gint *stop, dp_error *err);

typedef struct sender_settings {
    journal *journal;
    const char *target; /* of its messages */
    const char *shown;  /* how messages to the user call the place */
    int64_t most;       /* messages that may wait; the oldest are dropped, which is said */
    sender_deliver_fn deliver;
    void *user;
} sender_settings;

typedef struct sender sender;

/* Begins with what an earlier run left.  Errors: DP_E_IO. */
dp_status sender_open(const sender_settings *settings, sender **opened, dp_error *err);
/* n messages were written to the journal. */
void sender_came(sender *s, size_t n);
/* Sends on for at most so long; what is left waits for the next run, which is said. */
void sender_close(sender **opened, int drain_s);

#endif
