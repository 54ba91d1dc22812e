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

void dp_part_numbers(const dp_reference *r, double numbers[PART_SINGLE])
{
    const double all[PART_SINGLE] = {r->look.unit, r->width, r->height, r->round, r->good_score, r->least_score};
    memcpy(numbers, all, sizeof all);
}

/* The sizes that follow from the shapes of three tensors; false: they cannot be those of a part. */
static bool read_sizes(const dp_tensor *const at[], dp_reference *r)
{
    const dp_tensor *basis = at[1], *turned = at[2], *features = at[4];
    if (basis->rank != 2 || turned->rank != 4 || features->rank != 3)
        return false;
    r->basis.dim = basis->shape[0];
    r->basis.dim_in = basis->shape[1];
    r->n_angles = turned->shape[0];
    r->side = turned->shape[1];
    r->look.rows = features->shape[0];
    r->look.cols = features->shape[1];
    return r->basis.dim && r->basis.dim <= r->basis.dim_in && r->basis.dim_in <= MOST_DIM && r->n_angles
           && r->n_angles <= MOST_ANGLES && r->side && r->side <= MOST_CELLS && r->look.rows
           && r->look.rows <= MOST_CELLS && r->look.cols && r->look.cols <= MOST_CELLS && r->look.rows % 2 == 0
           && r->look.cols % 2 == 0;
}

static bool read_numbers(const dp_tensor *tensor, dp_reference *r)
{
    double numbers[PART_SINGLE];
    memcpy(numbers, tensor->data, sizeof numbers);
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

dp_status dp_part_read(const dp_safetensors *file, const char *path, dp_reference **reference, dp_error *err)
{
    const dp_tensor *at[DP_REFERENCE_ARRAYS + 1];
    for (size_t i = 0; i <= DP_REFERENCE_ARRAYS; i++) {
        const char *name = dp_bank_tensor_name(PART_MEAN + i);
        at[i] = dp_safetensors_find(file, name);
        if (!at[i])
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is missing", path, name);
        if (at[i]->dtype != (i < DP_REFERENCE_ARRAYS ? DP_DTYPE_F32 : DP_DTYPE_F64))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has the wrong type or shape for this bank", path, name);
    }
    dp_reference *r = dp_calloc(1, sizeof *r);
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    if (!r)
        return dp_fail_memory(err, path, sizeof *r);
    bool good =
        at[DP_REFERENCE_ARRAYS]->count == PART_SINGLE && read_numbers(at[DP_REFERENCE_ARRAYS], r) && read_sizes(at, r);
    dp_status status = DP_OK;
    if (good && !dp_reference_allocate(r))
        status = dp_fail_memory(err, path, sizeof *r);
    dp_reference_arrays(r, arrays);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS && good && !status; i++) {
        good = at[i]->count == arrays[i].n;
        if (good)
            memcpy(*arrays[i].values, at[i]->data, arrays[i].n * sizeof(float));
        for (size_t k = 0; k < arrays[i].n && good; k++)
            good = isfinite((*arrays[i].values)[k]);
    }
    for (size_t i = 0; i < dp_look_cells(&r->look) && good && !status; i++)
        good = r->weight[i] >= 0;
    if (!good)
        status = dp_fail(err, DP_E_FORMAT, "%s: its tensors 'part_...' do not describe a part", path);
    if (status)
        dp_reference_close(&r);
    else
        *reference = r;
    return status;
}
