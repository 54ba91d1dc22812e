/* SPDX-License-Identifier: Apache-2.0 */
/* banks.h - the banks of a folder, opened once and shared by all threads. */
#ifndef DP_CLI_SERVICE_BANKS_H
#define DP_CLI_SERVICE_BANKS_H

#include "../view.h"

#define BANK_NAME_BYTES 64

/* Letters, digits, '.', '_' and '-', a letter or digit first, at most 64: so that a name is a file name and nothing else. */
bool bank_name_is_valid(const char *name);

/* A network that banks share. */
typedef struct shared_network {
    gint references;
    char sha256[65];
    dp_network *network;
} shared_network;

/* One bank as it was opened; it never changes.  Another file of that name makes another one. */
typedef struct served_bank {
    gint references;
    char *name, *path;
    char *broken; /* why it cannot be used; NULL: it can, and then all that follows is there */
    char sha256[65];
    gint64 bytes, changed_ns; /* of the file */
    guint64 inode;
    dp_bank *bank;
    dp_bank_details details;
    shared_network *network;
    cli_view view; /* the bank's own way of scoring */
} served_bank;

typedef struct banks banks;

/* All NAME.bank of the folder.  A bank that cannot be used stays in the list, with the reason.  run: threads, limits; copied.
 * Banks are opened from copies without a name in the folder `copies`, which no write into a bank's file reaches. */
banks *banks_open(const char *folder, const char *copies, const dp_run *run);
void banks_close(banks **opened);
/* Looks at the folder again: changed files are opened anew, and those that are gone are forgotten. */
void banks_rescan(banks *b);
/* The bank of that name; NULL: there is none.  Give it back by served_bank_drop. */
served_bank *banks_get(banks *b, const char *name);
void served_bank_drop(served_bank *bank);
/* All, by name; g_ptr_array_unref gives them back. */
GPtrArray *banks_list(banks *b);
/* dp_bank_open in the same way, for who changes a bank. */
dp_status banks_read(const banks *b, const char *path, dp_bank **bank, dp_error *err);
/* DIR/NAME.bank; g_free. */
char *banks_path(const banks *b, const char *name);
/* Takes a bank out of the folder: it lies in `removed` beside the folder afterwards.  Errors: DP_E_IO. */
dp_status banks_remove(banks *b, const char *name, dp_error *err);

#endif
