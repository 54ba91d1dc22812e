/* SPDX-License-Identifier: Apache-2.0 */
/* streams.c - standard output and standard error, as people and pipes need them.
 *
 * Descriptors 0 to 2 are always open, so that no file of the program gets one of these numbers. All bytes written to
 * standard output arrive: the program waits for a slow reader (EAGAIN) and does not complain about one that is gone
 * (EPIPE). On a terminal the bar is erased before a line of results is printed. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int error;         /* errno of the first failed write to standard output */
    bool one_terminal; /* both streams go to the same terminal */
    bool pipe_ignored; /* whoever started the program ignores SIGPIPE */
} streams;

/* Writes all bytes, across interrupts and slow readers. False: errno; a stop by the user counts as an error. */
static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n);
        if (done >= 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (cli_interrupted())
                return false;
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, 200);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* cookie_write_function_t */
static ssize_t write_output(void *cookie, const char *bytes, size_t n)
{
    if (streams.one_terminal)
        cli_progress_hide();
    if (write_all(STDOUT_FILENO, bytes, n))
        return (ssize_t)n;
    if (!streams.error)
        streams.error = errno;
    return 0; /* 0 means error for a stream of this kind */
}

static ssize_t write_messages(void *cookie, const char *bytes, size_t n)
{
    write_all(STDERR_FILENO, bytes, n); /* if it fails, there is nobody to tell */
    return (ssize_t)n;
}

static bool same_terminal(int a, int b)
{
    struct stat x, y;
    return isatty(a) && isatty(b) && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_rdev == y.st_rdev;
}

void cli_streams_begin(void)
{
    /* open() takes the lowest free descriptor, which is the closed one. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            _exit(EXIT_JOB_FAILED);
    struct sigaction before;
    streams.pipe_ignored = sigaction(SIGPIPE, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
    signal(SIGPIPE, SIG_IGN); /* writing to a closed pipe fails instead; files are finished first */
    signal(SIGXFSZ, SIG_IGN); /* the same for a file-size limit */
    streams.one_terminal = same_terminal(STDOUT_FILENO, STDERR_FILENO);
    FILE *output = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_output});
    FILE *messages = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_messages});
    if (!output || !messages)
        _exit(EXIT_JOB_FAILED);
    setvbuf(output, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, 65536);
    setvbuf(messages, NULL, _IOLBF, 4096);
    stdout = output;
    stderr = messages;
}

bool cli_output_good(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    static bool said;
    if (!said && streams.error != EPIPE && !cli_interrupted())
        cli_complain("standard output: cannot write: %s", g_strerror(streams.error ? streams.error : errno));
    said = true;
    return false;
}

int cli_streams_end(int code)
{
    bool good = cli_output_good();
    fflush(stderr);
    if (!good && streams.error == EPIPE && !streams.pipe_ignored) { /* end as any filter ends whose reader has gone */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return good ? code : EXIT_JOB_FAILED;
}
