/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c - Ctrl-C asks the work to stop at its next step; files then stay unchanged.
 *
 * A step may be long (decoding a picture, a matrix product, a disk that does not answer), so a thread waits beside the
 * work. If the work has not stopped after GRACE_MS, or a second signal comes, the thread removes the temporary files
 * that are open and ends the process by the signal. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 300

static volatile sig_atomic_t caught, n_caught;
static sem_t came;
static void (*given_up)(void);

/* Another process shortened a mapped file in place. The missing part cannot be read, and no result can be made of the
 * rest. Outputs get their names only when they are whole, so ending here loses nothing. */
static void cut_short(int signal_number, siginfo_t *info, void *context)
{
    static const char text[] =
        "dinopatch: a file was cut short while it was being read (the bank, the checkpoint or a picture); stopped\n";
    if (info->si_code != BUS_ADRERR) {
        signal(signal_number, SIG_DFL); /* memory is faulty: the instruction runs again and ends the process */
        return;
    }
    ssize_t said = write(STDERR_FILENO, text, sizeof text - 1);
    (void)said; /* there is nobody left to tell */
    _exit(EXIT_JOB_FAILED);
}

static void note(int signal_number)
{
    int error = errno;
    caught = signal_number;
    n_caught = n_caught + 1;
    if (n_caught > 1)
        signal(signal_number, SIG_DFL); /* a third signal ends the process at once */
    sem_post(&came);
    errno = error;
}

/* Removes what a writer of this process would have removed: files called NAME.dinopatch-tmpN that are open for
 * writing. */
static void remove_temporary_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) { /* NOLINT(concurrency-mt-unsafe): a folder of this thread's own */
        char link[64], path[4096];
        struct stat open_file, named;
        snprintf(link, sizeof link, "/proc/self/fd/%.20s", entry->d_name);
        ssize_t n = readlink(link, path, sizeof path - 1);
        if (n <= 0)
            continue;
        path[n] = '\0';
        const char *suffix = strstr(path, ".dinopatch-tmp");
        if (suffix && strlen(suffix) == sizeof ".dinopatch-tmp0" - 1 && stat(link, &open_file) == 0
            && lstat(path, &named) == 0 && open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino)
            unlink(path);
    }
}

/* Ends the process by the signal, from any thread. */
G_GNUC_NORETURN static void end_by(int signal_number)
{
    sigset_t only;
    signal(signal_number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

static void *watch(void *unused)
{
    while (sem_wait(&came) != 0) {
    }
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += GRACE_MS * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000L;
    end.tv_nsec %= 1000000000L;
    while (sem_timedwait(&came, &end) != 0 && errno == EINTR) {
    }
    remove_temporary_files();
    given_up();
    end_by(caught);
}

/* A signal that was ignored when the program started stays ignored: nohup, and background jobs of a shell without job
 * control. */
static void catch (int signal_number)
{
    struct sigaction before, action = {.sa_handler = note, .sa_flags = SA_RESTART};
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(signal_number, &action, NULL);
}

void cli_signals_catch(void (*at_end)(void))
{
    given_up = at_end;
    struct sigaction bus = {.sa_sigaction = cut_short, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &bus, NULL);
    sigset_t all, before;
    pthread_t watcher;
    sem_init(&came, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the watcher itself takes no signal */
    bool watched = pthread_create(&watcher, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!watched)
        return; /* there is no thread: signals end the process at once, as they would without us */
    pthread_detach(watcher);
    catch (SIGINT);
    catch (SIGTERM);
    catch (SIGHUP);
}

bool cli_interrupted(void)
{
    return caught != 0;
}

void cli_signals_reraise(void)
{
    if (!caught)
        return;
    fflush(stdout);
    fflush(stderr);
    end_by(caught);
}
