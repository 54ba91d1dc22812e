/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors.h - the file format of checkpoints and banks.
 *
 * A file holds: the length of the header (8 bytes, little endian), the header (a JSON object: name -> dtype, shape,
 * data_offsets, and __metadata__: string -> string), and the bytes of the tensors. Source: the format description of
 * the safetensors project. */
#ifndef DP_FORMAT_SAFETENSORS_H
#define DP_FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "base/hash.h"
#include "dinopatch/experimental.h"

typedef enum dp_dtype {
    DP_DTYPE_F64,
    DP_DTYPE_F32,
    DP_DTYPE_F16,
    DP_DTYPE_BF16,
    DP_DTYPE_I64,
    DP_DTYPE_I32,
    DP_DTYPE_I16,
    DP_DTYPE_I8,
    DP_DTYPE_U8,
    DP_DTYPE_BOOL
} dp_dtype;

size_t dp_dtype_bytes(dp_dtype dtype);
const char *dp_dtype_name(dp_dtype dtype); /* "F32" */

#define DP_MAX_RANK 8

typedef struct dp_tensor {
    const char *name;
    dp_dtype dtype;
    size_t rank;
    size_t shape[DP_MAX_RANK];
    size_t count;              /* product of the shape */
    const unsigned char *data; /* [count * dp_dtype_bytes(dtype)]; not aligned to the type in general */
} dp_tensor;

typedef struct dp_safetensors dp_safetensors;

/* Maps and checks a file: every offset lies inside the data and agrees with dtype and shape; there is no overlap, no
 * gap and no duplicate name. Errors: DP_E_IO, DP_E_FORMAT (names the tensor), DP_E_MEMORY. */
dp_status dp_safetensors_open(const char *path, dp_safetensors **file, dp_error *err);
/* The same with the caller's limits; NULL: the default limits. */
dp_status dp_safetensors_open_within(const char *path, const dp_limits *limits, dp_safetensors **file, dp_error *err);
/* The same from memory that the caller keeps valid; name is used in messages. */
dp_status dp_safetensors_parse(const unsigned char *data, size_t bytes, const char *name, dp_safetensors **file,
                               dp_error *err);
/* Joins files to one that has the tensors of all of them, in this order, and the metadata of the first that has an entry.
 * It takes the n parts over if it succeeds. path: what it calls itself. Errors: DP_E_MEMORY. */
dp_status dp_safetensors_join(const char *path, dp_safetensors *const *parts, size_t n, dp_safetensors **file,
                              dp_error *err);
/* Returns DP_E_CORRUPT if the file, or a part of it, was written to since it was opened. */
dp_status dp_safetensors_check(const dp_safetensors *file, dp_error *err);
void dp_safetensors_close(dp_safetensors **file);

size_t dp_safetensors_count(const dp_safetensors *file);
/* Returns the tensor at a position in the order of the data. */
const dp_tensor *dp_safetensors_at(const dp_safetensors *file, size_t index);
/* Returns the tensor with this name; NULL if there is none. */
const dp_tensor *dp_safetensors_find(const dp_safetensors *file, const char *name);
/* Returns the value of a metadata key; NULL if there is none. */
const char *dp_safetensors_metadata(const dp_safetensors *file, const char *key);
/* Returns the bytes of the whole file, for hashing; none of a joined one. */
dp_bytes dp_safetensors_bytes(const dp_safetensors *file);
/* Returns the bytes of its n parts; of a single file that file, n 1. They live as long as the file. */
const dp_bytes *dp_safetensors_pieces(const dp_safetensors *file, size_t *n);

/* Converts all elements of a tensor of F64, F32, F16 or BF16 to F32: out [count]. */
dp_status dp_tensor_to_f32(const dp_tensor *tensor, float *out, dp_error *err);

typedef struct dp_key_value {
    const char *key, *value;
} dp_key_value;

/* Begins a file: writes the header for tensors (data pointers are not used). The caller then writes the bytes of each
 * tensor in this order with dp_writer_put, and commits. The data starts at a multiple of 64 bytes. */
dp_status dp_safetensors_begin(const char *path, const dp_tensor *tensors, size_t n_tensors,
                               const dp_key_value *metadata, size_t n_metadata, dp_writer **writer, dp_error *err);
/* Gives the beginning of such a file (length and header) for callers that hash it: *header [*bytes], freed with
 * dp_memory_free. */
dp_status dp_safetensors_header(const char *path, const dp_tensor *tensors, size_t n_tensors,
                                const dp_key_value *metadata, size_t n_metadata, unsigned char **header, size_t *bytes,
                                dp_error *err);

#endif
