/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - the body of a request as it comes in. */
#include "body.h"
#include "nameless.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_MEMORY ((size_t)4 << 20)

void body_begin(body *b, size_t most_bytes)
{
    *b = (body){.memory = g_byte_array_new(), .fd = -1, .most = most_bytes};
}

void body_end(body *b)
{
    if (b->mapped)
        munmap(b->mapped, b->bytes);
    if (b->fd >= 0)
        close(b->fd);
    if (b->memory)
        g_byte_array_unref(b->memory);
    *b = (body){.fd = -1};
}

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

static bool move_to_disk(body *b, const char *folder)
{
    b->fd = nameless_file(folder);
    bool good = b->fd >= 0 && write_all(b->fd, (const char *)b->memory->data, b->memory->len);
    if (good)
        g_byte_array_set_size(b->memory, 0);
    return good;
}

bool body_add(body *b, const char *folder, const void *data, size_t bytes)
{
    if (bytes > b->most - b->bytes)
        return false;
    b->bytes += bytes;
    if (b->error)
        return true;
    bool on_disk = b->fd >= 0 || b->bytes > IN_MEMORY;
    if (!on_disk)
        g_byte_array_append(b->memory, data, (guint)bytes);
    else if ((b->fd < 0 && !move_to_disk(b, folder)) || !write_all(b->fd, data, bytes))
        b->error = errno;
    if (b->error && b->fd >= 0) { /* gives back what it took of the disk */
        close(b->fd);
        b->fd = -1;
    }
    return true;
}

const char *body_whole(body *b)
{
    if (b->error)
        return NULL;
    if (b->fd < 0)
        return b->bytes ? (const char *)b->memory->data : "";
    if (!b->mapped) {
        b->mapped = mmap(NULL, b->bytes, PROT_READ, MAP_PRIVATE, b->fd, 0);
        if (b->mapped == MAP_FAILED) {
            b->mapped = NULL;
            b->error = errno;
        }
    }
    return b->mapped;
}
