/* SPDX-License-Identifier: Apache-2.0 */
/* fit_record.c - what a fit knows of one picture before it is compared with others, as safetensors. */
#include "pipeline/fit_record.h"
#include "bank/name_text.h"
#include "base/error.h"
#include "base/memory.h"
#include "geometry/spaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "picture"
#define FACTS 24
#define DIGEST_BYTES 32

/* ------------------------------------------------------------------------------------------------------------ writing */

static void name_view(int turn, size_t version, char names[2][40])
{
    snprintf(names[0], sizeof names[0], "features_%d_%zu", turn, version);
    snprintf(names[1], sizeof names[1], "cells_%d_%zu", turn, version);
}

static void name_vector(int turn, size_t version, char name[40])
{
    snprintf(name, 40, "vector_%d_%zu", turn, version);
}

dp_status dp_record_views_add(dp_record_views *views, int turn, size_t version, const dp_record_view *view,
                              dp_error *err)
{
    const size_t cells = view->rows * view->cols /* checked by the extractor */;
    if (views->n == views->room) {
        const size_t room = views->room ? 2 * views->room : 4;
        dp_record_view *all = dp_calloc(room, sizeof *all);
        if (!all)
            return dp_fail_memory(err, "the views of a picture", room * sizeof *all);
        memcpy(all, views->all, views->n * sizeof *all);
        dp_memory_free(views->all);
        views->all = all;
        views->room = room;
    }
    dp_record_view *to = &views->all[views->n];
    float *vector = view->n_vector ? dp_malloc(view->n_vector, sizeof *vector) : NULL;
    *to = (dp_record_view){.vector = vector,
                           .n_vector = view->n_vector,
                           .rows = view->rows,
                           .cols = view->cols,
                           .dim = view->dim,
                           .tokens = dp_malloc_2d(cells, view->dim, sizeof(float)),
                           .cells = dp_malloc(cells, 1)};
    if (!to->tokens || !to->cells || (view->n_vector && !vector)) {
        dp_memory_free(vector);
        dp_memory_free(to->tokens);
        dp_memory_free(to->cells);
        return dp_fail_memory(err, "the views of a picture", cells * view->dim * sizeof(float));
    }
    views->n++;
    name_view(turn, version, to->names);
    name_vector(turn, version, to->vector_name);
    if (vector)
        memcpy(vector, view->vector, view->n_vector * sizeof *vector);
    memcpy(to->tokens, view->tokens, cells * view->dim * sizeof(float));
    memcpy(to->cells, view->cells, cells);
    return DP_OK;
}

void dp_record_views_clear(dp_record_views *views)
{
    for (size_t i = 0; i < views->n; i++) {
        dp_memory_free(views->all[i].vector);
        dp_memory_free(views->all[i].tokens);
        dp_memory_free(views->all[i].cells);
    }
    views->n = 0;
}

void dp_record_views_free(dp_record_views *views)
{
    dp_record_views_clear(views);
    dp_memory_free(views->all);
    *views = (dp_record_views){0};
}

static void put_facts(const dp_prepared *p, double numbers[FACTS])
{
    const dp_pose *pose = &p->pose;
    const double all[FACTS] = {p->status ? 0 : (double)p->picture->width_px,
                               p->status ? 0 : (double)p->picture->height_px,
                               (double)p->height_px,
                               (double)p->width_px,
                               p->valid_fraction,
                               p->light.dark,
                               p->light.bright,
                               p->light.fine,
                               p->light.black,
                               pose->status,
                               pose->centre_x_px,
                               pose->centre_y_px,
                               pose->angle_rad,
                               pose->sigma_major_px,
                               pose->sigma_minor_px,
                               pose->extent_minor_px,
                               (double)pose->picture_width_px,
                               (double)pose->picture_height_px,
                               (double)pose->n_edge_pixels,
                               (double)pose->n_points,
                               pose->score,
                               pose->margin};
    memcpy(numbers, all, sizeof all);
}

dp_status dp_record_write(const dp_prepared *prepared, const dp_error *fault, bool twin, const dp_record_views *views,
                          dp_record_facts *facts, unsigned char **header, dp_bytes *pieces, dp_error *err)
{
    static const unsigned char no_digest[DIGEST_BYTES] = {0};
    const size_t n_vectors = views->n && views->all[0].n_vector ? views->n : 0,
                 n_tensors = 3 + 2 * views->n + n_vectors,
                 n_cells = prepared->status ? 0
                                            : dp_canvas_to_cells(prepared->height_px, prepared->shape.patch_px)
                                                  * dp_canvas_to_cells(prepared->width_px, prepared->shape.patch_px);
    char status_text[8], *name = dp_name_to_text(prepared->path),
                         *message = dp_name_to_text(fault ? fault->message : "");
    dp_tensor *tensors = dp_calloc(n_tensors, sizeof *tensors);
    dp_status status =
        name && message && tensors ? DP_OK : dp_fail_memory(err, prepared->path, n_tensors * sizeof *tensors);
    if (!status) {
        snprintf(status_text, sizeof status_text, "%d", fault ? (int)fault->status : 0);
        put_facts(prepared, facts->numbers);
        tensors[0] = (dp_tensor){.name = "facts", .dtype = DP_DTYPE_F64, .rank = 1, .shape = {FACTS}, .count = FACTS};
        tensors[1] = (dp_tensor){
            .name = "digest", .dtype = DP_DTYPE_U8, .rank = 1, .shape = {DIGEST_BYTES}, .count = DIGEST_BYTES};
        tensors[n_tensors - 1] =
            (dp_tensor){.name = "cells", .dtype = DP_DTYPE_U8, .rank = 1, .shape = {n_cells}, .count = n_cells};
        pieces[n_tensors] = (dp_bytes){prepared->cells, n_cells};
        pieces[1] = (dp_bytes){facts->numbers, sizeof facts->numbers};
        pieces[2] = (dp_bytes){prepared->status ? no_digest : prepared->digest, DIGEST_BYTES};
        for (size_t i = 0; i < views->n; i++) { /* features first: they lie at multiples of their size */
            const dp_record_view *v = &views->all[i];
            const size_t cells = v->rows * v->cols;
            tensors[2 + i] = (dp_tensor){.name = v->names[0],
                                         .dtype = DP_DTYPE_F32,
                                         .rank = 3,
                                         .shape = {v->rows, v->cols, v->dim},
                                         .count = cells * v->dim};
            if (n_vectors) {
                tensors[2 + views->n + i] = (dp_tensor){.name = v->vector_name,
                                                        .dtype = DP_DTYPE_F32,
                                                        .rank = 1,
                                                        .shape = {v->n_vector},
                                                        .count = v->n_vector};
                pieces[3 + views->n + i] = (dp_bytes){v->vector, v->n_vector * sizeof(float)};
            }
            tensors[2 + views->n + n_vectors + i] = (dp_tensor){
                .name = v->names[1], .dtype = DP_DTYPE_U8, .rank = 2, .shape = {v->rows, v->cols}, .count = cells};
            pieces[3 + i] = (dp_bytes){v->tokens, cells * v->dim * sizeof(float)};
            pieces[3 + views->n + n_vectors + i] = (dp_bytes){v->cells, cells};
        }
        const dp_key_value metadata[] = {
            {KEY, name}, {"status", status_text}, {"error", message}, {"twin", twin ? "1" : "0"}};
        status = dp_safetensors_header(prepared->path, tensors, n_tensors, metadata, sizeof metadata / sizeof *metadata,
                                       header, &pieces[0].bytes, err);
        pieces[0].data = *header;
    }
    dp_memory_free(name);
    dp_memory_free(message);
    dp_memory_free(tensors);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------ reading */

static dp_status damaged(const char *what, dp_error *err)
{
    return dp_fail(err, DP_E_FORMAT, "%s: is no shard of a fit by this version; run it again", what);
}

dp_status dp_record_open(dp_bytes bytes, const char *what, dp_record *record, dp_error *err)
{
    int broken = 0;
    *record = (dp_record){0};
    dp_status status = dp_safetensors_parse(bytes.data, bytes.bytes, what, &record->file, err);
    if (status)
        return status;
    const char *name = dp_safetensors_metadata(record->file, KEY),
               *twin = dp_safetensors_metadata(record->file, "twin");
    const dp_tensor *facts = dp_safetensors_find(record->file, "facts"),
                    *digest = dp_safetensors_find(record->file, "digest");
    if (!name || !twin || !facts || facts->dtype != DP_DTYPE_F64 || facts->count != FACTS || !digest
        || digest->dtype != DP_DTYPE_U8 || digest->count != DIGEST_BYTES)
        status = damaged(what, err);
    else if (!(record->name = dp_name_from_text(name, &broken)))
        status = broken ? damaged(what, err) : dp_fail_memory(err, what, strlen(name));
    else
        record->twin = twin[0] == '1';
    if (status)
        dp_record_close(record);
    return status;
}

void dp_record_close(dp_record *record)
{
    dp_safetensors_close(&record->file);
    dp_memory_free(record->name);
    *record = (dp_record){0};
}

dp_status dp_record_view_read(const dp_record *record, int turn, size_t version, float *tokens, size_t count,
                              uint8_t *cells, size_t n_cells, dp_error *err)
{
    char names[2][40];
    name_view(turn, version, names);
    const dp_tensor *features = dp_safetensors_find(record->file, names[0]),
                    *valid = dp_safetensors_find(record->file, names[1]);
    if (!features || !valid || features->dtype != DP_DTYPE_F32 || valid->dtype != DP_DTYPE_U8
        || (tokens && features->count != count) || (cells && valid->count != n_cells))
        return dp_fail(err, DP_E_FORMAT, "%s: its shard lacks '%s' of this size; run the shard again", record->name,
                       names[0]);
    if (tokens)
        memcpy(tokens, features->data, count * sizeof *tokens);
    for (size_t i = 0; cells && i < n_cells; i++)
        cells[i] = valid->data[i] != 0;
    return DP_OK;
}

dp_status dp_record_vector_read(const dp_record *record, int turn, size_t version, float *vector, size_t n,
                                dp_error *err)
{
    char name[40];
    name_vector(turn, version, name);
    const dp_tensor *found = dp_safetensors_find(record->file, name);
    if (!found || found->dtype != DP_DTYPE_F32 || found->count != n)
        return dp_fail(err, DP_E_FORMAT, "%s: its shard lacks '%s' of this size; run the shard again", record->name,
                       name);
    memcpy(vector, found->data, n * sizeof *vector);
    return DP_OK;
}

dp_status dp_record_prepared(const dp_record *record, const char *what, dp_prepared *prepared, dp_error *err)
{
    double f[FACTS];
    memcpy(f, dp_safetensors_find(record->file, "facts")->data, sizeof f);
    for (size_t i = 0; i < 4; i++)
        if (!(f[i] >= 0 && f[i] <= 1e9))
            return damaged(what, err);
    const char *code = dp_safetensors_metadata(record->file, "status"),
               *message = dp_safetensors_metadata(record->file, "error");
    prepared->path = record->name;
    prepared->status = code ? (dp_status)strtol(code, NULL, 10) : DP_OK;
    if (prepared->status)
        dp_fail(&prepared->error, prepared->status, "%s", message ? message : what);
    memcpy(prepared->digest, dp_safetensors_find(record->file, "digest")->data, DIGEST_BYTES);
    prepared->height_px = (size_t)f[2];
    prepared->width_px = (size_t)f[3];
    prepared->valid_fraction = f[4];
    prepared->light = (dp_light){f[5], f[6], f[7], f[8], 0};
    prepared->pose = (dp_pose){.status = (dp_align_status)f[9],
                               .centre_x_px = f[10],
                               .centre_y_px = f[11],
                               .angle_rad = f[12],
                               .sigma_major_px = f[13],
                               .sigma_minor_px = f[14],
                               .extent_minor_px = f[15],
                               .picture_width_px = (size_t)f[16],
                               .picture_height_px = (size_t)f[17],
                               .n_edge_pixels = (size_t)f[18],
                               .n_points = (size_t)f[19],
                               .score = f[20],
                               .margin = f[21]};
    if (!(f[9] >= 0 && f[9] <= DP_ALIGN_UNLIKE))
        return damaged(what, err);
    prepared->picture = dp_calloc(1, sizeof *prepared->picture);
    const dp_tensor *valid = dp_safetensors_find(record->file, "cells");
    const size_t patch = prepared->shape.patch_px, cells = prepared->status
                                                               ? 0
                                                               : dp_canvas_to_cells(prepared->height_px, patch)
                                                                     * dp_canvas_to_cells(prepared->width_px, patch);
    if (!valid || valid->dtype != DP_DTYPE_U8 || valid->count != cells)
        return damaged(what, err);
    prepared->cells = dp_calloc(cells + 1, 1);
    if (!prepared->picture || !prepared->cells)
        return dp_fail_memory(err, record->name, cells);
    prepared->picture->width_px = (size_t)f[0];
    prepared->picture->height_px = (size_t)f[1];
    for (size_t i = 0; i < cells; i++)
        prepared->cells[i] = valid->data[i] != 0;
    return DP_OK;
}
