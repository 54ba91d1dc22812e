/* SPDX-License-Identifier: Apache-2.0 */
/* banks.c - the banks of a folder. */
#include "banks.h"
#include "fault.h"
#include "log.h"
#include "memory_picture.h"
#include "nameless.h"
#include "../models.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

struct banks {
    char *folder, *copies;
    dp_run run;
    GMutex lock; /* of the table */
    GHashTable *by_name;
    GMutex opening; /* of networks: one thread opens files at a time */
    GPtrArray *networks;
};

bool bank_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    if (!length || length > BANK_NAME_BYTES || !g_ascii_isalnum(*name))
        return false;
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("._-", *c))
            return false;
    return true;
}

static void network_drop(shared_network *network)
{
    if (network && g_atomic_int_dec_and_test(&network->references)) {
        dp_network_close(&network->network);
        g_free(network);
    }
}

void served_bank_drop(served_bank *bank)
{
    if (!bank || !g_atomic_int_dec_and_test(&bank->references))
        return;
    cli_view_free(&bank->view);
    dp_bank_close(&bank->bank);
    network_drop(bank->network);
    g_free(bank->broken);
    g_free(bank->path);
    g_free(bank->name);
    g_free(bank);
}

static void drop(gpointer bank)
{
    served_bank_drop(bank);
}

/* The network of a bank: one that is open already, or opened now. */
static shared_network *network_of(banks *b, const dp_bank_details *details)
{
    for (guint i = 0; i < b->networks->len; i++) {
        shared_network *open = b->networks->pdata[i];
        if (!strcmp(open->sha256, details->model_sha256)) {
            g_atomic_int_inc(&open->references);
            return open;
        }
    }
    dp_network *network;
    int code;
    if (!cli_model_open_for_bank(NULL, details, &network, &code))
        return NULL;
    shared_network *opened = g_new0(shared_network, 1);
    opened->references = 2; /* the list's and the bank's */
    opened->network = network;
    g_strlcpy(opened->sha256, details->model_sha256, sizeof opened->sha256);
    g_ptr_array_add(b->networks, opened);
    return opened;
}

static dp_status open_all(banks *b, served_bank *bank, dp_error *err)
{
    dp_status status = nameless_bank_open(b->copies, bank->path, &bank->bank, bank->sha256, err);
    if (status)
        return status;
    dp_bank_get_details(bank->bank, &bank->details);
    bank->view.threshold = NAN;
    status = cli_view_make(bank->bank, &bank->details.recipe, NULL, &b->run, &bank->view, err);
    if (!status && !(bank->network = network_of(b, &bank->details)))
        status = service_fail(err, DP_E_IO,
                              "the checkpoint that it was made with, %s, is not on this machine; the log of the "
                              "service says where it was looked for",
                              bank->details.model_path);
    return status;
}

static served_bank *open_bank(banks *b, const char *name, const GStatBuf *about)
{
    served_bank *bank = g_new0(served_bank, 1);
    dp_error err;
    bank->references = 1;
    bank->name = g_strdup(name);
    bank->path = banks_path(b, name);
    bank->bytes = about->st_size;
    bank->changed_ns = (gint64)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec;
    bank->inode = about->st_ino;
    g_mutex_lock(&b->opening);
    dp_status status = open_all(b, bank, &err);
    g_mutex_unlock(&b->opening);
    if (status) {
        name_in_place_of(bank->path, name, &err);
        bank->broken = cli_spelled(err.message);
        log_line(LOG_LEVEL_ERROR, "bank %s cannot be used: %s", name, bank->broken);
    }
    return bank;
}

dp_status banks_read(const banks *b, const char *path, dp_bank **bank, dp_error *err)
{
    return nameless_bank_open(b->copies, path, bank, NULL, err);
}

char *banks_path(const banks *b, const char *name)
{
    return g_strdup_printf("%s/%s.bank", b->folder, name);
}

static bool is_same(const served_bank *bank, const GStatBuf *about)
{
    return bank->bytes == about->st_size && bank->inode == about->st_ino
           && bank->changed_ns == (gint64)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec;
}

/* Brings one name up to date with the folder. */
static void refresh(banks *b, const char *name)
{
    g_autofree char *path = banks_path(b, name);
    GStatBuf about;
    bool there = g_stat(path, &about) == 0 && S_ISREG(about.st_mode);
    served_bank *now = banks_get(b, name), *opened = NULL;
    if (there && !(now && is_same(now, &about)))
        opened = open_bank(b, name, &about);
    g_mutex_lock(&b->lock);
    if (opened)
        g_hash_table_replace(b->by_name, opened->name, opened);
    else if (!there)
        g_hash_table_remove(b->by_name, name);
    g_mutex_unlock(&b->lock);
    served_bank_drop(now);
}

void banks_rescan(banks *b)
{
    GPtrArray *known = banks_list(b), *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < known->len; i++)
        g_ptr_array_add(names, g_strdup(((served_bank *)known->pdata[i])->name));
    g_ptr_array_unref(known);
    GDir *dir = g_dir_open(b->folder, 0, NULL);
    for (const char *file; dir && (file = g_dir_read_name(dir));) {
        if (!g_str_has_suffix(file, ".bank"))
            continue;
        char *name = g_strndup(file, strlen(file) - strlen(".bank"));
        if (bank_name_is_valid(name)) {
            g_ptr_array_add(names, name);
        } else {
            log_line(LOG_LEVEL_WARNING,
                     "%s/%s is left out: a bank's name has letters, digits, '.', '_' and '-' only, at most %d",
                     b->folder, file, BANK_NAME_BYTES);
            g_free(name);
        }
    }
    if (dir)
        g_dir_close(dir);
    for (guint i = 0; i < names->len; i++)
        refresh(b, names->pdata[i]);
    g_ptr_array_unref(names);
}

banks *banks_open(const char *folder, const char *copies, const dp_run *run)
{
    banks *b = g_new0(banks, 1);
    b->folder = g_strdup(folder);
    b->copies = g_strdup(copies);
    b->run = *run;
    g_mutex_init(&b->lock);
    g_mutex_init(&b->opening);
    b->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, drop);
    b->networks = g_ptr_array_new();
    banks_rescan(b);
    return b;
}

void banks_close(banks **opened)
{
    banks *b = *opened;
    *opened = NULL;
    if (!b)
        return;
    g_hash_table_unref(b->by_name);
    for (guint i = 0; i < b->networks->len; i++)
        network_drop(b->networks->pdata[i]);
    g_ptr_array_unref(b->networks);
    g_mutex_clear(&b->lock);
    g_mutex_clear(&b->opening);
    g_free(b->copies);
    g_free(b->folder);
    g_free(b);
}

served_bank *banks_get(banks *b, const char *name)
{
    g_mutex_lock(&b->lock);
    served_bank *bank = g_hash_table_lookup(b->by_name, name);
    if (bank)
        g_atomic_int_inc(&bank->references);
    g_mutex_unlock(&b->lock);
    return bank;
}

static int by_name(const void *a, const void *b)
{
    const served_bank *const *one = a, *const *two = b;
    return strcmp((*one)->name, (*two)->name);
}

GPtrArray *banks_list(banks *b)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(drop);
    GHashTableIter iter;
    gpointer bank;
    g_mutex_lock(&b->lock);
    g_hash_table_iter_init(&iter, b->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &bank)) {
        g_atomic_int_inc(&((served_bank *)bank)->references);
        g_ptr_array_add(list, bank);
    }
    g_mutex_unlock(&b->lock);
    g_ptr_array_sort(list, by_name);
    return list;
}

dp_status banks_remove(banks *b, const char *name, dp_error *err)
{
    g_autofree char *path = banks_path(b, name);
    g_autofree char *removed = g_strdup_printf("%s/../removed", b->folder);
    g_autofree char *to = g_strdup_printf("%s/%s-%" G_GINT64_FORMAT ".bank", removed, name, g_get_real_time());
    if (g_mkdir_with_parents(removed, 0700) != 0 || g_rename(path, to) != 0)
        return service_fail(err, DP_E_IO, "bank %s cannot be moved to the folder 'removed': %s", name,
                            g_strerror(errno));
    refresh(b, name);
    return DP_OK;
}
