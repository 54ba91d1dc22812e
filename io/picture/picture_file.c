/* SPDX-License-Identifier: Apache-2.0 */
/* picture_file.c - opens a picture file, finds its format from its content, and reads it. */
#include "picture/picture_file.h"
#include "picture/depth.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 4096
#define REMEDY "export it as PNG or TIFF"

/* Bytes that a file may have in addition to 16 bytes a pixel of its largest picture: profiles, previews, what a camera
 * appends. */
#define EXTRA_BYTES ((uint64_t)1 << 28)

/* Opens the file of a picture: *size bytes from *at on. A picture that is stored in another file needs no more. */
static dp_status open_stored(const dp_stored *stored, int *descriptor, uint64_t *at, uint64_t *size, dp_error *err)
{
    const char *path = stored->name;
    if (stored->fd >= 0) {
        if (!stored->bytes)
            return dp_fail(err, DP_E_PICTURE, "%s: is empty", path);
        *descriptor = stored->fd;
        *at = stored->at;
        *size = stored->bytes;
        return DP_OK;
    }
    int fd = dp_open_to_read(path);
    if (fd < 0)
        return dp_fail_errno(err, "%s: cannot open", path);
    struct stat st;
    dp_status status = DP_OK;
    if (fstat(fd, &st) != 0)
        status = dp_fail_errno(err, "%s: cannot read its size", path);
    else if (S_ISDIR(st.st_mode))
        status = dp_fail(err, DP_E_IO, "%s: is a folder, not a picture", path);
    else if (!S_ISREG(st.st_mode))
        status = dp_fail(err, DP_E_IO, "%s: is not a regular file", path);
    else if (st.st_size == 0)
        status = dp_fail(err, DP_E_PICTURE, "%s: is empty", path);
    if (status) {
        close(fd);
        return status;
    }
    *descriptor = fd;
    *at = 0;
    *size = (uint64_t)st.st_size;
    return DP_OK;
}

static void close_stored(const dp_stored *stored, int fd)
{
    if (stored->fd < 0)
        close(fd);
}

ssize_t dp_read_at(int fd, void *out, size_t n, uint64_t at)
{
    size_t got = 0;
    while (got < n) {
        ssize_t part = pread(fd, (uint8_t *)out + got, n - got, (off_t)(at + got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        got += (size_t)part;
    }
    return (ssize_t)got;
}

/* Reads the rest of the picture at `at`; the first `have` bytes are already in source->data. */
static dp_status read_rest(dp_picture_file *source, int fd, uint64_t at, size_t have, size_t max_pixels, dp_error *err)
{
    uint64_t most = max_pixels && max_pixels < SIZE_MAX / 32 ? 16 * (uint64_t)max_pixels + EXTRA_BYTES : SIZE_MAX / 2;
    if (source->size > most)
        return dp_fail(err, DP_E_PICTURE, "%s: has %llu bytes, more than a picture of %zu pixels (the limit) can need",
                       source->path, (unsigned long long)source->size, max_pixels);
    size_t size = (size_t)source->size;
    uint8_t *data = dp_malloc(size + 2, 1);
    if (!data)
        return dp_fail_memory(err, source->path, size);
    memcpy(data, source->data, have);
    dp_memory_free(source->data);
    source->data = data;
    ssize_t got = size > have ? dp_read_at(fd, data + have, size - have, at + have) : 0;
    if (got < 0)
        return dp_fail_errno(err, "%s: cannot read it", source->path);
    source->bytes = have + (size_t)got;
    return DP_OK;
}

dp_status dp_picture_file_open(const dp_stored *stored, size_t max_pixels, dp_picture_file *out, dp_error *err)
{
    const char *path = stored->name;
    uint64_t at = 0;
    dp_picture_file source = {.path = path, .fd = -1};
    source.facts.subifd = -1;
    source.facts.rows = SIZE_MAX;
    int fd = -1;
    const char *name = NULL;
    ssize_t got = 0;
    dp_status status = open_stored(stored, &fd, &at, &source.size, err);
    if (status)
        return status;
    source.data = dp_malloc(HEAD + 2, 1);
    if (!source.data)
        status = dp_fail_memory(err, path, HEAD);
    else if ((got = dp_read_at(fd, source.data, source.size < HEAD ? (size_t)source.size : HEAD, at)) < 0)
        status = dp_fail_errno(err, "%s: cannot read it", path);
    if (status)
        goto done;
    source.bytes = (size_t)got;
    source.kind = dp_sniff(source.data, source.bytes, &name);
    if (source.kind == DP_KIND_NONE) {
        status = dp_fail(err, DP_E_PICTURE, "%s: is not a picture of a known format", path);
    } else if (source.kind == DP_KIND_OTHER && !strcmp(name, DP_TAR_NAME)) {
        status = dp_fail(
            err, DP_E_PICTURE,
            "%s: is a tar file, not a picture; fit and inspect read the pictures of those that are named .tar", path);
    } else if (source.kind == DP_KIND_OTHER) {
        status = dp_fail(err, DP_E_PICTURE, "%s: its content is a %s, which cannot be read; " REMEDY, path, name);
    } else if (source.kind == DP_KIND_TIFF) {
        source.fd = stored->fd < 0 ? fd : -1;
        status = dp_tiff_walk(fd, at, source.size, &source.facts, err);
        if (status)
            status = dp_error_prefix(err, status, "%s", path);
        else if (stored->fd >= 0 && source.size > (uint64_t)got)
            status = read_rest(&source, fd, at, (size_t)got, max_pixels, err);
    } else {
        if (source.size > (uint64_t)got)
            status = read_rest(&source, fd, at, (size_t)got, max_pixels, err);
        if (!status && source.kind == DP_KIND_JPEG)
            dp_jpeg_walk(source.data, source.bytes, &source.facts);
        else if (!status && source.kind == DP_KIND_PNG)
            dp_png_walk(source.data, source.bytes, &source.facts);
        else if (!status && source.kind == DP_KIND_WEBP)
            dp_riff_walk(source.data, source.bytes, &source.facts);
        else if (!status && source.kind == DP_KIND_HEIF)
            source.facts.lossy = true;
    }
done:
    if (source.fd < 0 || status) {
        close_stored(stored, fd);
        source.fd = -1;
    }
    if (status)
        dp_picture_file_close(&source);
    else
        *out = source;
    return status;
}

void dp_picture_file_close(dp_picture_file *source)
{
    if (source->fd >= 0)
        close(source->fd);
    dp_memory_free(source->data);
    *source = (dp_picture_file){.fd = -1};
}

dp_status dp_picture_file_bits(const dp_stored *stored, size_t *bits, dp_error *err)
{
    uint8_t head[HEAD];
    dp_facts facts = {.subifd = -1};
    int fd = -1;
    uint64_t at = 0, size = 0;
    const char *name;
    dp_status status = open_stored(stored, &fd, &at, &size, err);
    if (status)
        return status;
    ssize_t got = dp_read_at(fd, head, size < sizeof head ? (size_t)size : sizeof head, at);
    dp_kind kind = got > 0 ? dp_sniff(head, (size_t)got, &name) : DP_KIND_NONE;
    *bits = 8;
    if (kind == DP_KIND_PNG && got > 24)
        *bits = head[24] == 16 ? 16 : 8;
    else if (kind == DP_KIND_TIFF && (status = dp_tiff_walk(fd, at, size, &facts, err)) == DP_OK)
        *bits = facts.bits;
    else if (kind == DP_KIND_PNM && head[1] != '1' && head[1] != '4')
        *bits = 16; /* or 8: only the decoder knows */
    close_stored(stored, fd);
    return status;
}
