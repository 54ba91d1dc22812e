/* SPDX-License-Identifier: Apache-2.0 */
/* fit_shard.c - a fit cut over several processes.
 *
 *     settle      what the network and the good pictures decide, once:       a file
 *     shard       the network looks at some of the pictures:                 a file of records, one a picture
 *     join        the rest of a fit, whose pictures come from the records:   the bank
 *
 * One process settles, looks and joins as well, in this order and by the same code. So the bank is the same. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/edit.h"
#include "network/network.h"
#include "network/session.h"
#include "options/check.h"
#include "options/recipe_facts.h"
#include "pipeline/fit_record.h"
#include "pipeline/fit_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- settle */

dp_status dp_fit_settle_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input, const char *path,
                             dp_error *err)
{
    dp_settled settled = {0};
    dp_network_info model;
    const dp_pictures pictures = dp_pictures_all(input->source);
    dp_status status =
        pictures.n ? dp_recipe_check(recipe, err) : dp_fail(err, DP_E_ARGUMENT, "no pictures to learn from");
    if (!status && recipe->shots)
        status =
            dp_fail(err, DP_E_ARGUMENT,
                    "shots: they are drawn from all pictures, which no shard knows; list the pictures to learn from");
    if (!status && input->roi)
        status = dp_fail(err, DP_E_ARGUMENT,
                         "roi: a region belongs to all pictures, which no shard knows; fit without "
                         "shards, or inspect with the region");
    if (!status)
        status = dp_check_pictures(recipe, pictures.n, err);
    if (!status)
        status = dp_network_digest(dp_session_network(session), err);
    if (!status)
        status = dp_settle(recipe, DP_ROI_NONE, session, &pictures, &settled, err);
    if (!status) {
        dp_network_get_info(dp_session_network(session), &model);
        status = dp_settled_save(&settled, &model, path, err);
    }
    dp_settled_close(&settled);
    return status;
}

static dp_status read_settled(const char *path, dp_mapping *file, dp_bytes *bytes, dp_error *err)
{
    dp_frames frames = {0};
    dp_status status = dp_frames_open(path, &frames, NULL); /* a shard begins with it */
    if (!status && frames.n) {
        *file = frames.file;
        *bytes = frames.pieces[DP_SHARD_SETTLED];
        dp_memory_free(frames.path);
        dp_memory_free(frames.pieces);
        return DP_OK;
    }
    if (!status)
        dp_frames_close(&frames);
    status = dp_mapping_open(path, file, err);
    *bytes = (dp_bytes){file->data, file->bytes};
    return status;
}

dp_status dp_fit_settled_details(const char *path, dp_bank_details *details, char **network, dp_error *err)
{
    dp_mapping file = {0};
    dp_bytes bytes;
    dp_settled settled = {0};
    dp_settled_network made_for = {0};
    dp_status status = read_settled(path, &file, &bytes, err);
    if (status)
        return status;
    status = dp_settled_read(bytes, path, &settled, &made_for, err);
    if (!status) {
        *details = (dp_bank_details){.recipe = settled.recipe};
        *network = made_for.path;
        made_for.path = NULL;
        details->model_path = *network;
        snprintf(details->model_sha256, sizeof details->model_sha256, "%s", made_for.sha256);
    }
    dp_memory_free(made_for.path);
    dp_settled_close(&settled);
    dp_mapping_close(&file);
    return status;
}

/* -------------------------------------------------------------------------------------------------------------- shard */

/* Where the record of a picture is in a file that is gone on with. */
struct known {
    char *name;
    size_t piece;
};

struct shard_work {
    dp_fit_work fit;
    const dp_fit_shard *shard;
    const char *path;
    dp_frame_writer *writer;
    size_t n_pieces;
    dp_record_views views;
    dp_frames earlier; /* the file that is gone on with; path NULL: none */
    struct known *known;
    size_t n_known, n_taken;
    int64_t (*table)[2]; /* [n_pictures] number in the list, piece */
};

static int by_name(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->piece < y->piece) - (x->piece > y->piece); /* the last one first */
}

static dp_status put_view(struct shard_work *work, const dp_prepared *prepared, size_t version, dp_error *err)
{
    const dp_extractor *e = &work->fit.extractor;
    const dp_record_view view = {.rows = e->shape.rows,
                                 .cols = e->shape.cols,
                                 .dim = e->dim,
                                 .tokens = e->tokens,
                                 .cells = prepared->cells,
                                 .vector = e->vector,
                                 .n_vector = e->n_vector};
    return dp_record_views_add(&work->views, prepared->turn, version, &view, err);
}

/* Every view of a picture that a fit may ask for: which way round it lies is known only when all pictures are there. */
static dp_status look(struct shard_work *work, dp_prepared *prepared, dp_error *err)
{
    dp_fit_work *fit = &work->fit;
    const dp_recipe *recipe = &fit->extractor.recipe;
    const int turns = dp_extractor_has_polarity(&fit->extractor, prepared) ? 2 : 1;
    dp_status status = DP_OK;
    for (int turn = 0; turn < turns && !status; turn++) {
        if (turn)
            status = dp_fit_warp(fit, prepared, turn, err);
        if (!status)
            status = dp_fit_run(fit, prepared, 0, err);
        if (!status)
            status = put_view(work, prepared, 0, err);
        if (!status && recipe->mirror) {
            dp_prepared_flip(prepared, recipe->align == DP_ALIGN_PCA);
            status = dp_fit_run(fit, prepared, 1, err);
            if (!status)
                status = put_view(work, prepared, 1, err);
        }
        if (!status && recipe->brightness > 0) {
            status = dp_fit_brighten(fit, prepared, turn, err);
            if (!status)
                status = put_view(work, prepared, dp_version_brightness(recipe), err);
        }
    }
    for (size_t k = 1; k < recipe->rotations && !status; k++) {
        status = dp_fit_rotate(fit, prepared, k, err);
        if (!status)
            status = put_view(work, prepared, k + (recipe->mirror ? 1 : 0), err);
    }
    return status;
}

static bool any_cell(const dp_prepared *p)
{
    const size_t patch = p->shape.patch_px,
                 cells = dp_canvas_to_cells(p->height_px, patch) * dp_canvas_to_cells(p->width_px, patch);
    for (size_t i = 0; i < cells; i++)
        if (p->cells[i])
            return true;
    return false;
}

static dp_status write_record(struct shard_work *work, dp_prepared *prepared, const dp_error *fault, bool twin,
                              dp_error *err)
{
    dp_record_facts facts = {0};
    unsigned char *header = NULL;
    const size_t n = DP_RECORD_PIECES(work->views.n);
    dp_bytes *pieces = dp_calloc(n, sizeof *pieces);
    dp_status status = pieces ? dp_record_write(prepared, fault, twin, &work->views, &facts, &header, pieces, err)
                              : dp_fail_memory(err, prepared->path, n * sizeof *pieces);
    if (!status)
        status = dp_frame_writer_put(work->writer, pieces, n, err);
    dp_memory_free(header);
    dp_memory_free(pieces);
    return status;
}

/* The piece of a record that can be taken over: of the same name, pixels and kind; 0: there is none. */
static size_t find_known(const struct shard_work *work, const dp_prepared *prepared, bool twin)
{
    const struct known wanted = {.name = (char *)prepared->path, .piece = SIZE_MAX};
    size_t low = 0, high = work->n_known;
    while (low < high) { /* the first that is not before it */
        const size_t middle = low + (high - low) / 2;
        if (by_name(&work->known[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == work->n_known || strcmp(work->known[low].name, prepared->path) != 0)
        return 0;
    const size_t piece = work->known[low].piece;
    dp_record record;
    if (dp_frames_check(&work->earlier, piece, NULL)
        || dp_record_open(work->earlier.pieces[piece], work->earlier.path, &record, NULL))
        return 0;
    dp_prepared was = {.shape = prepared->shape};
    const bool same = !dp_record_prepared(&record, work->earlier.path, &was, NULL) && !was.status
                      && !memcmp(was.digest, prepared->digest, sizeof was.digest) && (twin || !record.twin);
    dp_prepared_close(&was);
    dp_record_close(&record);
    return same ? piece : 0;
}

static void report_picture(const struct shard_work *work, size_t index, const dp_prepared *prepared,
                           const char *message)
{
    const dp_fit_work *fit = &work->fit;
    if (fit->on_picture)
        fit->on_picture(fit->user, dp_pictures_number(&fit->pictures, index), prepared->path, &prepared->pose, message);
}

static dp_status do_picture(struct shard_work *work, dp_prepared *prepared, dp_error *err)
{
    dp_fit_work *fit = &work->fit;
    const dp_recipe *recipe = &fit->extractor.recipe;
    const size_t index = prepared->index;
    dp_error fault = prepared->error;
    dp_status status = prepared->status;
    bool twin = false;
    if (status == DP_E_CANCELLED)
        return dp_fail(err, status, "%s", prepared->error.message);
    if (!status) {
        unsigned char *digest = fit->digests + index * DP_DIGEST_BYTES;
        memcpy(digest, prepared->digest, DP_DIGEST_BYTES);
        twin = dp_twin_table_put(&fit->given, digest, index) != SIZE_MAX;
    }
    const size_t piece = status ? 0 : find_known(work, prepared, twin);
    work->table[index][0] = (int64_t)dp_pictures_number(&fit->pictures, index);
    work->table[index][1] = (int64_t)(piece ? piece : work->n_pieces);
    if (piece) {
        work->n_taken++;
        return DP_OK;
    }
    prepared->turn = 0;
    dp_record_views_clear(&work->views);
    const bool usable = !status && !twin && (!dp_aligns(recipe) || prepared->pose.status == DP_ALIGN_OK);
    /* the record holds the canvas as it was found, and looking changes it */
    dp_prepared found = *prepared;
    const size_t cells = status ? 0
                                : dp_canvas_to_cells(prepared->height_px, prepared->shape.patch_px)
                                      * dp_canvas_to_cells(prepared->width_px, prepared->shape.patch_px);
    uint8_t *as_found = dp_malloc(cells + 1, 1);
    if (!as_found)
        return dp_fail_memory(err, prepared->path, cells);
    if (cells)
        memcpy(as_found, prepared->cells, cells);
    found.cells = as_found;
    if (usable && any_cell(prepared)) {
        status = look(work, prepared, &fault);
        if (status)
            dp_record_views_clear(&work->views);
    }
    if (!prepared->status && (status == DP_E_CANCELLED || status == DP_E_MEMORY || status == DP_E_IO)) {
        dp_memory_free(as_found);
        return dp_fail(err, status, "%s", fault.message);
    }
    if (status) {
        fit->report.n_failed++;
        report_picture(work, index, prepared, fault.message);
    }
    status = write_record(work, &found, status ? &fault : NULL, twin, err);
    work->n_pieces += !status;
    dp_memory_free(as_found);
    return status;
}

static dp_status put_text(struct shard_work *work, const dp_key_value *metadata, size_t n_metadata,
                          const dp_tensor *tensor, const void *data, dp_error *err)
{
    unsigned char *header = NULL;
    dp_bytes pieces[2] = {{0}};
    dp_status status =
        dp_safetensors_header(work->path, tensor, tensor ? 1 : 0, metadata, n_metadata, &header, &pieces[0].bytes, err);
    pieces[0].data = header;
    if (tensor)
        pieces[1] = (dp_bytes){data, tensor->count * dp_dtype_bytes(tensor->dtype)};
    if (!status)
        status = dp_frame_writer_put(work->writer, pieces, 2, err);
    work->n_pieces += !status;
    dp_memory_free(header);
    return status;
}

static dp_status put_head(struct shard_work *work, dp_error *err)
{
    char index[24], n[24];
    snprintf(index, sizeof index, "%zu", work->shard->index);
    snprintf(n, sizeof n, "%zu", work->shard->n);
    const dp_key_value metadata[] = {{"shard_index", index},
                                     {"shard_of", n},
                                     {"isa", dp_isa_name(dp_session_isa(work->fit.session))},
                                     {"dinopatch", dp_version()}};
    return put_text(work, metadata, sizeof metadata / sizeof *metadata, NULL, NULL, err);
}

static dp_status put_end(struct shard_work *work, const dp_source *source, dp_error *err)
{
    char pictures[24], list[DP_SHA256_HEX_BYTES];
    dp_bytes *names = dp_malloc(source->n, sizeof *names);
    if (!names)
        return dp_fail_memory(err, work->path, source->n * sizeof *names);
    for (size_t i = 0; i < source->n; i++) {
        const char *name = source->name(source->user, i);
        names[i] = (dp_bytes){name, strlen(name) + 1};
    }
    dp_status status = dp_sha256(names, source->n, list, err);
    dp_memory_free(names);
    snprintf(pictures, sizeof pictures, "%zu", source->n);
    const dp_key_value metadata[] = {{"shard_end", pictures}, {"list", list}};
    const size_t n = work->shard->n_pictures;
    const dp_tensor table = {.name = "records", .dtype = DP_DTYPE_I64, .rank = 2, .shape = {n, 2}, .count = 2 * n};
    return status ? status : put_text(work, metadata, 2, &table, work->table, err);
}

/* Finds the records of the file that is gone on with: it begins with the same two pieces. */
static dp_status find_earlier(struct shard_work *work, dp_error *err)
{
    dp_frames *file = &work->earlier;
    const size_t end = file->n;
    work->known = dp_calloc(end, sizeof *work->known);
    if (!work->known)
        return dp_fail_memory(err, file->path, end * sizeof *work->known);
    for (size_t i = DP_SHARD_RECORDS; i < end; i++) {
        dp_record record;
        if (dp_record_open(file->pieces[i], file->path, &record, NULL)) /* the last piece of a finished shard */
            continue;
        work->known[work->n_known++] = (struct known){record.name, i};
        record.name = NULL;
        dp_record_close(&record);
    }
    qsort(work->known, work->n_known, sizeof *work->known, by_name);
    return DP_OK;
}

/* Whether the two first pieces of both files are equal. */
static bool begin_alike(const dp_frames *a, const dp_frames *b)
{
    for (size_t i = 0; i < DP_SHARD_RECORDS; i++)
        if (i >= a->n || i >= b->n || a->pieces[i].bytes != b->pieces[i].bytes
            || memcmp(a->pieces[i].data, b->pieces[i].data, a->pieces[i].bytes) != 0)
            return false;
    return true;
}

/* Opens the file for writing: a new one, or what a stopped run left of it. */
static dp_status open_file(struct shard_work *work, dp_bytes settled, bool resume, dp_error *err)
{
    char *unfinished = dp_frames_unfinished(work->path);
    if (!unfinished)
        return dp_fail_memory(err, work->path, strlen(work->path));
    dp_status status = DP_OK;
    size_t keep = 0;
    if (resume) {
        dp_frames there = {0};
        if (dp_frames_open(unfinished, &there, NULL) && !dp_frames_open(work->path, &there, NULL)
            && rename(work->path, unfinished) != 0)
            status = dp_fail_errno(err, "%s: cannot go on with it", work->path);
        work->earlier = there;
        keep = there.path && there.n >= DP_SHARD_RECORDS ? there.n : 0;
    }
    if (!status && keep) { /* is it of this shard? */
        dp_frames fresh = {0};
        char *beside = dp_frames_unfinished(unfinished);
        status = beside ? dp_frame_writer_open(unfinished, 0, &work->writer, err)
                        : dp_fail_memory(err, work->path, strlen(work->path));
        if (!status)
            status = dp_frame_writer_put(work->writer, &settled, 1, err);
        if (!status)
            status = put_head(work, err);
        if (!status)
            status = dp_frames_open(beside, &fresh, err);
        if (!status && !begin_alike(&work->earlier, &fresh))
            status =
                dp_fail(err, DP_E_MISMATCH,
                        "%s: is another shard, or of other settings or another instruction set; remove it, or name "
                        "another file",
                        unfinished);
        dp_frame_writer_close(&work->writer);
        if (beside)
            remove(beside);
        dp_memory_free(beside);
        dp_frames_close(&fresh);
    }
    if (!status && keep)
        status = find_earlier(work, err);
    if (!status)
        status = dp_frame_writer_open(work->path, keep, &work->writer, err);
    work->n_pieces = keep;
    if (!status && !keep) {
        status = dp_frame_writer_put(work->writer, &settled, 1, err);
        work->n_pieces = 1;
        if (!status)
            status = put_head(work, err);
    }
    dp_memory_free(unfinished);
    return status;
}

static dp_status prepare(struct shard_work *work, dp_error *err)
{
    dp_fit_work *fit = &work->fit;
    const dp_recipe *recipe = &fit->settled.recipe;
    const dp_network_facts network = dp_session_facts(fit->session);
    dp_status status = DP_OK;
    fit->pictures.reference = fit->settled.reference;
    if (fit->pictures.reference) {
        status = dp_finder_open(fit->session, &fit->finder, err);
        fit->pictures.finder = &fit->finder;
    }
    if (!status)
        status = dp_extractor_open(recipe, &network, DP_WHOLE_GRID, &fit->extractor, err);
    if (!status && recipe->layer_norm && !dp_own_canvas(recipe))
        status = dp_extractor_plan(&fit->extractor, fit->session, err);
    const size_t n = work->shard->n_pictures;
    fit->digests = dp_malloc(n + 1, DP_DIGEST_BYTES);
    work->table = dp_calloc(n + 1, sizeof *work->table);
    if (!status && (!fit->digests || !work->table || !dp_twin_table_open(&fit->given, n + 1)))
        status = dp_fail_memory(err, "the pictures' digests", n * DP_DIGEST_BYTES);
    return status;
}

static dp_status do_all(struct shard_work *work, dp_error *err)
{
    dp_fit_work *fit = &work->fit;
    dp_prefetch *prefetch = NULL;
    dp_status status = DP_OK;
    if (!fit->pictures.n)
        return DP_OK;
    status =
        dp_prefetch_open(&fit->pictures, &fit->extractor.recipe, &fit->extractor.shape, fit->run, true, &prefetch, err);
    for (dp_prepared *next; !status && (next = dp_prefetch_next(prefetch));) {
        const size_t done = next->index + 1;
        dp_prepared_report(next, &fit->extractor.recipe, fit->run);
        status = do_picture(work, next, err);
        if (!status && fit->run->progress && fit->run->progress(fit->run->user, "fit", done, fit->pictures.n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures; what is done is kept", done,
                             fit->pictures.n);
    }
    dp_prefetch_close(&prefetch);
    return status;
}

dp_status dp_fit_shard_from(dp_session *session, const char *settled_path, const dp_fit_input *input,
                            const dp_fit_shard *shard, const char *path, dp_fit_shard_report *report, dp_error *err)
{
    dp_error own = {0};
    err = err ? err : &own;
    dp_mapping file = {0};
    dp_bytes bytes = {0};
    dp_settled_network made_for = {0};
    dp_network_info model;
    struct shard_work work = {
        .fit = {.session = session,
                .run = dp_session_run(session),
                .pictures = {.source = input->source, .order = shard->pictures, .n = shard->n_pictures},
                .on_picture = input->on_picture,
                .user = input->user},
        .shard = shard,
        .path = path};
    dp_status status = read_settled(settled_path, &file, &bytes, err);
    if (!status)
        status = dp_settled_read(bytes, settled_path, &work.fit.settled, &made_for, err);
    if (!status)
        status = dp_network_digest(dp_session_network(session), err);
    if (!status) {
        dp_network_get_info(dp_session_network(session), &model);
        if (strcmp(model.sha256, made_for.sha256) != 0)
            status = dp_fail(err, DP_E_MISMATCH, "%s: was settled for another network (SHA-256 %s) than %s (%s)",
                             settled_path, made_for.sha256, model.path, model.sha256);
        else if (work.fit.settled.recipe.precision != dp_session_precision(session))
            status = dp_fail(err, DP_E_MISMATCH, "the session computes in another precision than the recipe asks for");
    }
    if (!status)
        status = prepare(&work, err);
    if (!status)
        status = open_file(&work, bytes, shard->resume, err);
    if (!status)
        status = do_all(&work, err);
    if (!status)
        status = dp_network_check_unchanged(dp_session_network(session), err);
    if (!status)
        status = put_end(&work, input->source, err);
    if (!status)
        status = dp_frame_writer_commit(&work.writer, err);
    if (!status && report)
        *report = (dp_fit_shard_report){.n_failed = work.fit.report.n_failed, .n_taken = work.n_taken};
    dp_frame_writer_close(&work.writer);
    dp_record_views_free(&work.views);
    for (size_t i = 0; i < work.n_known; i++)
        dp_memory_free(work.known[i].name);
    dp_memory_free(work.known);
    if (work.earlier.path)
        dp_frames_close(&work.earlier);
    dp_memory_free(work.table);
    dp_memory_free(made_for.path);
    dp_fit_work_close(&work.fit);
    dp_mapping_close(&file);
    return status;
}

/* --------------------------------------------------------------------------------------------------------------- join */

dp_status dp_fit_join(dp_session *session, const char *const *paths, size_t n, dp_picture_fn on_picture, void *user,
                      dp_bank **bank, dp_fit_counts *report, dp_error *err)
{
    dp_error own = {0};
    err = err ? err : &own;
    dp_fit_work fit = {.session = session, .run = dp_session_run(session), .on_picture = on_picture, .user = user};
    dp_status status = dp_fit_replay_open(paths, n, &fit.replay, err);
    if (status)
        return status;
    const dp_source source = dp_fit_replay_source(fit.replay);
    fit.pictures = dp_pictures_all(&source);
    status = source.n ? dp_fit_replay_settled(fit.replay, &fit.settled, err)
                      : dp_fail(err, DP_E_ARGUMENT, "the shards hold no pictures to learn from");
    if (!status && dp_session_isa(session) != dp_fit_replay_isa(fit.replay))
        status =
            dp_fail(err, DP_E_MISMATCH,
                    "the shards were computed with %s, and this machine works with %s: their last bits differ; run all "
                    "of it with one isa",
                    dp_isa_name(dp_fit_replay_isa(fit.replay)), dp_isa_name(dp_session_isa(session)));
    if (!status)
        status = dp_fit_all(&fit, NULL, bank, report, err);
    dp_fit_replay_close(&fit.replay);
    dp_fit_work_close(&fit);
    return status;
}
