/* SPDX-License-Identifier: Apache-2.0 */
/* fit_record.h - what a fit knows of one picture before it is compared with others, as bytes: a piece of a shard.
 *
 * A record holds the features as the network gave them, of every view of the picture that the fit may ask for: as it was
 * found and turned by 180 degrees (turn 0 and 1), each as it is and in its other versions (0, then mirror, rotations,
 * brightness). */
#ifndef DP_PIPELINE_FIT_RECORD_H
#define DP_PIPELINE_FIT_RECORD_H

#include "base/hash.h"
#include "extract/prefetch.h"
#include "format/safetensors.h"

/* ---- writing */
typedef struct dp_record_view {
    char names[2][40];
    size_t rows, cols, dim;
    float *tokens;  /* [rows, cols, dim] */
    uint8_t *cells; /* [rows, cols] */
    char vector_name[40];
    float *vector; /* [n_vector] of the whole picture */
    size_t n_vector;
} dp_record_view;

typedef struct dp_record_views {
    dp_record_view *all; /* [n] */
    size_t n, room;
} dp_record_views;

/* Copies the features of a view. Errors: DP_E_MEMORY. */
dp_status dp_record_views_add(dp_record_views *views, int turn, size_t version, const dp_record_view *view,
                              dp_error *err);
void dp_record_views_clear(dp_record_views *views); /* forgets the views, keeps the room */
void dp_record_views_free(dp_record_views *views);

/* Makes the bytes of a record: header [*bytes], dp_memory_free, and the pieces of all of it in order (the first is the
 * header), which point into prepared and views. pieces has room for DP_RECORD_PIECES(views->n), and that many there are. fault: why the picture
 * cannot be used, or NULL. twin: it has the pixels of an earlier picture of the shard, and no views. */
#define DP_RECORD_PIECES(n_views) (4 + 3 * (n_views))
typedef struct dp_record_facts {
    double numbers[24];
} dp_record_facts;
dp_status dp_record_write(const dp_prepared *prepared, const dp_error *fault, bool twin, const dp_record_views *views,
                          dp_record_facts *facts, unsigned char **header, dp_bytes *pieces, dp_error *err);

/* ---- reading */
typedef struct dp_record {
    dp_safetensors *file;
    char *name; /* of the picture */
    bool twin;
} dp_record;

/* what begins the messages. Errors: DP_E_FORMAT, DP_E_MEMORY. */
dp_status dp_record_open(dp_bytes bytes, const char *what, dp_record *record, dp_error *err);
void dp_record_close(dp_record *record);
/* Fills what a prepared picture, whose shape is set, has but its pixels: status, digest, pose, light, sizes; and cells
 * [rows, cols] as it was found, which it allocates. Close it with dp_prepared_close. Errors: DP_E_FORMAT, DP_E_MEMORY. */
dp_status dp_record_prepared(const dp_record *record, const char *what, dp_prepared *prepared, dp_error *err);
/* Copies the features of a view: tokens [count], or cells [n_cells]; each may be NULL. Errors: DP_E_FORMAT. */
dp_status dp_record_view_read(const dp_record *record, int turn, size_t version, float *tokens, size_t count,
                              uint8_t *cells, size_t n_cells, dp_error *err);
/* Copies the vector [n] of a view. Errors: DP_E_FORMAT. */
dp_status dp_record_vector_read(const dp_record *record, int turn, size_t version, float *vector, size_t n,
                                dp_error *err);

#endif
