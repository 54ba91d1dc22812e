/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_bank.c - a bank of any bytes: opened, verified, calibrated (which searches it), made smaller, written again.
 *
 * The checksums of a bank stop nearly every fault of a file. So each input is opened twice: unchanged, and with correct
 * checksums and a recipe that lacks no field. */
#include "container.h"
#include "fuzz.h"

#include "bank/bank.h"
#include "base/memory.h"
#include "format/safetensors.h"
#include "options/check.h"
#include "dinopatch/edit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef DP_FUZZING
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return container_mutate(data, size, max_size, seed);
}
#endif

#define BLOCK_BYTES ((size_t)1 << 20)

static void digest(const dp_bytes *pieces, size_t n, uint8_t out[32])
{
    char hex[DP_SHA256_HEX_BYTES];
    fuzz_must(dp_sha256(pieces, n, hex, NULL) == DP_OK, "a digest can be made");
    for (size_t i = 0; i < 32; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* data becomes a file whose checksums hold, as far as it has any. */
static void repair(uint8_t *data, size_t bytes)
{
    dp_safetensors *file = NULL;
    if (dp_safetensors_parse(data, bytes, "the bank", &file, NULL))
        return;
    const dp_tensor *features = dp_safetensors_find(file, "features"),
                    *digests = dp_safetensors_find(file, "feature_digests"), *seal = dp_safetensors_find(file, "seal");
    if (features && digests && seal && seal->data + 32 <= data + bytes && seal->data > features->data) {
        size_t held = features->count * dp_dtype_bytes(features->dtype);
        for (size_t i = 0; i * BLOCK_BYTES < held && (i + 1) * 32 <= digests->count * dp_dtype_bytes(digests->dtype);
             i++) {
            size_t left = held - i * BLOCK_BYTES;
            uint8_t made[32];
            digest(&(dp_bytes){features->data + i * BLOCK_BYTES, left < BLOCK_BYTES ? left : BLOCK_BYTES}, 1, made);
            memcpy(data + (digests->data - data) + 32 * i, made, 32);
        }
        const uint8_t *after = features->data + held;
        const dp_bytes sealed[] = {{data, (size_t)(features->data - data)}, {after, (size_t)(seal->data - after)}};
        uint8_t made[32];
        digest(sealed, 2, made);
        memcpy(data + (seal->data - data), made, 32);
    }
    dp_safetensors_close(&file);
}

static int stop_after(void *user, const char *stage, size_t done, size_t total)
{
    (void)stage, (void)done, (void)total;
    return ++*(size_t *)user > 2000;
}

static void look(const dp_bank *bank, const dp_bank_details *info)
{
    dp_error err;
    for (size_t p = 0; p < info->n_pictures; p++) {
        fuzz_must(dp_bank_picture_name(bank, p) != NULL && dp_bank_picture_pose(bank, p) != NULL,
                  "every picture has a name and a pose");
        fuzz_must(!isinf(dp_bank_picture_score(bank, p)), "a score is a number or not known");
        size_t rows, cols;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        fuzz_must(rows * cols <= (size_t)DP_MAX_GRID_CELLS, "no picture has more cells than a picture can have");
    }
    size_t *order = malloc(info->n_pictures * sizeof *order);
    double *z = malloc(info->n_pictures * sizeof *z);
    if (order && z && fuzz_ok(dp_bank_suspects(bank, order, z, &err), &err))
        for (size_t p = 0; p < info->n_pictures; p++)
            fuzz_must(order[p] < info->n_pictures, "suspects are pictures of the bank");
    free(order);
    free(z);
}

/* A bank that was made here out of a sound one can be written, and what was written is that bank. */
static void keep(const dp_bank *bank)
{
    char path[160];
    dp_error err;
    dp_bank *again = NULL;
    snprintf(path, sizeof path, "%s/kept.bank", fuzz_folder());
    if (!fuzz_ok(dp_bank_save(bank, path, &err), &err))
        return;
    fuzz_must(fuzz_ok(dp_bank_open(path, &again, &err), &err) && fuzz_ok(dp_bank_verify(again, &err), &err),
              "a saved bank can be opened");
    dp_bank_details was, is;
    dp_bank_get_details(bank, &was);
    dp_bank_get_details(again, &is);
    fuzz_must(was.n_pictures == is.n_pictures && was.dim == is.dim && was.feature_bytes == is.feature_bytes,
              "a saved bank is the bank");
    for (size_t p = 0; p < was.n_pictures; p++)
        fuzz_must(!strcmp(dp_bank_picture_name(bank, p), dp_bank_picture_name(again, p)), "a saved name is the name");
    dp_bank_close(&again);
    remove(path);
}

static void use(const dp_bank *bank)
{
    dp_bank_details info;
    dp_error err;
    dp_bank_get_details(bank, &info);
    look(bank, &info);
    bool sound = fuzz_ok(dp_bank_verify(bank, &err), &err);

    size_t steps = 0;
    dp_run run;
    dp_run_init(&run);
    run.threads = 1;
    run.progress = stop_after;
    run.user = &steps;
    dp_view view;
    dp_view_init(bank, &view);
    double *scores = malloc(2 * info.n_pictures * sizeof *scores);
    dp_good good = {.scores = scores, .peaks = scores + info.n_pictures};
    if (scores && fuzz_ok(dp_bank_calibrate(bank, &view, 0.01, &run, &good, &err), &err))
        fuzz_must(!sound || (!isinf(good.of_scores.threshold) && !isinf(good.of_peaks.threshold)),
                  "a threshold is a number or not known");
    view.knn = view.knn == 1 ? 2 : 1; /* another way of scoring: the search itself */
    view.reweight = 0;
    if (scores)
        fuzz_ok(dp_bank_calibrate(bank, &view, 0.01, &run, &good, &err), &err);
    view.blend = 0.5;
    if (scores)
        fuzz_ok(dp_bank_calibrate(bank, &view, 0.01, &run, &good, &err), &err);
    free(scores);

    dp_bank *other = NULL;
    const size_t first = 0;
    steps = 0;
    if (fuzz_ok(dp_bank_remove(bank, &first, 1, &run, &other, &err), &err)) {
        if (sound)
            keep(other);
        dp_bank_close(&other);
    }
    fuzz_must(other == NULL, "a failed removal leaves its output alone");
    dp_compression how;
    dp_compression_init(bank, &how);
    how.storage = how.storage == DP_STORAGE_F16 ? DP_STORAGE_I8 : DP_STORAGE_F16;
    if (fuzz_ok(dp_bank_compress(bank, &how, &run, &other, NULL, &err), &err)) {
        if (sound)
            keep(other);
        dp_bank_close(&other);
    }
    dp_compression_init(bank, &how);
    how.coreset = 0.5;
    if (fuzz_ok(dp_bank_compress(bank, &how, &run, &other, NULL, &err), &err))
        dp_bank_close(&other);
    how.coreset = 0;
    if (info.dim > 1) {
        how.pca = 1;
        how.kmeans = 2;
        if (fuzz_ok(dp_bank_compress(bank, &how, &run, &other, NULL, &err), &err))
            dp_bank_close(&other);
    }
    if (fuzz_ok(dp_bank_merge(bank, bank, &run, &other, &err), &err))
        dp_bank_close(&other);
}

static void open_bank(const uint8_t *data, size_t bytes)
{
    dp_bank *bank = NULL;
    dp_error err;
    if (fuzz_ok(dp_bank_open(fuzz_file(data, bytes), &bank, &err), &err))
        use(bank);
    else
        fuzz_must(bank == NULL, "a failed opening leaves its output alone");
    dp_bank_close(&bank);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    dp_bank *bank = NULL;
    dp_error err;
    fuzz_ok(dp_bank_open(fuzz_file(data, bytes), &bank, &err), &err);
    dp_bank_close(&bank);
    size_t whole = 0;
    uint8_t *copy = container_bank(data, bytes, &whole);
    if (copy) {
        repair(copy, whole);
        open_bank(copy, whole);
    }
    free(copy);
    return 0;
}
