/* signals.c - Ctrl-C asks the work to stop at its next step; files are then left as they were. */
#include "cli.h"

#include <signal.h>

static volatile sig_atomic_t caught;

static void note(int signal_number)
{
    caught = signal_number;
}

void cli_signals_catch(void)
{
    /* SA_RESETHAND: a second Ctrl-C ends the process at once, as ever. */
    struct sigaction action = {.sa_handler = note, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, and said as one */
    signal(SIGXFSZ, SIG_IGN); /* so is a file-size limit */
}

bool cli_interrupted(void)
{
    return caught != 0;
}

void cli_signals_reraise(void)
{
    if (!caught)
        return;
    signal(caught, SIG_DFL);
    raise(caught);
}
