#include "base/memory.h"
#include "dinopatch/experimental.h"

#include <stdlib.h>
#include <string.h>

void *dp_malloc(size_t count, size_t size)
{
    size_t bytes, padded;
    if (!dp_mul_size(count, size, &bytes) || !dp_add_size(bytes, DP_ALIGN_BYTES - 1, &padded))
        return NULL;
    padded &= ~(size_t)(DP_ALIGN_BYTES - 1);
    return aligned_alloc(DP_ALIGN_BYTES, padded ? padded : DP_ALIGN_BYTES);
}

void *dp_calloc(size_t count, size_t size)
{
    void *memory = dp_malloc(count, size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

void *dp_malloc_2d(size_t a, size_t b, size_t size)
{
    size_t count;
    return dp_mul_size(a, b, &count) ? dp_malloc(count, size) : NULL;
}

void *dp_calloc_2d(size_t a, size_t b, size_t size)
{
    size_t count;
    return dp_mul_size(a, b, &count) ? dp_calloc(count, size) : NULL;
}

char *dp_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = dp_malloc(bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void dp_memory_free(void *memory)
{
    free(memory);
}
