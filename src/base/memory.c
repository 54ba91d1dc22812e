/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - checked sizes, and blocks that are used again. */
#include "base/memory.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHELF_BLOCKS = 256,
    SMALLEST_BLOCK = 65536 /* what depends on a picture, as the number of its defects, mostly fits; pages that are not
                            * touched cost nothing */
};

struct dp_shelf {
    size_t n;
    struct block {
        void *memory;
        size_t bytes;
        bool taken, again; /* again: it was taken before */
    } blocks[SHELF_BLOCKS];
};

/* NULL but while this thread runs a piece of work that has one. */
static _Thread_local dp_shelf *in_use;

dp_shelf *dp_shelf_open(void)
{
    return dp_calloc(1, sizeof(dp_shelf));
}

/* Blocks that are in use stay with those who hold them. */
void dp_shelf_close(dp_shelf **shelf)
{
    if (!shelf || !*shelf)
        return;
    for (size_t i = 0; i < (*shelf)->n; i++)
        if (!(*shelf)->blocks[i].taken)
            free((*shelf)->blocks[i].memory);
    dp_memory_free(*shelf);
    *shelf = NULL;
}

dp_shelf *dp_shelf_use(dp_shelf *shelf)
{
    dp_shelf *before = in_use;
    in_use = shelf;
    return before;
}

void dp_shelf_leave(dp_shelf *shelf, dp_shelf *before)
{
    size_t kept = 0;
    for (size_t i = 0; i < shelf->n; i++) {
        struct block block = shelf->blocks[i];
        if (block.taken && block.again) /* the next piece of work finds another in its place */
            block = (struct block){.memory = aligned_alloc(DP_ALIGN_BYTES, block.bytes), .bytes = block.bytes};
        if (!block.taken && block.memory)
            shelf->blocks[kept++] = block;
    }
    shelf->n = kept;
    in_use = before;
}

/* bytes: a multiple of DP_ALIGN_BYTES. */
static void *take_block(dp_shelf *shelf, size_t bytes)
{
    size_t rounded = SMALLEST_BLOCK;
    while (rounded < bytes)
        if (!dp_mul_size(rounded, 2, &rounded))
            return NULL;
    for (size_t i = 0; i < shelf->n; i++) {
        struct block *block = &shelf->blocks[i];
        if (!block->taken && block->bytes == rounded) {
            block->taken = block->again = true;
            return block->memory;
        }
    }
    if (shelf->n == SHELF_BLOCKS)
        return aligned_alloc(DP_ALIGN_BYTES, bytes);
    void *memory = aligned_alloc(DP_ALIGN_BYTES, rounded);
    if (memory)
        shelf->blocks[shelf->n++] = (struct block){.memory = memory, .bytes = rounded, .taken = true};
    return memory;
}

/* Returns whether the block belongs to the shelf. */
static bool lay_back(dp_shelf *shelf, const void *memory)
{
    for (size_t i = shelf->n; i-- > 0;)
        if (shelf->blocks[i].memory == memory) {
            shelf->blocks[i].taken = false;
            return true;
        }
    return false;
}

void *dp_malloc(size_t count, size_t size)
{
    size_t bytes, padded;
    if (!dp_mul_size(count, size, &bytes) || !dp_add_size(bytes, DP_ALIGN_BYTES - 1, &padded))
        return NULL;
    padded &= ~(size_t)(DP_ALIGN_BYTES - 1);
    padded = padded ? padded : DP_ALIGN_BYTES;
    return in_use ? take_block(in_use, padded) : aligned_alloc(DP_ALIGN_BYTES, padded);
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

dp_status dp_memory_take(const dp_need *needs, size_t n, const char *what, dp_error *err)
{
    size_t bytes = 0, done = 0;
    void *taken[DP_NEEDS];
    for (size_t i = 0; i < n; i++)
        bytes +=
            needs[i].a * needs[i].b * needs[i].size; /* for the message; a product that is too large is refused below */
    for (bool good = true; done < n && good; done += good) {
        const dp_need *need = &needs[done];
        taken[done] = need->a ? dp_malloc_2d(need->a, need->b, need->size) : NULL;
        good = taken[done] || !need->a;
    }
    for (size_t i = 0; i < done && done < n; i++)
        dp_memory_free(taken[i]);
    for (size_t i = 0; i < n && done == n; i++)
        memcpy(needs[i].to, &taken[i], sizeof taken[i]);
    return done == n ? DP_OK : dp_fail_memory(err, what, bytes);
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
    if (!memory || (in_use && lay_back(in_use, memory)))
        return;
    free(memory);
}

void *dp_room_for(dp_room *room, size_t count, size_t size)
{
    size_t bytes;
    if (!dp_mul_size(count, size, &bytes))
        return NULL;
    if (!room->memory || room->bytes < bytes) {
        dp_memory_free(room->memory);
        room->memory = dp_malloc(bytes, 1);
        room->bytes = room->memory ? bytes : 0;
    }
    return room->memory;
}

void dp_room_close(dp_room *room)
{
    dp_memory_free(room->memory);
    *room = (dp_room){0};
}
