/* SPDX-License-Identifier: Apache-2.0 */
/* judge.h - one bank and all that judges pictures by it; as `inspect` does, to the bit. */
#ifndef DP_CLI_WATCH_JUDGE_H
#define DP_CLI_WATCH_JUDGE_H

#include "../inspect_rows.h"
#include "../view.h"

typedef struct judge_settings {
    const char *bank, *model; /* model NULL: the one the bank was made with */
    const char *folder;       /* for a copy of the bank without a name */
    double threshold;         /* NaN: the bank's */
    dp_run run;
} judge_settings;

typedef struct judge {
    char *name; /* of the bank: its file's, without .bank */
    char sha256[65];
    dp_bank *bank;
    dp_bank_details details;
    dp_network *network;
    cli_view view;
    dp_session *session;
    dp_inspector *inspector;
    dp_run run;
} judge;

/* NULL: *code, complained. */
judge *judge_open(const judge_settings *settings, int *code);
void judge_close(judge **opened);

/* What was found out about one picture. */
typedef struct judgement {
    cli_row row;          /* without files that were written */
    dp_picture *picture;  /* NULL: it could not be read */
    dp_picture *loaded;   /* the same where it was read here; judgement_clear frees it */
    char *fault;          /* or NULL */
    GPtrArray *explained; /* empty */
} judgement;

/* A file, or a picture (NULL: the file is read) that is called `name`.  row.result holds until the next call. */
void judge_picture(judge *j, const char *name, dp_picture *picture, judgement *made);
void judgement_clear(judgement *made);

#endif
