/* SPDX-License-Identifier: Apache-2.0 */
/* injections.c - lets each call of a kind fail in turn, in every command: the command must report it and leave nothing
 * half done.
 *
 *     injections PROGRAM RENDERER MODEL SHIM [--runs N] [--kind K] [--command C]
 *
 * Kinds: alloc (no memory), ENOSPC, EIO (write, sync, rename, open, mkdir, close), EINTR, SHORT (a write takes half of
 * the bytes). With alloc+, ENOSPC+ and EIO+ every call from the n-th on fails. --runs N tries at most N calls of each
 * kind and command, spread evenly; without it all are tried. After each:
 *
 *   - the process ended by itself, in time, with exit code 0, 1 or 4, and with a message if it is not 0;
 *   - code 0: everything is as if nothing had failed, to the byte; code 1 (a picture was left out): the bank is complete;
 *     code 4: the bank is the old one, or already the new one if only its report failed;
 *   - no temporary file is left, and all files of inspect and eval so far are complete;
 *   - an interrupted or short call changes nothing at all. */
#include "fixture.h"
#include "shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_S 60.0

static struct fault_report *report;
static const char *shim_path;
static size_t most_runs; /* 0: all */

static const struct kind {
    const char *name, *value;
    bool on, harmless;
} kinds[] = {
    {"alloc", "alloc", false, false},   {"alloc+", "alloc", true, false}, {"ENOSPC", "ENOSPC", false, false},
    {"ENOSPC+", "ENOSPC", true, false}, {"EIO", "EIO", false, false},     {"EIO+", "EIO", true, false},
    {"EINTR", "EINTR", false, true},    {"SHORT", "SHORT", false, true},
};

/* What is run, and what it leaves. */
struct job {
    const char *name;
    const char *const *argv;
    const blob *bank;           /* a command that changes the bank: what it makes */
    const char *folder, *whole; /* one that fills a folder, and the folder as it should be */
};

static ended run_with(const struct job *job, const struct kind *kind, size_t at)
{
    char preload[512], name[64], number[64];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", shim_path);
    snprintf(name, sizeof name, "FAULT_KIND=%s", kind->value);
    snprintf(number, sizeof number, "FAULT_AT=%zu", at);
    const char *environment[] = {preload, name, number, "FAULT_REPORT=report", kind->on ? "FAULT_ON=1" : NULL, NULL};
    memset(report, 0, sizeof *report);
    return child_run(job->argv, environment, LIMIT_S);
}

static void begin_anew(const struct job *job)
{
    fixture_reset();
    if (job->folder) {
        remove_tree(job->folder);
        mkdir(job->folder, 0777);
    }
}

static const char *const logs[] = {"state.jsonl", NULL};
static const char *const not_whole[] = {"state.jsonl", "resume.bank", NULL};

/* Names what is wrong after a run; NULL where nothing is. */
static const char *judge(const struct job *job, const struct kind *kind, const ended *e)
{
    static char text[5000];
    if (e->hung || e->signalled)
        return ended_text(e);
    if (e->code != 0 && (kind->harmless || (e->code != 1 && e->code != 4))) {
        snprintf(text, sizeof text, "exit %d", e->code);
        return text;
    }
    blob said = blob_read("err.txt");
    bool silent = !said.data || !said.bytes;
    blob_free(&said);
    if (e->code && silent)
        return "failed without a word";
    blob is = blob_read(BANK);
    bool old = blob_same(&is, &old_bank), new_one = job->bank && blob_same(&is, job->bank);
    blob_free(&is);
    if (e->code == 0 && job->bank && !new_one)
        return "exit 0, and another bank than it should be";
    if (e->code != 1 && !old && !new_one)
        return "the bank is neither the old one nor the new one";
    if (!old && !new_one) {
        const char *verify[] = {job->argv[0], "bank", "verify", BANK, NULL};
        ended v = child_run(verify, NULL, LIMIT_S);
        if (v.signalled || v.code)
            return "a picture was left out, and the bank is not whole";
    }
    if (count_files("w") != 1)
        return "a temporary file is left beside the bank";
    if (!job->folder)
        return NULL;
    if (count_named(job->folder, TEMPORARY))
        return "a temporary file is left in the folder";
    const char *other = first_difference(job->folder, job->whole, not_whole);
    if (other && (e->code == 0 || !strstr(other, ".json"))) { /* lists of what was done tell of the failure */
        snprintf(text, sizeof text, "%s is not whole", other);
        return text;
    }
    if (e->code == 0 && (other = first_difference(job->whole, job->folder, logs))) {
        snprintf(text, sizeof text, "exit 0, and %s is missing or another", other);
        return text;
    }
    return NULL;
}

static void count_outcome(size_t outcomes[3], const ended *e)
{
    outcomes[e->code == 0 ? 0 : e->code == 1 ? 1 : 2]++;
}

static void go_on(const struct job *job, size_t at)
{
    ended e = child_run(job->argv, NULL, LIMIT_S);
    const char *other =
        e.hung || e.signalled || e.code ? ended_text(&e) : first_difference(job->whole, job->folder, logs);
    if (other)
        test_fault("%s, run again after call %zu (%s): %s", job->name, at, report->where, other);
}

static void inject(const struct job *job, const struct kind *kind)
{
    begin_anew(job);
    ended e = run_with(job, kind, 0);
    const char *wrong = judge(job, kind, &e);
    size_t calls = report->calls, runs = 0, unfired = 0, outcomes[3] = {0};
    if (wrong || !calls)
        test_fault("%s without a failure: %s", job->name, wrong ? wrong : "no calls are seen");
    size_t step = most_runs && calls > most_runs ? (calls + most_runs - 1) / most_runs : 1;
    for (size_t at = 1 + (step > 1 ? step / 2 : 0); at <= calls; at += step, runs++) {
        begin_anew(job);
        e = run_with(job, kind, at);
        unfired += !report->fired;
        wrong = judge(job, kind, &e);
        if (wrong)
            test_fault("%s, %s call %zu of %zu (%s): %s: %s", job->name, kind->name, at, calls, report->where, wrong,
                       first_line("err.txt"));
        else
            count_outcome(outcomes, &e);
        if (job->argv == eval_argv && e.code && runs % 4 == 0)
            go_on(job, at);
    }
    printf("%-13s %5zu of %5zu calls: exit 0 %zu times, 1 %zu, 4 %zu%s", job->name, runs, calls, outcomes[0],
           outcomes[1], outcomes[2], unfired ? "" : "\n");
    if (unfired)
        printf(" (%zu were not reached)\n", unfired);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: injections PROGRAM RENDERER MODEL SHIM [--runs N] [--kind K] [--command C]\n");
        return 2;
    }
    const char *only = NULL, *only_command = NULL;
    for (int i = 5; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--runs"))
            most_runs = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--kind"))
            only = argv[i + 1];
        else if (!strcmp(argv[i], "--command"))
            only_command = argv[i + 1];
    }
    const char *program = must_find(argv[1]), *renderer = must_find(argv[2]), *model = must_find(argv[3]);
    shim_path = must_find(argv[4]);
    work_folder();
    fixture_make(program, renderer, model);
    int fd = open("report", O_RDWR | O_CREAT, 0666);
    if (fd < 0 || ftruncate(fd, sizeof *report) != 0
        || (report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        return 1;

    struct job jobs[N_COMMANDS + 3];
    for (int i = 0; i < N_COMMANDS; i++)
        jobs[i] = (struct job){.name = commands[i].name, .argv = commands[i].argv, .bank = &commands[i].expected};
    jobs[N_COMMANDS] = (struct job){.name = "inspect", .argv = inspect_argv, .folder = "i", .whole = "whole-i"};
    jobs[N_COMMANDS + 1] = (struct job){.name = "eval", .argv = eval_argv, .folder = EVAL, .whole = "whole-e"};
    jobs[N_COMMANDS + 2] = (struct job){.name = "report", .argv = report_argv, .folder = "r", .whole = "whole-r"};
    for (int i = N_COMMANDS; i < N_COMMANDS + 3; i++) {
        must_run(jobs[i].argv);
        if (rename(jobs[i].folder, jobs[i].whole) != 0)
            return 1;
    }
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (only && strcmp(only, kinds[k].name) != 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "faults: %s", kinds[k].name);
        test_begin(name);
        for (size_t i = 0; i < N_COMMANDS + 3; i++)
            if (!only_command || !strcmp(only_command, jobs[i].name))
                inject(&jobs[i], &kinds[k]);
        test_end();
    }
    return test_result();
}
