/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c - writes features to a file. */
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/experimental.h"
#include "format/safetensors.h"

dp_status dp_tokens_save(const float *tokens, size_t rows, size_t cols, size_t dim, const char *path, dp_error *err)
{
    dp_tensor tensor = {.name = "tokens", .dtype = DP_DTYPE_F32, .rank = 3, .shape = {rows, cols, dim}};
    size_t bytes;
    if (!dp_mul_size(rows, cols, &tensor.count) || !dp_mul_size(tensor.count, dim, &tensor.count)
        || !dp_mul_size(tensor.count, sizeof *tokens, &bytes))
        return dp_fail(err, DP_E_ARGUMENT, "%s: tokens of %zux%zux%zu are too many", path, rows, cols, dim);
    dp_writer *writer = NULL;
    dp_status status = dp_safetensors_begin(path, &tensor, 1, NULL, 0, &writer, err);
    if (!status)
        status = dp_writer_put(writer, tokens, bytes, err);
    if (!status)
        status = dp_writer_commit(&writer, err);
    dp_writer_abort(&writer);
    return status;
}
