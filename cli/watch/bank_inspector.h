/* SPDX-License-Identifier: Apache-2.0 */
/* bank_inspector.h - one bank and all that inspects pictures by it, as `inspect` does, to the bit. */
#ifndef DP_CLI_WATCH_BANK_INSPECTOR_H
#define DP_CLI_WATCH_BANK_INSPECTOR_H

#include "../inspect_rows.h"
#include "../view.h"

typedef struct bank_inspector_settings {
    const char *bank, *model; /* model NULL: the one the bank was made with */
    const char *folder;       /* for a copy of the bank without a name */
    double threshold;         /* NaN: the bank's */
    dp_run run;
} bank_inspector_settings;

typedef struct bank_inspector {
    char *name; /* of the bank: its file's, without .bank */
    char sha256[65];
    dp_bank *bank;
    dp_bank_details details;
    dp_network *network;
    cli_view view;
    dp_session *session;
    dp_inspector *inspector;
    dp_run run;
} bank_inspector;

/* NULL: *code, complained. */
bank_inspector *bank_inspector_open(const bank_inspector_settings *settings, int *code);
void bank_inspector_close(bank_inspector **opened);

/* What was found out about one picture. */
typedef struct bank_inspection {
    cli_row row;          /* without files that were written */
    dp_picture *picture;  /* NULL: it could not be read */
    dp_picture *loaded;   /* the same where it was read here; bank_inspection_clear frees it */
    char *fault;          /* or NULL */
    GPtrArray *explained; /* empty */
} bank_inspection;

/* A file, or a picture (NULL: the file is read) that is called `name`.  row.result holds until the next call. */
void bank_inspector_run(bank_inspector *b, const char *name, dp_picture *picture, bank_inspection *made);
void bank_inspection_clear(bank_inspection *made);

#endif
