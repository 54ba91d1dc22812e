/* SPDX-License-Identifier: Apache-2.0 */
/* find_twins.c - finds pictures that are in a bank already, or given twice. */
#include "image/picture.h"
#include "bank/twins.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"
#include "extract/pictures.h"
#include "dinopatch/edit.h"

#include <stdatomic.h>
#include <string.h>

#define TASKS_PER_THREAD 4 /* between two checks whether to stop */

struct reading {
    dp_pictures pictures;
    size_t first;
    dp_picture_options options;
    unsigned char *digests; /* [n, 32] */
    uint8_t *known;         /* [n] 1: the picture could be read */
    atomic_bool no_memory;
};

static void read_task(void *context, size_t index, size_t worker)
{
    (void)worker;
    struct reading *reading = context;
    size_t i = reading->first + index;
    dp_picture *picture = NULL;
    dp_status status = dp_pictures_load(&reading->pictures, i, &reading->options, &picture, NULL, NULL);
    if (!status)
        status = dp_picture_digest(picture, reading->digests + i * DP_DIGEST_BYTES, NULL);
    dp_picture_free(&picture);
    reading->known[i] = status == DP_OK;
    if (status == DP_E_MEMORY)
        atomic_store(&reading->no_memory, true);
}

static dp_status read_all(struct reading *reading, size_t n, const dp_run *run, dp_error *err)
{
    dp_pool *pool = NULL;
    dp_status status = dp_pool_open(run->threads, &pool, err);
    size_t batch = TASKS_PER_THREAD * dp_pool_threads(pool);
    for (size_t done = 0; !status && done < n;) {
        reading->first = done;
        dp_pool_run(pool, n - done < batch ? n - done : batch, read_task, reading);
        done = n - done < batch ? n : done + batch;
        if (reading->no_memory)
            status = dp_fail_memory(err, "a picture", 0);
        else if (run->progress && run->progress(run->user, "compare", done, n) && done < n)
            status = dp_fail(err, DP_E_CANCELLED, "stopped after %zu of %zu pictures were compared", done, n);
    }
    dp_pool_close(&pool);
    return status;
}

/* Returns the bank's picture with that name whose pixels are unknown. */
static size_t by_name(const dp_bank *bank, const char *name)
{
    for (size_t p = 0; p < bank->pictures.n; p++)
        if (!dp_bank_picture_digest(bank, p) && !strcmp(bank->pictures.names[p], name))
            return p;
    return SIZE_MAX;
}

dp_status dp_find_twins_from(const dp_bank *bank, const dp_source *source, const dp_run *given, size_t *in_bank,
                             size_t *earlier, dp_error *err)
{
    size_t n = source->n;
    dp_run run;
    dp_twin_table own = {0}, given_before = {0};
    dp_run_init(&run);
    if (given)
        run = *given;
    const dp_picture_options options = {
        .max_pixels = run.max_picture_pixels, .tolerant = run.tolerant, .white = bank ? bank->recipe.sample_white : 0};
    struct reading reading = {.pictures = dp_pictures_all(source),
                              .options = options,
                              .digests = dp_malloc(n, DP_DIGEST_BYTES),
                              .known = dp_calloc(n, 1)};
    bool unseen = bank && !dp_bank_knows_digests(bank);
    dp_status status = DP_OK;
    if (!reading.digests || !reading.known || !dp_twin_table_open(&given_before, n)
        || (bank && !dp_twin_table_of_bank(&own, bank, 0)))
        status = dp_fail_memory(err, "the pictures' digests", n * DP_DIGEST_BYTES);
    if (!status)
        status = read_all(&reading, n, &run, err);
    for (size_t i = 0; !status && i < n; i++) {
        const unsigned char *digest = reading.digests + i * DP_DIGEST_BYTES;
        earlier[i] = reading.known[i] ? dp_twin_table_put(&given_before, digest, i) : SIZE_MAX;
        if (!bank)
            continue;
        in_bank[i] = reading.known[i] ? dp_twin_table_find(&own, digest) : SIZE_MAX;
        if (unseen && in_bank[i] == SIZE_MAX)
            in_bank[i] = by_name(bank, dp_pictures_name(&reading.pictures, i));
    }
    dp_twin_table_close(&own);
    dp_twin_table_close(&given_before);
    dp_memory_free(reading.digests);
    dp_memory_free(reading.known);
    return status;
}
