/* safetensors.h - the one file format of checkpoints and banks.
 *
 * A file is: the header's length (8 bytes, little endian), the header (a JSON object: name -> dtype, shape, data_offsets,
 * and __metadata__: string -> string), the tensors' bytes.  Source: the format description of the safetensors project. */
#ifndef DP_FORMAT_SAFETENSORS_H
#define DP_FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "base/hash.h"
#include "dinopatch.h"

typedef enum dp_dtype {
    DP_DTYPE_F64, DP_DTYPE_F32, DP_DTYPE_F16, DP_DTYPE_BF16, DP_DTYPE_I64, DP_DTYPE_I32, DP_DTYPE_I16, DP_DTYPE_I8,
    DP_DTYPE_U8, DP_DTYPE_BOOL
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

/* Maps and checks a file: every offset inside the data and consistent with dtype and shape, no overlap, no gap, no
 * duplicate name.  Errors: DP_E_IO, DP_E_FORMAT (the tensor is named), DP_E_MEMORY. */
dp_status dp_safetensors_open(const char *path, dp_safetensors **file, dp_error *err);
/* The same with limits of the caller's; NULL: the usual ones. */
dp_status dp_safetensors_open_within(const char *path, const dp_limits *limits, dp_safetensors **file, dp_error *err);
/* The same from memory that the caller keeps alive; name stands in the messages. */
dp_status dp_safetensors_parse(const unsigned char *data, size_t bytes, const char *name, dp_safetensors **file,
                               dp_error *err);
/* DP_E_CORRUPT where the file was written to since it was opened. */
dp_status dp_safetensors_check(const dp_safetensors *file, dp_error *err);
void dp_safetensors_close(dp_safetensors **file);

size_t dp_safetensors_count(const dp_safetensors *file);
/* In the order of the data. */
const dp_tensor *dp_safetensors_at(const dp_safetensors *file, size_t index);
/* NULL where there is none. */
const dp_tensor *dp_safetensors_find(const dp_safetensors *file, const char *name);
/* Value of a metadata key, NULL where there is none. */
const char *dp_safetensors_metadata(const dp_safetensors *file, const char *key);
/* The whole file, for hashing. */
dp_bytes dp_safetensors_bytes(const dp_safetensors *file);

/* Element i of a tensor of F64, F32, F16, BF16 to F32, in bulk: out [count]. */
dp_status dp_tensor_to_f32(const dp_tensor *tensor, float *out, dp_error *err);

typedef struct dp_key_value {
    const char *key, *value;
} dp_key_value;

/* Begins a file: writes the header for tensors (data pointers are not used; the caller then puts the bytes of each, in
 * this order, with dp_writer_put, and commits).  The data starts at a multiple of 64 bytes. */
dp_status dp_safetensors_begin(const char *path, const dp_tensor *tensors, size_t n_tensors, const dp_key_value *metadata,
                               size_t n_metadata, dp_writer **writer, dp_error *err);
/* What such a file begins with, length and header, for callers that hash it: *header [*bytes], freed with dp_memory_free. */
dp_status dp_safetensors_header(const char *path, const dp_tensor *tensors, size_t n_tensors, const dp_key_value *metadata,
                                size_t n_metadata, unsigned char **header, size_t *bytes, dp_error *err);

#endif
