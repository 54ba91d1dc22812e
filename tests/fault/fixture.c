/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "@" stands for the program, "%" for the checkpoint. */
command commands[N_COMMANDS] = {
    [FIT] = {"fit",
             {"@", "fit", "--quiet", "--threads", "1", "--model", "%", "--canvas", "56x56", "--overwrite", "--bank",
              BANK, GOOD, NULL},
             {0},
             0},
    [ADD] = {"bank add",
             {"@", "bank", "add", "--quiet", "--threads", "1", "--model", "%", "--bank", BANK, "one.png", NULL},
             {0},
             0},
    [REMOVE] = {"bank remove",
                {"@", "bank", "remove", "--quiet", "--threads", "1", "--bank", BANK, "001.png", NULL},
                {0},
                0},
    [COMPRESS] = {"bank compress",
                  {"@", "bank", "compress", "--quiet", "--threads", "1", "--pca", "0.9", "--storage", "f16", BANK,
                   "--out", BANK, NULL},
                  {0},
                  0},
    [MERGE] = {"bank merge",
               {"@", "bank", "merge", "--quiet", "--threads", "1", BANK, "second.bank", "--out", BANK, NULL},
               {0},
               0},
    [CALIBRATE] = {"calibrate",
                   {"@", "calibrate", "--quiet", "--threads", "1", "--bank", BANK, "--fpr", "0.3", "--score", "max",
                    NULL},
                   {0},
                   0},
    [TUNE] = {"tune",
              {"@", "tune", "--quiet", "--threads", "1", "--model", "%", "--bank", BANK, "--good",
               "pics/screw/test/good", "--bad", "pics/screw/test/bent_tip", "--bad", "pics/screw/test/missing_washer",
               "--trials", "200", "--force", NULL},
              {0},
              0},
};

const char *eval_argv[] = {"@",        "eval",  "--quiet", "--threads", "1",          "--model", "%",
                           "--canvas", "56x56", "--out",   EVAL,        "pics/screw", NULL};
const char *inspect_argv[] = {"@", "inspect",     "--quiet", "--json", "--threads",       "1", "--model", "%", "--bank",
                              OLD, "--overwrite", "--out",   "i",      "pics/screw/test", NULL};
const char *report_argv[] = {"@", "report", "whole-e", "--overwrite", "--out", "r/report.html", NULL};
const char *add_other_argv[] = {"@",       "bank", "add",    "--quiet", "--threads", "1",
                                "--model", "%",    "--bank", BANK,      "two.png",   NULL};
blob old_bank;

static void fill_in(const char **argv, const char *program, const char *model)
{
    for (; *argv; argv++) {
        if (!strcmp(*argv, "@"))
            *argv = program;
        else if (!strcmp(*argv, "%"))
            *argv = model;
    }
}

static void must_render(const char *renderer, const char *folder, const char *seed, const char *train)
{
    const char *argv[] = {renderer, folder, "--set", "screw", "--size", "112", "--train", train,
                          "--good", "2",    "--bad", "3",     "--seed", seed,  NULL};
    must_run(argv);
}

static void must_fit(const char *program, const char *model, const char *bank, const char *pictures)
{
    const char *argv[] = {program,    "fit",   "--quiet", "--threads", "1",      "--model", model,
                          "--canvas", "56x56", "--bank",  bank,        pictures, NULL};
    must_run(argv);
}

void fixture_reset(void)
{
    remove_named("w", TEMPORARY);
    must_write(BANK, &old_bank);
}

void fixture_make(const char *program, const char *renderer, const char *model)
{
    for (int i = 0; i < N_COMMANDS; i++)
        fill_in(commands[i].argv, program, MODEL);
    fill_in(eval_argv, program, MODEL);
    fill_in(inspect_argv, program, MODEL);
    fill_in(report_argv, program, MODEL);
    fill_in(add_other_argv, program, MODEL);
    must_copy(model, MODEL);
    model = MODEL;
    if (mkdir("w", 0777) || mkdir("r", 0777)) {
        perror("mkdir");
        exit(1);
    }
    must_render(renderer, "pics", "1", "5");
    must_render(renderer, "others", "3", "2");
    must_fit(program, model, OLD, GOOD);
    must_fit(program, model, "second.bank", "others/screw/train/good");
    must_copy("pics/screw/test/good/000.png", "one.png");
    must_copy("pics/screw/test/good/001.png", "two.png");
    const char *remove_one[] = {program, "bank", "remove", "--quiet", "--bank", OLD, "004.png", NULL};
    must_run(remove_one); /* so that fitting anew makes another bank than the old one */
    old_bank = blob_read(OLD);
    for (int i = 0; i < N_COMMANDS; i++) {
        fixture_reset();
        double started = now_s();
        must_run(commands[i].argv);
        commands[i].seconds = now_s() - started;
        commands[i].expected = blob_read(BANK);
        if (blob_same(&commands[i].expected, &old_bank)) {
            printf("cannot go on: %s changes nothing\n", commands[i].name);
            exit(1);
        }
    }
    fixture_reset();
}
