/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - small pictures, a small network, and commands that change a bank, each in a fraction of a second. */
#ifndef FAULT_FIXTURE_H
#define FAULT_FIXTURE_H

#include "harness.h"

#define BANK "w/part.bank" /* what the commands change; the only file in its folder */
#define MODEL "m.safetensors"
#define OLD "old.bank" /* what it is before */
#define EVAL "e"       /* where eval writes */
#define GOOD "pics/screw/train/good"

typedef struct command {
    const char *name;
    const char *argv[24];
    blob expected;  /* BANK after a run that nothing disturbed */
    double seconds; /* how long that took */
} command;

enum { FIT, ADD, REMOVE, COMPRESS, MERGE, CALIBRATE, TUNE, N_COMMANDS };
extern command commands[N_COMMANDS];
extern const char *eval_argv[], *inspect_argv[], *report_argv[], *add_other_argv[];
extern blob old_bank;

/* Makes all of it in the current folder; program, renderer and model are absolute paths. */
void fixture_make(const char *program, const char *renderer, const char *model);
/* BANK as it was before, nothing beside it. */
void fixture_reset(void);

#endif
