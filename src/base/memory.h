/* memory.h - allocation with checked sizes. Every product of sizes from outside is made here. */
#ifndef DP_BASE_MEMORY_H
#define DP_BASE_MEMORY_H

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
/* Returns a copy of a string; NULL if memory is short. */
char *dp_strdup(const char *text);

#endif
