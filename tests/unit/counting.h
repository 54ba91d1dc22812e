/* SPDX-License-Identifier: Apache-2.0 */
/* counting.h - replaces the allocation functions of a test program and counts calls by caller. oneDNN makes a short
 * list of its arguments at each execution; those calls are counted separately. */
#ifndef DP_TESTS_COUNTING_H
#define DP_TESTS_COUNTING_H

#include "test.h"

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define COUNTING 0 /* the sanitiser has its own allocator; other C libraries lack the names below */
#else
#define COUNTING 1
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

#define SEEN __attribute__((visibility("default"))) /* by the shared libraries */

static atomic_bool counting;
static atomic_size_t ours, others;

static void count(void *caller)
{
    Dl_info info;
    if (!atomic_load(&counting))
        return;
    bool foreign = dladdr(caller, &info) && (strstr(info.dli_fname, "libdnnl") || strstr(info.dli_fname, "libstdc++"));
    atomic_fetch_add(foreign ? &others : &ours, 1);
}

SEEN void *malloc(size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

SEEN void *calloc(size_t n, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, bytes);
}

SEEN void *realloc(void *memory, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_realloc(memory, bytes);
}

SEEN void *memalign(size_t alignment, size_t bytes);
SEEN void *memalign(size_t alignment, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, bytes);
}

SEEN void *aligned_alloc(size_t alignment, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, bytes);
}

SEEN int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    count(__builtin_return_address(0));
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}
#endif

#endif
