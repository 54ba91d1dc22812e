/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_uploads.c - good pictures in, a job out.  A picture is on the disk before it is accepted. */
#include "kept.h"
#include "memory_picture.h"
#include "multipart.h"
#include "routes.h"
#include "../feedback.h"

#include <glib/gstdio.h>
#include <string.h>

#define NAME_BYTES 128

struct upload {
    request *r;
    const char *bank;
    const served_bank *existing; /* to which pictures are added; NULL: none */
    GHashTable *names;           /* taken in this request */
    GPtrArray *pictures;         /* ledger_picture */
    json_t *options;             /* key -> text */
    bool allow_few;
};

/* The last part of a path, without what could break a line or a page. */
static char *plain_name(const char *file)
{
    const char *slash = strrchr(file, '/'), *back = strrchr(file, '\\');
    const char *last = MAX(slash, back) ? MAX(slash, back) + 1 : file;
    g_autofree char *valid = g_utf8_make_valid(last, -1);
    for (char *c = valid; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '_';
    if (strlen(valid) > NAME_BYTES) {
        const char *end = g_utf8_find_prev_char(valid, valid + NAME_BYTES);
        valid[end ? end - valid : 0] = 0;
    }
    return g_strdup(*valid && strcmp(valid, ".") != 0 && strcmp(valid, "..") != 0 ? valid : "picture");
}

static bool is_taken(const struct upload *u, const char *name)
{
    if (g_hash_table_contains(u->names, name))
        return true;
    if (!u->existing)
        return false;
    for (size_t i = 0; i < u->existing->details.n_pictures; i++)
        if (!strcmp(dp_bank_picture_name(u->existing->bank, i), name))
            return true;
    return ledger_has_name(u->r->service->ledger, u->bank, name);
}

/* "a.png", and where there is one "a (2).png". */
static char *free_name(const struct upload *u, const char *file)
{
    char *name = plain_name(file);
    g_autofree char *stem = g_strdup(name);
    char *dot = strrchr(stem, '.');
    g_autofree char *ending = g_strdup(dot && dot > stem ? dot : "");
    if (*ending)
        *dot = 0;
    for (int i = 2; is_taken(u, name); i++) {
        g_free(name);
        name = g_strdup_printf("%s (%d)%s", stem, i, ending);
    }
    g_hash_table_add(u->names, g_strdup(name));
    return name;
}

static bool keep_picture(struct upload *u, const char *file, const void *data, size_t bytes)
{
    dp_error err;
    g_autofree char *id = g_uuid_string_random();
    const char *type = picture_media_type(data, bytes), *slash = strchr(type, '/');
    ledger_picture *picture = g_new0(ledger_picture, 1);
    picture->name = free_name(u, file);
    picture->file = g_strdup_printf("%s.%s", id, strstr(type, "octet") ? "bin" : slash + 1);
    picture->bytes = (int64_t)bytes;
    g_autofree char *path = g_build_filename(u->r->service->good_pictures, picture->file, NULL);
    g_ptr_array_add(u->pictures, picture);
    if (!dp_file_write(path, data, bytes, &err))
        return true;
    reply_problem(u->r, 503, "the pictures could not be kept: %s", err.message);
    return false;
}

static bool take_option(struct upload *u, const multipart_part *part)
{
    g_autofree char *value = g_strndup(part->data, part->bytes);
    bool text = strlen(value) == part->bytes && g_utf8_validate(value, -1, NULL);
    if (!text || part->bytes > 1024) {
        reply_problem(u->r, 400, "%s: its value is no text", part->name);
    } else if (!strcmp(part->name, "allow_few")) {
        u->allow_few = !strcmp(value, "yes");
        if (!u->allow_few && strcmp(value, "no") != 0)
            reply_problem(u->r, 400, "allow_few=%s: give yes or no", value);
    } else if (u->existing) {
        reply_problem(u->r, 400, "%s: pictures are added by the bank's own options; only allow_few can be given",
                      part->name);
    } else if (json_object_get(u->options, part->name)) {
        reply_problem(u->r, 400, "%s is given twice", part->name);
    } else {
        cli_json_set(u->options, part->name, json_string(value));
    }
    return !u->r->response;
}

static void discard(const struct upload *u)
{
    for (guint i = 0; i < u->pictures->len; i++) {
        const ledger_picture *picture = u->pictures->pdata[i];
        g_autofree char *path = g_build_filename(u->r->service->good_pictures, picture->file, NULL);
        g_unlink(path);
    }
}

/* Options are looked at before a picture is written. */
static bool take_parts(struct upload *u, const GPtrArray *parts)
{
    size_t n_files = 0;
    dp_recipe recipe;
    dp_error err;
    for (guint i = 0; i < parts->len; i++) {
        const multipart_part *part = parts->pdata[i];
        n_files += part->file != NULL;
        if (!part->file && !take_option(u, part))
            return false;
    }
    if (!n_files) {
        reply_problem(u->r, 400, "the form has no pictures: send each as a file");
        return false;
    }
    if (!u->existing && jobs_recipe(u->options, jobs_network(u->r->service->jobs), &recipe, &err)) {
        reply_fault(u->r, &err);
        return false;
    }
    for (guint i = 0; i < parts->len; i++) {
        const multipart_part *part = parts->pdata[i];
        if (part->file && !keep_picture(u, part->file, part->data, part->bytes))
            return false;
    }
    return true;
}

static void take_form(request *r, job_kind kind, const served_bank *existing)
{
    char *fault;
    const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
    GPtrArray *parts = multipart_parse(type, r->body, r->bytes, &fault);
    if (!parts) {
        bool form = type && !g_ascii_strncasecmp(type, "multipart/form-data", 19);
        reply_problem(r, form ? 400 : 415, "%s", fault);
        g_free(fault);
        return;
    }
    struct upload u = {.r = r,
                       .bank = r->part[0],
                       .existing = existing,
                       .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                       .pictures = g_ptr_array_new_with_free_func(ledger_picture_free),
                       .options = json_object()};
    int64_t id;
    dp_error err;
    bool good = take_parts(&u, parts);
    if (good) {
        json_t *settings = cli_json_pack("{s:O, s:b}", "options", u.options, "allow_few", u.allow_few);
        char *text = cli_json_dumped(settings, JSON_COMPACT);
        good = !ledger_add_job(r->service->ledger, kind, u.bank, text, u.pictures, &id, &err);
        if (!good)
            reply_problem(r, 503, "the job could not be taken: %s", err.message);
        free(text);
        json_decref(settings);
    }
    if (good)
        reply_job(r, id);
    else
        discard(&u);
    g_ptr_array_unref(parts);
    g_ptr_array_unref(u.pictures);
    g_hash_table_unref(u.names);
    json_decref(u.options);
}

void post_bank(request *r)
{
    service *s = r->service;
    const char *overwrite = request_query(r, "overwrite");
    bool waits = false;
    dp_error err;
    if (!bank_name_is_valid(r->part[0])) {
        reply_problem(
            r, 400, "a bank's name has letters, digits, '.', '_' and '-', a letter or digit first, at most %d of them",
            BANK_NAME_BYTES);
        return;
    }
    if (overwrite && strcmp(overwrite, "yes") != 0 && strcmp(overwrite, "no") != 0) {
        reply_problem(r, 400, "overwrite=%s: give yes or no", overwrite);
        return;
    }
    served_bank *existing = banks_get(s->banks, r->part[0]);
    if (existing && !(overwrite && !strcmp(overwrite, "yes")))
        reply_problem(r, 409, "there is a bank of that name; give another, or overwrite=yes to replace it");
    else if (ledger_waits(s->ledger, JOB_FIT, r->part[0], &waits, &err))
        reply_fault(r, &err);
    else if (waits)
        reply_problem(r, 409, "a bank of that name is being made; wait for its job, or cancel it");
    else
        take_form(r, JOB_FIT, NULL);
    served_bank_drop(existing);
}

void post_pictures(request *r)
{
    served_bank *bank = request_bank(r);
    if (bank)
        take_form(r, JOB_ADD, bank);
    served_bank_drop(bank);
}

/* ------------------------------------------------------------------------------------- the picture of a result, added */

struct found {
    char *bank, *source, *picture;
};

static int on_row(void *user, const store_row *row)
{
    struct found *found = user;
    found->bank = g_strdup(row->bank);
    found->source = g_strdup(row->source);
    found->picture = g_strdup(row->picture);
    return 0;
}

static void add_found(request *r, const struct found *found, served_bank *bank, const char *settings)
{
    struct upload u = {.r = r,
                       .bank = bank->name,
                       .existing = bank,
                       .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                       .pictures = g_ptr_array_new_with_free_func(ledger_picture_free)};
    g_autofree char *path = kept_path(r->service, found->picture);
    g_autofree char *data = NULL;
    gsize bytes;
    int64_t id;
    dp_error err;
    if (!g_file_get_contents(path, &data, &bytes, NULL)) {
        reply_problem(r, 409,
                      "the picture of this result is not kept any more; add it with POST "
                      "/v1/banks/NAME/pictures");
    } else if (keep_picture(&u, found->source, data, bytes)) {
        if (!ledger_add_job(r->service->ledger, JOB_ADD, u.bank, settings, u.pictures, &id, &err)) {
            reply_job(r, id);
        } else {
            discard(&u);
            reply_problem(r, 503, "the job could not be taken: %s", err.message);
        }
    }
    g_ptr_array_unref(u.pictures);
    g_hash_table_unref(u.names);
}

void post_result_add(request *r)
{
    struct found found = {0};
    bool there;
    dp_error err;
    int64_t id = request_id(r, 0, "result");
    json_t *body = !id ? NULL : r->bytes ? request_json(r) : json_object();
    dp_box box;
    bool given;
    if (!body)
        return;
    served_bank *bank = NULL;
    if (!request_region(r, body, &box, &given))
        bank = NULL; /* answered */
    else if (store_get(r->service->results, id, on_row, &found, &there, &err))
        reply_fault(r, &err);
    else if (!there)
        reply_problem(r, 404, "there is no result of that number");
    else if (!(bank = banks_get(r->service->banks, found.bank)) || bank->broken)
        reply_problem(r, 409, "the bank of this result, %s, is not there any more", found.bank);
    else if (!found.picture)
        reply_problem(r, 409,
                      "the picture of this result was not kept; start the service with --keep all, or add it "
                      "with POST /v1/banks/NAME/pictures");
    else {
        json_t *settings = given ? cli_json_pack("{s:o}", "region", cli_box_json(&box)) : json_object();
        char *text = cli_json_dumped(settings, JSON_COMPACT | JSON_REAL_PRECISION(17));
        add_found(r, &found, bank, text);
        free(text);
        json_decref(settings);
    }
    json_decref(body);
    served_bank_drop(bank);
    g_free(found.bank);
    g_free(found.source);
    g_free(found.picture);
}
