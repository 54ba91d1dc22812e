/* SPDX-License-Identifier: Apache-2.0 */
/* bank_check.c - checks the checksums of a bank's file, and that its numbers are finite.
 *
 * Each block of the features has a digest, so that many processors can check them. The seal covers everything else. */
#include "bank/bank_tensors.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

/* Returns the number of threads for dp_pool_open: all processors, or one if the work ends before a second thread would
 * start. */
static size_t threads_for(const dp_bank *bank)
{
    return dp_bank_feature_bytes(bank) < 8 * BLOCK_BYTES ? 1 : 0;
}

/* The digests of the feature blocks, computed or compared. */
struct blocks {
    const unsigned char *data;
    size_t bytes;
    unsigned char *digests;        /* [n_blocks, 32] receives the digests, or NULL */
    const unsigned char *expected; /* [n_blocks, 32] or NULL */
    atomic_bool failed;            /* no memory */
    atomic_size_t first_wrong;     /* the first block that differs; n_blocks: none */
    atomic_size_t first_not_finite;
    dp_storage storage;
};

static void lower(atomic_size_t *least, size_t value)
{
    size_t seen = atomic_load(least);
    while (value < seen && !atomic_compare_exchange_weak(least, &seen, value))
        ;
}

static void block_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct blocks *blocks = context;
    size_t begin = index * BLOCK_BYTES,
           bytes = blocks->bytes - begin < BLOCK_BYTES ? blocks->bytes - begin : BLOCK_BYTES;
    unsigned char made[DIGEST_BYTES];
    if (dp_sha256_raw(&(dp_bytes){blocks->data + begin, bytes}, 1, made, NULL)) {
        atomic_store(&blocks->failed, true);
        return;
    }
    if (blocks->digests)
        memcpy(blocks->digests + index * DIGEST_BYTES, made, DIGEST_BYTES);
    if (blocks->expected && memcmp(blocks->expected + index * DIGEST_BYTES, made, DIGEST_BYTES) != 0)
        lower(&blocks->first_wrong, index);
    if (!dp_stored_finite(blocks->storage, blocks->data + begin, bytes / dp_storage_bytes(blocks->storage)))
        lower(&blocks->first_not_finite, index);
}

/* Checks blocks of bytes [bytes]: expected [n, 32] or NULL. number: of the first, for messages. */
static dp_status check_blocks(const dp_bank *bank, const void *data, size_t bytes, const unsigned char *expected,
                              size_t number, unsigned char *digests, dp_error *err)
{
    const char *name = dp_bank_name(bank);
    size_t n = dp_block_count(bytes);
    struct blocks blocks = {data, bytes, digests, expected, false, n, n, bank->rows.storage};
    dp_pool *pool = NULL;
    dp_status status = dp_pool_open(threads_for(bank), &pool, err);
    if (status)
        return status;
    dp_pool_run(pool, n, block_task, &blocks);
    dp_pool_close(&pool);
    if (blocks.failed)
        return dp_fail_memory(err, "the checksums of a bank", 0);
    if (blocks.first_wrong < n)
        return dp_fail(
            err, DP_E_CORRUPT,
            "%s: features are damaged: the checksum of block %zu of %zu is wrong; restore the file or fit it again",
            name, number + blocks.first_wrong, dp_block_count(dp_bank_feature_bytes(bank)));
    if (blocks.first_not_finite < n)
        return dp_fail(err, DP_E_NUMERIC, "%s: a feature in block %zu of the checksums is not finite", name,
                       number + blocks.first_not_finite);
    return DP_OK;
}

dp_status dp_bank_check_features(const dp_bank *bank, unsigned char *digests, dp_error *err)
{
    return check_blocks(bank, bank->rows.features, dp_bank_feature_bytes(bank), bank->file.digests, 0, digests, err);
}

dp_status dp_bank_check_rows(const dp_bank *bank, size_t first, size_t n, unsigned char *digests, dp_error *err)
{
    const size_t row = bank->rows.dim * dp_storage_bytes(bank->rows.storage), all = dp_bank_feature_bytes(bank),
                 block = first * row / BLOCK_BYTES, begin = block * BLOCK_BYTES, end = (first + n) * row,
                 last = end % BLOCK_BYTES ? (end / BLOCK_BYTES + 1) * BLOCK_BYTES : end;
    const unsigned char *data = bank->rows.features;
    dp_status status =
        check_blocks(bank, data + begin, (last < all ? last : all) - begin,
                     bank->file.digests ? bank->file.digests + block * DIGEST_BYTES : NULL, block, NULL, err);
    return status ? status : check_blocks(bank, data + first * row, n * row, NULL, block, digests, err);
}

struct norms {
    const dp_bank *bank;
    float *rows;               /* [threads, dim] */
    atomic_size_t first_wrong; /* index of the first wrong row */
};

static void norm_task(void *context, size_t cell, size_t worker)
{
    struct norms *norms = context;
    const dp_bank *bank = norms->bank;
    float *x = norms->rows + worker * bank->rows.dim;
    for (size_t row = 0; row < bank->rows.n_rows; row++) {
        const size_t place = cell * bank->rows.n_rows + row;
        if (place < dp_rows_begin(&bank->rows) || place >= dp_rows_end(&bank->rows))
            continue;
        dp_rows_widen(&bank->rows, cell, row, 1, x);
        if (dp_norm_f32(x, bank->rows.dim) != bank->rows.norms[cell * bank->rows.n_rows + row])
            lower(&norms->first_wrong, cell * bank->rows.n_rows + row);
    }
}

static dp_status check_norms(const dp_bank *bank, dp_error *err)
{
    struct norms norms = {bank, NULL, SIZE_MAX};
    dp_pool *pool = NULL;
    dp_status status = dp_pool_open(threads_for(bank), &pool, err);
    if (status)
        return status;
    norms.rows = dp_malloc_2d(dp_pool_threads(pool), bank->rows.dim, sizeof *norms.rows);
    if (norms.rows)
        dp_pool_run(pool, dp_rows_cells(&bank->rows), norm_task, &norms);
    else
        status = dp_fail_memory(err, "a row of the bank", bank->rows.dim * sizeof *norms.rows);
    dp_memory_free(norms.rows);
    dp_pool_close(&pool);
    if (norms.first_wrong != SIZE_MAX)
        status =
            dp_fail(err, DP_E_CORRUPT, "%s: the norm of row %zu of cell %zu does not match its features",
                    dp_bank_name(bank), norms.first_wrong % bank->rows.n_rows, norms.first_wrong / bank->rows.n_rows);
    return status;
}

dp_status dp_bank_check_seal(const dp_safetensors *file, const char *path, dp_error *err)
{
    const dp_tensor *features = dp_safetensors_find(file, "features"), *seal = dp_safetensors_find(file, "seal");
    dp_bytes whole = dp_safetensors_bytes(file);
    const unsigned char *after = features->data + dp_tensor_bytes(features);
    const dp_bytes sealed[] = {
        {whole.data, (size_t)(features->data - (const unsigned char *)whole.data)},
        {after, (size_t)(seal->data - after)},
    };
    unsigned char made[DIGEST_BYTES];
    dp_status status = dp_sha256_raw(sealed, 2, made, err);
    if (!status && memcmp(made, seal->data, DIGEST_BYTES) != 0)
        status = dp_fail(
            err, DP_E_CORRUPT,
            "%s: the bank is damaged: the checksum of its header is wrong; restore the file or fit it again", path);
    return status;
}

dp_status dp_bank_verify(const dp_bank *bank, dp_error *err)
{
    if (bank->file.mapped) {
        dp_status status = dp_bank_check_seal(bank->file.mapped, bank->file.path, err);
        if (status)
            return status;
    }
    dp_status status = dp_bank_check_features(bank, NULL, err);
    return status ? status : check_norms(bank, err);
}
