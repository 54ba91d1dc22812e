/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - memory of a reference. */
#include "register/reference.h"
#include "base/memory.h"

#include <string.h>

void dp_reference_arrays(dp_reference *r, dp_reference_array arrays[DP_REFERENCE_ARRAYS])
{
    const size_t cells = dp_look_cells(&r->look), known = r->n_angles * r->side * r->side, dim = r->basis.dim;
    const dp_reference_array all[DP_REFERENCE_ARRAYS] = {
        {&r->basis.mean, r->basis.dim_in},
        {&r->basis.rows, dim * r->basis.dim_in},
        {&r->turned, known * dim},
        {&r->turned_weight, known},
        {&r->mean, cells * dim},
        {&r->slopes, DP_SLOPES * cells * dim},
        {&r->weight, cells},
    };
    memcpy(arrays, all, sizeof all);
}

void dp_reference_close(dp_reference **pointer)
{
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    if (!*pointer)
        return;
    for (dp_reference *r = *pointer, *next; r; r = next) {
        next = r->next;
        dp_reference_arrays(r, arrays);
        for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
            dp_memory_free(*arrays[i].values);
        dp_memory_free(r);
    }
    *pointer = NULL;
}

size_t dp_reference_kinds(const dp_reference *reference)
{
    size_t n = 0;
    for (; reference; reference = reference->next)
        n++;
    return n;
}

size_t dp_reference_angles(const dp_reference *reference)
{
    size_t most = 0;
    for (; reference; reference = reference->next)
        most = reference->n_angles > most ? reference->n_angles : most;
    return most;
}

bool dp_reference_allocate(dp_reference *r)
{
    dp_reference_array arrays[DP_REFERENCE_ARRAYS];
    bool good = true;
    dp_reference_arrays(r, arrays);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
        good = (*arrays[i].values = dp_malloc(arrays[i].n, sizeof(float))) && good;
    return good;
}

dp_reference *dp_reference_copy(const dp_reference *reference)
{
    dp_reference from = *reference, *copy = dp_malloc(1, sizeof *copy);
    dp_reference_array source[DP_REFERENCE_ARRAYS], target[DP_REFERENCE_ARRAYS];
    if (!copy)
        return NULL;
    *copy = from;
    copy->next = NULL;
    if (!dp_reference_allocate(copy) || (from.next && !(copy->next = dp_reference_copy(from.next)))) {
        dp_reference_close(&copy);
        return NULL;
    }
    dp_reference_arrays(&from, source);
    dp_reference_arrays(copy, target);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS; i++)
        memcpy(*target[i].values, *source[i].values, source[i].n * sizeof(float));
    return copy;
}

bool dp_reference_equal(const dp_reference *a, const dp_reference *b)
{
    dp_reference x = *a, y = *b;
    dp_reference_array one[DP_REFERENCE_ARRAYS], other[DP_REFERENCE_ARRAYS];
    bool same = x.basis.dim == y.basis.dim && x.basis.dim_in == y.basis.dim_in && x.n_angles == y.n_angles
                && x.side == y.side && x.look.rows == y.look.rows && x.look.cols == y.look.cols
                && x.look.unit == y.look.unit && x.width == y.width && x.height == y.height && x.round == y.round
                && x.good_score == y.good_score && x.least_score == y.least_score;
    dp_reference_arrays(&x, one);
    dp_reference_arrays(&y, other);
    for (size_t i = 0; i < DP_REFERENCE_ARRAYS && same; i++)
        same = !memcmp(*one[i].values, *other[i].values, one[i].n * sizeof(float));
    return same && (!x.next == !y.next) && (!x.next || dp_reference_equal(x.next, y.next));
}
