/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - allocation with checked sizes. Every product of sizes from outside is made here. */
#ifndef DP_BASE_MEMORY_H
#define DP_BASE_MEMORY_H

#include "dinopatch/experimental.h"

#include <stdbool.h>
#include <stddef.h>

#define DP_ALIGN_BYTES 64

/* Sets *product to a * b; returns false on overflow. */
static inline bool dp_mul_size(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool dp_add_size(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* Returns count * size zeroed bytes, aligned to DP_ALIGN_BYTES; NULL on overflow or if memory is short. Zero bytes
 * give a valid pointer. Free it with dp_memory_free (public), which accepts NULL. */
void *dp_calloc(size_t count, size_t size);
/* The same without zeroing, for memory that is about to be written whole. */
void *dp_malloc(size_t count, size_t size);
/* The same for a * b elements of `size` bytes (a matrix), so that no product of sizes is made outside this file. */
void *dp_calloc_2d(size_t a, size_t b, size_t size);
void *dp_malloc_2d(size_t a, size_t b, size_t size);
#define DP_NEEDS 16
/* Memory for a * b elements of `size` bytes. */
typedef struct dp_need {
    void *to; /* the address of the pointer that is set */
    size_t a, b, size;
} dp_need;

/* Takes all memory of a piece of work in one place, at most DP_NEEDS: sets each pointer, to NULL where a is 0. If memory is short all stay
 * as they were, and the message is that of dp_fail_memory, of all bytes. */
dp_status dp_memory_take(const dp_need *needs, size_t n, const char *what, dp_error *err);
/* Returns a copy of a string; NULL if memory is short. */
char *dp_strdup(const char *text);

/* Memory that one piece of work gives back and the next one of its kind takes again: what an inspector needs for each
 * picture is allocated for the first one only. A block's size is rounded up to a power of two, so that work of the same
 * size finds its blocks whatever the order. */
typedef struct dp_shelf dp_shelf;

/* Returns NULL if memory is short. */
dp_shelf *dp_shelf_open(void);
void dp_shelf_close(dp_shelf **shelf);
/* From here to dp_shelf_leave, dp_malloc and its like take blocks from the shelf, and dp_memory_free lays them back, on
 * this thread only. Returns the shelf that was in use before, for dp_shelf_leave. */
dp_shelf *dp_shelf_use(dp_shelf *shelf);
/* Blocks that are in use stay with those who hold them, who free them as any others. */
void dp_shelf_leave(dp_shelf *shelf, dp_shelf *before);

/* A buffer that grows and never shrinks. */
typedef struct dp_room {
    void *memory;
    size_t bytes;
} dp_room;

/* Returns room for count * size bytes, whose content is not kept when it grows; NULL if memory is short. */
void *dp_room_for(dp_room *room, size_t count, size_t size);
void dp_room_close(dp_room *room);

#endif
