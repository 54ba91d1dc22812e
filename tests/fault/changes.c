/* SPDX-License-Identifier: Apache-2.0 */
/* changes.c - cuts, lengthens, overwrites or removes a file while a command reads it: the bank, the checkpoint, a
 * picture.
 *
 *     changes PROGRAM RENDERER MODEL SHIM [SCENE]      SCENE: only scenes whose name contains it
 *
 * The change happens right after each of the program's first accesses to the file (map, read, size and time), in turn.
 * After each change:
 *
 *   - the process ended by itself, in time, with exit code 0, 1 or 4, and with a message if it is not 0;
 *   - bank and checkpoint: code 0 only if results and files equal those of an undisturbed run, to the byte;
 *   - picture: the result of a mixture depends on the decoder, but the program continues with the other pictures;
 *   - the bank that fit and bank add write is the old one or the new one (or, if a picture changed, a complete one), and
 *     there is no other file beside it. */
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
#define LOOKS 8 /* at most so many moments of each file */

static struct fault_report *report;
static const char *shim_path;

struct scene {
    const char *name, *file;
    const char *const *argv;
    const blob *bank; /* of one that changes BANK */
    bool picture;
};

static blob printed; /* by an undisturbed inspect */

static ended run_with(const struct scene *s, const char *kind, size_t at)
{
    char preload[512], name[64], number[64], file[128];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", shim_path);
    snprintf(name, sizeof name, "FAULT_KIND=%s", kind);
    snprintf(number, sizeof number, "FAULT_AT=%zu", at);
    snprintf(file, sizeof file, "FAULT_FILE=%s", s->file);
    const char *environment[] = {preload, name, number, file, "FAULT_REPORT=report", NULL};
    memset(report, 0, sizeof *report);
    fixture_reset();
    remove_tree("i");
    return child_run(s->argv, environment, LIMIT_S);
}

static bool printed_the_same(void)
{
    blob is = blob_read("out.txt");
    blob_forget_times(&is);
    bool same = blob_same(&is, &printed);
    blob_free(&is);
    return same;
}

/* A checkpoint that vanishes before its full path is asked for is named in the bank as it was given. */
static const char *judge(const struct scene *s, const char *kind, const ended *e)
{
    bool another_path = !strcmp(s->file, MODEL) && !strcmp(kind, "GONE");
    if (e->hung || e->signalled || (e->code != 0 && e->code != 1 && e->code != 4))
        return ended_text(e);
    if (e->code && !*first_line("err.txt"))
        return "failed without a word";
    if (s->picture && e->code == 4)
        return "the other pictures are not looked at";
    if (!s->bank)
        return e->code || s->picture || (printed_the_same() && !first_difference("whole-i", "i", NULL))
                   ? NULL
                   : "exit 0, and other results";
    blob is = blob_read(BANK);
    bool old = blob_same(&is, &old_bank), new_one = blob_same(&is, s->bank);
    blob_free(&is);
    if (count_named("w", TEMPORARY))
        return "there is a temporary file beside the bank";
    if (e->code == 0 && !new_one && !s->picture && !another_path)
        return "exit 0, and another bank";
    if (old || new_one)
        return NULL;
    const char *verify[] = {s->argv[0], "bank", "verify", BANK, NULL};
    ended v = child_run(verify, NULL, LIMIT_S);
    return (s->picture || another_path) && !v.signalled && !v.code ? NULL : "the bank is not whole";
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {"CUT", "GROW", "SWAP", "GONE"};
    static const char *const words[] = {"cut in half", "grows", "written over", "vanishes"};
    if (argc < 5) {
        fprintf(stderr, "usage: changes PROGRAM RENDERER MODEL SHIM [SCENE]\n");
        return 2;
    }
    const char *program = must_find(argv[1]), *renderer = must_find(argv[2]), *model = must_find(argv[3]);
    shim_path = must_find(argv[4]);
    work_folder();
    fixture_make(program, renderer, model);
    int fd = open("report", O_RDWR | O_CREAT, 0666);
    if (fd < 0 || ftruncate(fd, sizeof *report) != 0
        || (report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        return 1;
    must_run(inspect_argv);
    printed = blob_read("out.txt");
    blob_forget_times(&printed);
    if (rename("i", "whole-i") != 0)
        return 1;
    const struct scene scenes[] = {
        {"inspect, its bank", OLD, inspect_argv, NULL, false},
        {"inspect, its checkpoint", MODEL, inspect_argv, NULL, false},
        {"inspect, a picture", "pics/screw/test/bent_tip/000.png", inspect_argv, NULL, true},
        {"fit, its checkpoint", MODEL, commands[FIT].argv, &commands[FIT].expected, false},
        {"fit, a picture", GOOD "/002.png", commands[FIT].argv, &commands[FIT].expected, true},
        {"bank add, its bank", BANK, commands[ADD].argv, &commands[ADD].expected, false},
        {"bank merge, the other bank", "second.bank", commands[MERGE].argv, &commands[MERGE].expected, false},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        const struct scene *s = &scenes[i];
        if (argc > 5 && !strstr(s->name, argv[5]))
            continue;
        size_t outcomes[3] = {0};
        char name[96];
        snprintf(name, sizeof name, "changes: %s", s->name);
        test_begin(name);
        must_copy(s->file, "original");
        ended e = run_with(s, "CUT", 0);
        size_t looks = report->calls;
        if (!looks || e.code || judge(s, "CUT", &e))
            test_fault("undisturbed: %s, %zu looks", ended_text(&e), looks);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            for (size_t at = 1; at <= looks && at <= LOOKS; at++) {
                e = run_with(s, kinds[k], at);
                const char *wrong = judge(s, kinds[k], &e);
                if (wrong && s->bank && !strcmp(s->file, BANK) && e.code == 4)
                    wrong = NULL; /* it is the old bank itself that was changed, by somebody else */
                if (wrong)
                    test_fault("%s at look %zu of %zu (%s): %s: %s", words[k], at, looks, report->where, wrong,
                               first_line("err.txt"));
                else
                    outcomes[e.code == 4 ? 2 : e.code]++;
                unlink(s->file);
                must_copy("original", s->file);
                char gone[128];
                snprintf(gone, sizeof gone, "%s.gone", s->file);
                unlink(gone);
            }
        printf("%zu looks: exit 0 %zu times, 1 %zu, 4 %zu\n", looks, outcomes[0], outcomes[1], outcomes[2]);
        test_end();
    }
    return test_result();
}
