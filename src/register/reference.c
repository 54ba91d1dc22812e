/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - memory of a reference. */
#include "register/reference.h"
#include "base/memory.h"

void dp_reference_close(dp_reference **pointer)
{
    dp_reference *r = *pointer;
    if (!r)
        return;
    dp_memory_free(r->basis.mean);
    dp_memory_free(r->basis.rows);
    dp_memory_free(r->turned);
    dp_memory_free(r->turned_weight);
    dp_memory_free(r->mean);
    dp_memory_free(r->slopes);
    dp_memory_free(r->weight);
    dp_memory_free(r);
    *pointer = NULL;
}
