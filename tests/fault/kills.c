/* SPDX-License-Identifier: Apache-2.0 */
/* kills.c - ends processes at random moments: what they were changing must be the old or the new file, complete, and
 * the next run must work.
 *
 *     kills PROGRAM RENDERER MODEL [--kills N] [--seed S]
 *
 * Half of the moments are spread evenly over the time of the command. The other half aim at the writing: the folder is
 * watched, and the signal comes up to 3 ms after its first, second or third change. SIGKILL, SIGTERM and SIGINT take
 * turns. After each:
 *
 *   - the bank equals, byte for byte, the bank before or the bank of an undisturbed command;
 *   - SIGTERM and SIGINT ended the process as those signals do (or came too late), and left no temporary file;
 *   - the next run of the same command finishes, and no temporary file is left (checked if there was one, and every 8th time).
 *
 * eval is killed up to three times before it may finish; then figures, scores, maps and pictures equal those of an
 * undisturbed run. */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_S 60.0 /* of a child that is not killed */
#define STOP_S 20.0  /* of one that was asked to stop */

static const int signals[] = {SIGKILL, SIGTERM, SIGINT};
static const char *const signal_names[] = {"SIGKILL", "SIGTERM", "SIGINT"};

static struct counts {
    size_t kills[3], too_late, old_left, new_left, temporary_left, resumed;
    double slowest_stop_s;
} here, total;

/* The k-th change of the watched folder, k from 1 to 3 (a bank is created, written, renamed; eval writes many files), and up to 3 ms more,
 * or a moment of the whole time.  Waits for a random moment of a command; false where the child has ended before. */
static bool wait_for_moment(pid_t child, dice *d, double seconds, int watch, bool at_writing)
{
    if (!at_writing)
        return !child_ends_within(child, dice_share(d) * seconds * 1.05);
    size_t events = dice_roll(d) % 3;
    double until = now_s() + LIMIT_S, after = dice_share(d) * 0.003;
    while (now_s() < until) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        char buffer[4096];
        if (poll(&p, 1, 20) > 0 && read(watch, buffer, sizeof buffer) > 0 && events-- == 0)
            return !child_ends_within(child, after);
        if (child_ends_within(child, 0))
            return false;
    }
    return false;
}

static void drain(int watch)
{
    char buffer[4096];
    while (read(watch, buffer, sizeof buffer) > 0)
        ;
}

/* Ends a child at a random moment with the next signal in turn, and looks how it ended.  *which: index of the signal. */
static ended end_child(pid_t child, dice *d, double seconds, int watch, bool at_writing, size_t which)
{
    if (!wait_for_moment(child, d, seconds, watch, at_writing))
        here.too_late++;
    kill(child, signals[which]); /* a child that is not waited for keeps its number */
    double at = now_s();
    ended e = child_wait(child, STOP_S);
    if (which > 0 && now_s() - at > here.slowest_stop_s)
        here.slowest_stop_s = now_s() - at;
    here.kills[which]++;
    if (e.hung)
        test_fault("%s: the process does not stop", signal_names[which]);
    else if (e.signalled ? e.code != signals[which] : e.code != 0)
        test_fault("%s: ended with %s: %s", signal_names[which], ended_text(&e), first_line("err.txt"));
    return e;
}

/* Which of the whole banks is in the folder: 0 the old one, i the i-th of the new ones, -1 neither. */
static int bank_is(const blob *const *new_banks, size_t n)
{
    blob is = blob_read(BANK);
    int found = blob_same(&is, &old_bank) ? 0 : -1;
    for (size_t i = 0; i < n && found < 0; i++)
        if (blob_same(&is, new_banks[i]))
            found = (int)i + 1;
    blob_free(&is);
    return found;
}

static void look_at_bank(int found, const char *name, size_t which)
{
    if (found < 0)
        test_fault("%s, %s: the bank is neither the old one nor the new one", name, signal_names[which]);
    here.old_left += found == 0;
    here.new_left += found > 0;
}

/* before: how many a SIGKILL of the same file had left. */
static void look_at_temporaries(const char *folder, size_t before, size_t which)
{
    size_t n = count_named(folder, TEMPORARY), more = n > before ? n - before : 0;
    if (more && which)
        test_fault("%s left %zu temporary files", signal_names[which], more);
    here.temporary_left += more;
}

static void kill_command(command *c, dice *d, int watch, size_t turn)
{
    fixture_reset();
    drain(watch);
    size_t which = turn % 3;
    end_child(child_start(c->argv, NULL, 0), d, c->seconds, watch, turn / 3 % 2, which);
    const blob *new_bank = &c->expected;
    look_at_bank(bank_is(&new_bank, 1), c->name, which);
    look_at_temporaries("w", 0, which);
    if (!count_named("w", TEMPORARY) && turn % 8)
        return;
    must_write(BANK, &old_bank); /* the next run, beside what the dead one left */
    ended e = child_run(c->argv, NULL, LIMIT_S);
    if (e.hung || e.signalled || e.code)
        test_fault("the next %s: %s: %s", c->name, ended_text(&e), first_line("err.txt"));
    if (bank_is(&new_bank, 1) != 1)
        test_fault("the next %s made another bank", c->name);
    if (count_files("w") != 1)
        test_fault("%zu files beside the bank after the next %s", count_files("w") - 1, c->name);
    here.resumed++;
}

/* Two processes add a picture each; one is killed.  The other adds its own, whatever the first had reached. */
static void kill_one_of_two(dice *d, int watch, size_t turn, const blob *const banks[4])
{
    fixture_reset();
    drain(watch);
    size_t which = turn % 3;
    pid_t first = child_start(commands[ADD].argv, NULL, 0), second = child_start(add_other_argv, NULL, 2);
    end_child(first, d, 2 * commands[ADD].seconds, watch, turn / 3 % 2, which);
    ended e = child_wait(second, LIMIT_S);
    if (e.hung || e.signalled || e.code)
        test_fault("the other bank add: %s: %s", ended_text(&e), first_line("err2.txt"));
    int found = bank_is(banks, 4);
    if (found < 2)
        test_fault("%s: the other's addition is %s", signal_names[which], found < 0 ? "in no whole bank" : "lost");
    here.old_left += found == 2;
    here.new_left += found > 2;
    look_at_temporaries("w", 0, which);
    fixture_reset();
}

static void make_pairs(blob *one, blob *two, blob *one_two, blob *two_one)
{
    *one = commands[ADD].expected;
    fixture_reset();
    must_run(add_other_argv);
    *two = blob_read(BANK);
    must_run(commands[ADD].argv);
    *two_one = blob_read(BANK);
    fixture_reset();
    must_run(commands[ADD].argv);
    must_run(add_other_argv);
    *one_two = blob_read(BANK);
}

/* The log of what was done; how often it was stopped may be seen there. */
static const char *const logs[] = {"state.jsonl", NULL};

static size_t kill_eval(dice *d, size_t turn, double seconds, size_t left)
{
    remove_tree(EVAL);
    mkdir(EVAL, 0777);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    inotify_add_watch(watch, EVAL, IN_CREATE | IN_MODIFY);
    size_t kills = 1 + turn % 3;
    if (kills > left)
        kills = left;
    for (size_t i = 0; i < kills; i++) {
        size_t which = (turn + i) % 3;
        size_t before = count_named(EVAL, TEMPORARY);
        drain(watch);
        end_child(child_start(eval_argv, NULL, 0), d, seconds, watch, (turn + i) % 2, which);
        look_at_temporaries(EVAL, before, which);
    }
    close(watch);
    ended e = child_run(eval_argv, NULL, LIMIT_S);
    if (e.hung || e.signalled || e.code)
        test_fault("eval after %zu kills: %s: %s", kills, ended_text(&e), first_line("err.txt"));
    const char *other = first_difference("whole", EVAL, logs);
    if (other)
        test_fault("eval after %zu kills: %s is not what it is without", kills, other);
    if (count_files(EVAL) != count_files("whole"))
        test_fault("eval after %zu kills: %zu files where there should be %zu", kills, count_files(EVAL),
                   count_files("whole"));
    here.resumed++;
    return kills;
}

static void close_counts(size_t *done)
{
    size_t kills = here.kills[0] + here.kills[1] + here.kills[2];
    printf("%zu kills (%zu SIGKILL, %zu SIGTERM, %zu SIGINT; %zu came after the end): old bank %zu times, new bank %zu "
           "times; %zu temporary "
           "files left by SIGKILL; %zu next runs; slowest stop %.2f s\n",
           kills, here.kills[0], here.kills[1], here.kills[2], here.too_late, here.old_left, here.new_left,
           here.temporary_left, here.resumed, here.slowest_stop_s);
    *done += kills;
    for (int i = 0; i < 3; i++)
        total.kills[i] += here.kills[i];
    total.too_late += here.too_late;
    total.temporary_left += here.temporary_left;
    total.resumed += here.resumed;
    if (here.slowest_stop_s > total.slowest_stop_s)
        total.slowest_stop_s = here.slowest_stop_s;
    here = (struct counts){0};
    test_end();
}

int main(int argc, char **argv)
{
    size_t n = 40, done = 0;
    dice d = {1};
    if (argc < 4) {
        fprintf(stderr, "usage: kills PROGRAM RENDERER MODEL [--kills N] [--seed S]\n");
        return 2;
    }
    for (int i = 4; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--kills"))
            n = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--seed"))
            d.state = strtoul(argv[i + 1], NULL, 10);
    }
    double started = now_s();
    static const char *program, *renderer, *model; /* live until the end */
    program = must_find(argv[1]);
    renderer = must_find(argv[2]);
    model = must_find(argv[3]);
    work_folder();
    fixture_make(program, renderer, model);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    inotify_add_watch(watch, "w", IN_CREATE | IN_MODIFY | IN_MOVED_FROM);
    enum { SCENES = N_COMMANDS + 2 };
    for (size_t scene = 0; scene < SCENES; scene++) {
        size_t kills = n * (scene + 1) / SCENES - n * scene / SCENES;
        char name[64];
        snprintf(name, sizeof name, "kills: %s",
                 scene < N_COMMANDS    ? commands[scene].name
                 : scene == N_COMMANDS ? "two bank add at once"
                                       : "eval");
        test_begin(name);
        if (scene < N_COMMANDS) {
            for (size_t i = 0; i < kills; i++)
                kill_command(&commands[scene], &d, watch, i);
        } else if (scene == N_COMMANDS) {
            static blob pairs[4]; /* as all else here, until the end */
            make_pairs(&pairs[0], &pairs[1], &pairs[2], &pairs[3]);
            const blob *const banks[4] = {&pairs[0], &pairs[1], &pairs[2], &pairs[3]};
            for (size_t i = 0; i < kills; i++)
                kill_one_of_two(&d, watch, i, banks);
        } else {
            double began = now_s();
            must_run(eval_argv);
            double seconds = now_s() - began;
            if (rename(EVAL, "whole") != 0)
                test_fault("eval wrote nothing");
            for (size_t i = 0, left = kills; left; i++)
                left -= kill_eval(&d, i, seconds, left);
        }
        close_counts(&done);
    }
    printf("%zu kills in %.0f s (%zu SIGKILL, %zu SIGTERM, %zu SIGINT; %zu after the end), %zu temporary files left by "
           "SIGKILL and removed by the "
           "next run, slowest stop %.2f s: %s\n",
           done, now_s() - started, total.kills[0], total.kills[1], total.kills[2], total.too_late,
           total.temporary_left, total.slowest_stop_s, test_result() ? "FAULTS" : "nothing lost");
    return test_result();
}
