/* signals.c - Ctrl-C asks the work to stop at its next step; files are then left as they were. */
#include "cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

/* A mapped file was cut short by somebody who wrote to it in place: what is missing cannot be read, and no result can be made of the
 * rest.  Files get their names when they are whole, so nothing is lost by ending here. */
static void cut_short(int signal_number, siginfo_t *info, void *context)
{
    static const char text[] = "dinopatch: a file was cut short while it was being read (the bank, the checkpoint or a picture); stopped\n";
    if (info->si_code != BUS_ADRERR) {
        signal(signal_number, SIG_DFL); /* broken memory: the instruction is tried again and ends the process */
        return;
    }
    ssize_t said = write(STDERR_FILENO, text, sizeof text - 1);
    (void)said; /* there is nobody left to tell */
    _exit(EXIT_JOB_FAILED);
}

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
    struct sigaction bus = {.sa_sigaction = cut_short, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &bus, NULL);
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
