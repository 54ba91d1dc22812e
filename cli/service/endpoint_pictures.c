/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_pictures.c - the good pictures of a bank: which looks least good, how it looks, and away with it. */
#include "memory_picture.h"
#include "routes.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <string.h>

#define ID_BYTES 17 /* of a picture: the first 16 digits of its digest */

/* What a picture is called in a path: by its pixels, so that it stays the same when others go. */
static void picture_id(const dp_bank *bank, size_t picture, char id[ID_BYTES])
{
    const unsigned char *digest = dp_bank_picture_digest(bank, picture);
    if (!digest)
        g_snprintf(id, ID_BYTES, "n%zu", picture);
    for (size_t i = 0; digest && i < 8; i++)
        g_snprintf(id + 2 * i, 3, "%02x", digest[i]);
}

/* The picture of the route's second part; SIZE_MAX: answered. */
static size_t find_picture(request *r, const served_bank *bank)
{
    char id[ID_BYTES];
    for (size_t i = 0; i < bank->details.n_pictures; i++) {
        picture_id(bank->bank, i, id);
        if (!strcmp(id, r->part[1]))
            return i;
    }
    reply_problem(r, 404, "bank %s has no picture of that id; GET /v1/banks/%s/pictures lists them", bank->name,
                  bank->name);
    return SIZE_MAX;
}

static char *file_of(const request *r, const served_bank *bank, size_t picture)
{
    const service *s = r->service;
    g_autofree char *file = ledger_picture_file(s->ledger, bank->name, dp_bank_picture_name(bank->bank, picture));
    return file ? g_build_filename(s->good_pictures, file, NULL) : NULL;
}

void get_pictures(request *r)
{
    served_bank *bank = request_bank(r);
    if (!bank)
        return;
    size_t n = bank->details.n_pictures, *order = g_new(size_t, n + 1);
    double *z = g_new(double, n + 1);
    dp_error err;
    json_t *list = json_array();
    dp_status status = dp_bank_suspects(bank->bank, order, z, &err);
    GHashTable *kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *files = NULL;
    if (!status)
        status = ledger_pictures(r->service->ledger, bank->name, 0, &files, &err);
    for (guint i = 0; !status && i < files->len; i++)
        g_hash_table_add(kept, g_strdup(((const ledger_picture *)files->pdata[i])->name));
    for (size_t i = 0; !status && i < n; i++) {
        char id[ID_BYTES];
        const char *name = dp_bank_picture_name(bank->bank, order[i]);
        picture_id(bank->bank, order[i], id);
        cli_json_append(list, cli_json_pack("{s:s, s:o, s:o, s:o, s:b}", "id", id, "name", cli_json_text(name), "score",
                                            cli_json_real(dp_bank_picture_score(bank->bank, order[i])), "robust_z",
                                            cli_json_real(z[i]), "kept", g_hash_table_contains(kept, name)));
    }
    if (status) {
        json_decref(list);
        reply_fault(r, &err);
    } else {
        reply_json(
            r, 200,
            cli_json_pack("{s:o, s:o}", "threshold", cli_json_real(bank->view.view.threshold), "pictures", list));
    }
    if (files)
        g_ptr_array_unref(files);
    g_hash_table_unref(kept);
    g_free(order);
    g_free(z);
    served_bank_drop(bank);
}

/* What the picture never changes for: its id is its pixels'. */
static void reply_picture(request *r, GBytes *bytes, const char *type)
{
    reply_bytes(r, 200, bytes, type);
    reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "private, max-age=86400");
}

static void not_kept(request *r, const served_bank *bank)
{
    reply_problem(r, 404, "this picture of bank %s is not kept here: it was learned elsewhere, or made room for others",
                  bank->name);
}

void get_picture(request *r)
{
    served_bank *bank = request_bank(r);
    size_t picture = bank ? find_picture(r, bank) : SIZE_MAX;
    if (picture != SIZE_MAX) {
        g_autofree char *path = file_of(r, bank, picture);
        char *data;
        gsize bytes;
        if (path && g_file_get_contents(path, &data, &bytes, NULL))
            reply_picture(r, g_bytes_new_take(data, bytes), picture_media_type(data, bytes));
        else
            not_kept(r, bank);
    }
    served_bank_drop(bank);
}

static dp_status write_jpeg(const void *what, const char *path, dp_error *err)
{
    return dp_picture_save_jpeg(what, path, err);
}

void get_thumbnail(request *r)
{
    int64_t size = 192;
    dp_error err;
    if (!request_number(r, "size", 16, 1024, &size))
        return;
    served_bank *bank = request_bank(r);
    size_t picture = bank ? find_picture(r, bank) : SIZE_MAX;
    if (picture != SIZE_MAX) {
        const dp_picture_options options = {.max_pixels = r->service->settings.run.max_picture_pixels,
                                            .white = bank->details.recipe.sample_white};
        g_autofree char *path = file_of(r, bank, picture);
        dp_picture *whole = NULL, *small = NULL;
        GBytes *bytes = NULL;
        if (!path || named_picture_load(path, "picture", &options, &whole, NULL, NULL))
            not_kept(r, bank);
        else if (picture_shrink(whole, (size_t)size, &small, &err)
                 || bytes_written(r->service->folder, write_jpeg, small, &bytes, &err))
            reply_fault(r, &err);
        else
            reply_picture(r, bytes, "image/jpeg");
        dp_picture_free(&small);
        dp_picture_free(&whole);
    }
    served_bank_drop(bank);
}

void delete_picture(request *r)
{
    served_bank *bank = request_bank(r);
    size_t picture = bank ? find_picture(r, bank) : SIZE_MAX;
    int64_t id;
    dp_error err;
    if (picture != SIZE_MAX && bank->details.n_pictures == 1) {
        reply_problem(r, 409, "this is the only picture of bank %s; delete the bank instead", bank->name);
    } else if (picture != SIZE_MAX) {
        json_t *settings = cli_json_pack("{s:o}", "name", cli_json_text(dp_bank_picture_name(bank->bank, picture)));
        char *text = cli_json_dumped(settings, JSON_COMPACT);
        if (ledger_add_job(r->service->ledger, JOB_REMOVE, bank->name, text, NULL, &id, &err))
            reply_problem(r, 503, "the job could not be taken: %s", err.message);
        else
            reply_job(r, id);
        free(text);
        json_decref(settings);
    }
    served_bank_drop(bank);
}
