/* SPDX-License-Identifier: Apache-2.0 */
/* bank_part.c - the reference of a part in the file of a bank: docs/bank-format.md. */
#include "bank/bank_tensors.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define MOST_ANGLES 360
#define MOST_CELLS 64 /* of a side */
#define MOST_DIM 4096

enum { SHARED = 2 }; /* the first arrays are those of all kinds */

static void numbers_of(const dp_reference *r, double numbers[PART_SINGLE])
{
    const double all[PART_SINGLE] = {r->look.unit, r->width, r->height, r->round, r->good_score, r->least_score};
    memcpy(numbers, all, sizeof all);
}

dp_status dp_part_pack(const dp_reference *reference, const dp_tensor tensors[PART_TENSORS], void *data[PART_TENSORS],
                       dp_error *err)
{
    const size_t kinds = dp_reference_kinds(reference);
    size_t at = 0;
    for (size_t i = 0; i < PART_TENSORS; i++)
        data[i] = NULL;
    for (size_t i = 0; i < PART_TENSORS && reference; i++)
        if (!(data[i] = dp_calloc(dp_tensor_bytes(&tensors[i]), 1))) {
            dp_part_pack_free(data);
            return dp_fail_memory(err, "the part", dp_tensor_bytes(&tensors[i]));
        }
    for (const dp_reference *kind = reference; kind; kind = kind->next, at++) {
        dp_reference own = *kind;
        dp_reference_array arrays[DP_REFERENCE_ARRAYS];
        dp_reference_arrays(&own, arrays);
        for (size_t i = at ? SHARED : 0; i < DP_REFERENCE_ARRAYS; i++)
            memcpy((float *)data[i] + at * (tensors[i].count / kinds), *arrays[i].values, arrays[i].n * sizeof(float));
        numbers_of(kind, (double *)data[DP_REFERENCE_ARRAYS] + at * PART_SINGLE);
    }
    return DP_OK;
}

void dp_part_pack_free(void *data[PART_TENSORS])
{
    for (size_t i = 0; i < PART_TENSORS; i++) {
        dp_memory_free(data[i]);
        data[i] = NULL;
    }
}

/* The sizes that follow from the shapes of three tensors; false: they cannot be those of a part. */
static bool read_sizes(const dp_tensor *const at[], size_t *kinds, dp_reference *r)
{
    const dp_tensor *basis = at[1], *turned = at[2], *features = at[4];
    if (basis->rank != 2 || turned->rank != 5 || features->rank != 4)
        return false;
    *kinds = turned->shape[0];
    r->basis.dim = basis->shape[0];
    r->basis.dim_in = basis->shape[1];
    r->n_angles = turned->shape[1];
    r->side = turned->shape[2];
    r->look.rows = features->shape[1];
    r->look.cols = features->shape[2];
    return *kinds && *kinds <= DP_MOST_KINDS && r->basis.dim && r->basis.dim <= r->basis.dim_in
           && r->basis.dim_in <= MOST_DIM && r->n_angles && r->n_angles <= MOST_ANGLES && r->side
           && r->side <= MOST_CELLS && r->look.rows && r->look.rows <= MOST_CELLS && r->look.cols
           && r->look.cols <= MOST_CELLS && r->look.rows % 2 == 0 && r->look.cols % 2 == 0;
}

static bool read_numbers(const uint8_t *data, dp_reference *r)
{
    double numbers[PART_SINGLE];
    memcpy(numbers, data, sizeof numbers);
    for (size_t i = 0; i < PART_SINGLE; i++)
        if (!isfinite(numbers[i]))
            return false;
    r->look.unit = numbers[0];
    r->width = numbers[1];
    r->height = numbers[2];
    r->round = numbers[3] != 0;
    r->good_score = numbers[4];
    r->least_score = numbers[5];
    return r->look.unit > 0 && r->look.unit < 1e3 && r->width > 0 && r->width < 1e4 && r->height > 0 && r->height < 1e4
           && (numbers[3] == 0 || numbers[3] == 1);
}

/* The sizes of all tensors by those of three. */
static bool fit_together(const dp_tensor *const at[], size_t kinds, const dp_reference *sizes)
{
    dp_reference whole = *sizes;
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    dp_reference_arrays(&whole, arrays);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
        if (at[i]->count != arrays[i].n * (i < SHARED ? 1 : kinds))
            return false;
    return at[DP_REFERENCE_ARRAYS]->count == kinds * PART_SINGLE;
}

/* *kind of a file whose sizes were checked; false: its values are not those of a part. */
static dp_status read_kind(const dp_tensor *const at[], size_t index, size_t kinds, const dp_reference *sizes,
                           dp_reference **kind, bool *good)
{
    dp_reference *r = dp_calloc(1, sizeof *r);
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    if (!r)
        return DP_E_MEMORY;
    *r = *sizes;
    *good = read_numbers(at[DP_REFERENCE_ARRAYS]->data + index * PART_SINGLE * sizeof(double), r);
    r->n_angles = r->round ? 1 : sizes->n_angles;
    if (!dp_reference_allocate(r)) {
        dp_reference_close(&r);
        return DP_E_MEMORY;
    }
    dp_reference_arrays(r, arrays);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++) {
        const size_t first = i < SHARED ? 0 : index * (at[i]->count / kinds);
        memcpy(*arrays[i].values, at[i]->data + first * sizeof(float), arrays[i].n * sizeof(float));
        for (size_t k = 0; k < arrays[i].n && *good; k++)
            *good = isfinite((*arrays[i].values)[k]);
    }
    for (size_t i = 0; i < dp_look_cells(&r->look) && *good; i++)
        *good = r->weight[i] >= 0;
    *kind = r;
    return DP_OK;
}

dp_status dp_part_read(const dp_safetensors *file, const char *path, dp_reference **reference, dp_error *err)
{
    const dp_tensor *at[PART_TENSORS];
    for (size_t i = 0; i < PART_TENSORS; i++) {
        const char *name = dp_bank_tensor_name(PART_MEAN + i);
        at[i] = dp_safetensors_find(file, name);
        if (!at[i])
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is missing", path, name);
        if (at[i]->dtype != (i < DP_REFERENCE_ARRAYS ? DP_DTYPE_F32 : DP_DTYPE_F64))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has the wrong type or shape for this bank", path, name);
    }
    dp_reference sizes = {0}, *first = NULL, **last = &first;
    size_t kinds = 0;
    bool good = read_sizes(at, &kinds, &sizes) && fit_together(at, kinds, &sizes);
    dp_status status = DP_OK;
    for (size_t i = 0; i < kinds && good && !status; i++) {
        status = read_kind(at, i, kinds, &sizes, last, &good);
        if (status)
            dp_fail_memory(err, path, sizeof sizes);
        else
            last = &(*last)->next;
    }
    if (!good)
        status = dp_fail(err, DP_E_FORMAT, "%s: its tensors 'part_...' do not describe a part", path);
    if (status)
        dp_reference_close(&first);
    else
        *reference = first;
    return status;
}
