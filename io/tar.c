/* SPDX-License-Identifier: Apache-2.0 */
/* tar.c - tar files of pictures, read where they lie.
 *
 * A tar is a row of members: a header of 512 bytes, then the member's bytes, filled up to a multiple of 512. Two blocks of
 * zeros end it. Opening reads the headers only, one small read each, and keeps names, places and sizes; a picture is then
 * read by its place, from the one descriptor, by any thread. So a tar is opened once however many pictures it holds, and
 * a picture may be asked for again, which fit does. That is why there is no library for archives here: those hand out
 * members in their order, once.
 *
 * Formats: ustar, pax (path and size of its records), GNU long names and large sizes, the old format before ustar. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "dinopatch/io.h"
#include "picture/picture_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, MOST_EXTRA = 1 << 20, TAIL = 1 << 16 };

struct dp_tar {
    char *path;
    int fd;
    uint64_t bytes;
    dp_tar_member *members; /* [n], room for `room` */
    size_t n, room;
    dp_error fault; /* its message; "": none */
};

/* The header that is looked at, and what the headers before it say of its member. */
struct walk {
    uint64_t at; /* of the header */
    uint8_t header[BLOCK];
    char *name; /* by a pax record or a GNU header; dp_memory_free; NULL: as the header has it */
    bool has_pax, has_size, sparse, zero_in_name;
    uint64_t size;
};

static const char LEADS_OUT[] = "its name leads out of the tar file";

/* Reads n bytes that the file has. */
static dp_status read_whole(const dp_tar *tar, void *out, size_t n, uint64_t at, dp_error *err)
{
    ssize_t got = dp_read_at(tar->fd, out, n, at);
    if (got < 0)
        return dp_fail_errno(err, "%s: cannot read it", tar->path);
    if ((size_t)got < n)
        return dp_fail(err, DP_E_IO, "%s: was cut short while it was read; run again", tar->path);
    return DP_OK;
}

/* ---------------------------------------------------------------------------------------------------------- a header */

/* A number of a header [n]: octal digits, or base 256 where the first bit is set. False: it is none. */
static bool number(const uint8_t *field, size_t n, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        for (; i < n; i++) {
            if (value >> 55)
                return false;
            value = value << 8 | (i ? field[i] : field[i] & 0x7f);
        }
        *out = value;
        return field[0] != 0xff;
    }
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (field[i] - (uint8_t)'0');
    *out = value;
    return i == n || field[i] == ' ' || !field[i];
}

static bool is_header(const uint8_t *header)
{
    uint64_t stated, sum = 0;
    int64_t with_signs = 0; /* some old programs added signed bytes */
    for (size_t i = 0; i < BLOCK; i++) {
        uint8_t byte = i >= 148 && i < 156 ? ' ' : header[i];
        sum += byte;
        with_signs += (int8_t)byte;
    }
    return number(header + 148, 8, &stated) && (stated == sum || (int64_t)stated == with_signs);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static bool is_ustar(const uint8_t *header)
{
    return !memcmp(header + 257, "ustar", 6); /* with its zero; GNU's has a space */
}

/* The name in a header itself, with its prefix; dp_memory_free. NULL: no memory. */
static char *name_of(const uint8_t *header)
{
    char text[100 + 1 + 155 + 1];
    size_t n = 0;
    if (is_ustar(header) && header[345]) {
        n = strnlen((const char *)header + 345, 155);
        memcpy(text, header + 345, n);
        text[n++] = '/';
    }
    size_t length = strnlen((const char *)header, 100);
    memcpy(text + n, header, length);
    text[n + length] = 0;
    return dp_strdup(text);
}

/* ----------------------------------------------------------------------------------------------- headers of headers */

/* Takes a name that does not stand in the header; zero bytes at its end do not count. */
static dp_status take_name(struct walk *walk, const char *text, size_t n, dp_error *err)
{
    while (n && !text[n - 1])
        n--;
    char *name = dp_malloc(n + 1, 1);
    if (!name)
        return dp_fail_memory(err, "a name in a tar file", n);
    memcpy(name, text, n);
    name[n] = 0;
    walk->zero_in_name = memchr(text, 0, n) != NULL;
    dp_memory_free(walk->name);
    walk->name = name;
    return DP_OK;
}

/* Takes the records of a pax header [n]: "25 path=some/picture.jpg\n". False: they are damaged. */
static bool take_pax(struct walk *walk, const char *text, size_t n, dp_status *status, dp_error *err)
{
    walk->has_pax = true;
    while (n) {
        size_t length = 0, digits = 0;
        for (; digits < n && digits < 8 && text[digits] >= '0' && text[digits] <= '9'; digits++)
            length = length * 10 + (size_t)(text[digits] - '0');
        if (!digits || digits >= n || text[digits] != ' ' || length > n || length < digits + 3
            || text[length - 1] != '\n')
            return false;
        const char *key = text + digits + 1, *stop = text + length - 1;
        const char *equals = memchr(key, '=', (size_t)(stop - key));
        if (!equals)
            return false;
        const char *value = equals + 1;
        const size_t key_bytes = (size_t)(equals - key), bytes = (size_t)(stop - value);
        if (key_bytes == 4 && !memcmp(key, "path", 4)) {
            *status = take_name(walk, value, bytes, err);
            if (*status)
                return true;
        } else if (key_bytes == 4 && !memcmp(key, "size", 4)) {
            walk->size = 0;
            walk->has_size = bytes > 0 && bytes < 19;
            for (size_t i = 0; i < bytes && walk->has_size; i++) {
                walk->has_size = value[i] >= '0' && value[i] <= '9';
                walk->size = walk->size * 10 + (uint64_t)(value[i] - '0');
            }
            if (!walk->has_size)
                return false;
        } else if (key_bytes > 11 && !memcmp(key, "GNU.sparse.", 11)) {
            walk->sparse = true;
        }
        text += length;
        n -= length;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- members */

static bool leads_out(const char *name)
{
    if (*name == '/')
        return true;
    for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (part[0] == '.' && part[1] == '.' && (!part[2] || part[2] == '/'))
            return true;
    return false;
}

static const char *fault_of(const struct walk *walk, uint8_t kind, const char *name)
{
    if (leads_out(name))
        return LEADS_OUT;
    if (walk->zero_in_name)
        return "its name holds a zero byte";
    if (kind == '1' || kind == '2')
        return "is a link to another picture, which is read in its own place";
    if (kind == 'S' || walk->sparse)
        return "is stored with holes (a sparse file), which is not read; make the tar file without holes";
    return kind == '0' || kind == '7' || !kind ? NULL : "is no regular file";
}

static dp_status add_member(dp_tar *tar, struct walk *walk, uint64_t at, uint64_t bytes, dp_error *err)
{
    const uint8_t kind = walk->header[156];
    char *whole = walk->name ? walk->name : name_of(walk->header), *name = whole;
    walk->name = NULL;
    if (!whole)
        return dp_fail_memory(err, "a name in a tar file", BLOCK);
    while (name[0] == '.' && name[1] == '/')
        name += 1 + strspn(name + 1, "/");
    const size_t length = strlen(name);
    if (kind == '5' || !length || name[length - 1] == '/') { /* a folder */
        dp_memory_free(whole);
        return DP_OK;
    }
    if (tar->n == tar->room) {
        const size_t room = tar->room ? 2 * tar->room : 64;
        dp_tar_member *members = dp_malloc(room, sizeof *members);
        if (!members) {
            dp_memory_free(whole);
            return dp_fail_memory(err, tar->path, room * sizeof *members);
        }
        if (tar->n)
            memcpy(members, tar->members, tar->n * sizeof *members);
        dp_memory_free(tar->members);
        tar->members = members;
        tar->room = room;
    }
    memmove(whole, name, length + 1);
    tar->members[tar->n++] =
        (dp_tar_member){.name = whole, .fault = fault_of(walk, kind, whole), .at = at, .bytes = bytes};
    return DP_OK;
}

/* A header of a header: reads its bytes, at most MOST_EXTRA. False: tar->fault, or *status. */
static bool take_extra(dp_tar *tar, struct walk *walk, uint64_t bytes, dp_status *status, dp_error *err)
{
    const uint8_t kind = walk->header[156];
    if (kind != 'x' && kind != 'L')
        return true; /* for all members, or the name of a link: nothing in it is needed */
    char *text = bytes <= MOST_EXTRA ? dp_malloc((size_t)bytes + 1, 1) : NULL;
    bool good = text != NULL;
    if (!text && bytes <= MOST_EXTRA)
        *status = dp_fail_memory(err, tar->path, (size_t)bytes);
    if (good)
        *status = read_whole(tar, text, (size_t)bytes, walk->at + BLOCK, err);
    if (good && !*status && kind == 'x')
        good = take_pax(walk, text, (size_t)bytes, status, err);
    else if (good && !*status)
        *status = take_name(walk, text, (size_t)bytes, err);
    dp_memory_free(text);
    if (!good && !*status)
        (void)dp_fail(&tar->fault, DP_OK,
                      "is damaged at byte %" PRIu64 ": the name of a member; what follows is not read; copy it again",
                      walk->at);
    return good && !*status;
}

/* What follows the end: nothing, or zeros. */
static dp_status look_behind_end(dp_tar *tar, uint64_t at, dp_error *err)
{
    uint8_t *tail = dp_malloc(TAIL, 1);
    if (!tail)
        return dp_fail_memory(err, tar->path, TAIL);
    const uint64_t left = tar->bytes > at ? tar->bytes - at : 0;
    const size_t n = left < TAIL ? (size_t)left : TAIL;
    dp_status status = read_whole(tar, tail, n, at, err);
    if (!status && !is_zero(tail, n))
        (void)dp_fail(&tar->fault, DP_OK,
                      "has more after its end at byte %" PRIu64
                      ", which is not read; if two tar files were joined, give "
                      "them one by one",
                      at);
    dp_memory_free(tail);
    return status;
}

/* Old GNU sparse members: their map may go on in blocks before the bytes. *at: of the bytes. */
static dp_status skip_map(const dp_tar *tar, const struct walk *walk, uint64_t *at, dp_error *err)
{
    bool more = walk->header[156] == 'S' && walk->header[482];
    uint8_t block[BLOCK];
    dp_status status = DP_OK;
    while (!status && more && tar->bytes - *at >= BLOCK) {
        status = read_whole(tar, block, BLOCK, *at, err);
        more = block[504];
        *at += BLOCK;
    }
    return status;
}

static void forget_extra(struct walk *walk)
{
    dp_memory_free(walk->name);
    walk->name = NULL;
    walk->has_pax = walk->has_size = walk->sparse = walk->zero_in_name = false;
}

/* Looks at the header at walk->at and goes on to the next. *more: there may be one. */
static dp_status step(dp_tar *tar, struct walk *walk, bool *more, dp_error *err)
{
    *more = false;
    if (tar->bytes - walk->at < BLOCK) {
        (void)dp_fail(&tar->fault, DP_OK, "has no end mark, so it may be cut short; copy it again");
        return DP_OK;
    }
    dp_status status = read_whole(tar, walk->header, BLOCK, walk->at, err);
    if (status)
        return status;
    if (is_zero(walk->header, BLOCK))
        return look_behind_end(tar, walk->at + BLOCK, err);
    const uint8_t kind = walk->header[156];
    uint64_t size = 0;
    if (!is_header(walk->header) || !number(walk->header + 124, 12, &size)) {
        if (!walk->at)
            return dp_fail(err, DP_E_PICTURE, "%s: is no tar file", tar->path);
        (void)dp_fail(&tar->fault, DP_OK,
                      "is damaged at byte %" PRIu64 ": no header of a member; what follows is not read; copy it again",
                      walk->at);
        return DP_OK;
    }
    const bool extra = kind == 'x' || kind == 'g' || kind == 'L' || kind == 'K';
    if (!extra && walk->has_size)
        size = walk->size;
    if ((kind >= '2' && kind <= '6') || (kind == '1' && !walk->has_pax))
        size = 0; /* some programs state one, but no bytes follow */
    uint64_t at = walk->at + BLOCK;
    status = skip_map(tar, walk, &at, err);
    if (status)
        return status;
    const uint64_t left = tar->bytes - at;
    if (size > left) {
        char *name = walk->name ? walk->name : name_of(walk->header);
        (void)dp_fail(&tar->fault, DP_OK,
                      "is cut short: of %.60s there are %" PRIu64 " of %" PRIu64 " bytes; copy it again",
                      name ? name : "", left, size);
        if (name != walk->name)
            dp_memory_free(name);
        return DP_OK;
    }
    if (extra) {
        if (!take_extra(tar, walk, size, &status, err))
            return status;
    } else {
        status = add_member(tar, walk, at, size, err);
        forget_extra(walk);
    }
    const uint64_t filled = (size + BLOCK - 1) / BLOCK * BLOCK;
    walk->at = filled <= left ? at + filled : tar->bytes;
    *more = !status;
    return status;
}

/* ----------------------------------------------------------------------------------------------------- open and read */

static dp_status open_regular(const char *path, dp_tar *tar, dp_error *err)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
    } packed[] = {
        {"gzip", "\x1f\x8b", 2}, {"Zstandard", "\x28\xb5\x2f\xfd", 4}, {"bzip2", "BZh", 3}, {"xz", "\xfd\x37zXZ", 5}};
    struct stat st;
    uint8_t head[8] = {0};
    tar->path = dp_strdup(path);
    if (!tar->path)
        return dp_fail_memory(err, path, strlen(path));
    tar->fd = dp_open_to_read(path);
    if (tar->fd < 0)
        return dp_fail_errno(err, "%s: cannot open", path);
    if (fstat(tar->fd, &st) != 0)
        return dp_fail_errno(err, "%s: cannot read its size", path);
    if (!S_ISREG(st.st_mode))
        return dp_fail(err, DP_E_IO,
                       "%s: is not a regular file; a tar file is read by place, so write it to disk first", path);
    if (!st.st_size)
        return dp_fail(err, DP_E_PICTURE, "%s: is empty", path);
    tar->bytes = (uint64_t)st.st_size;
    if (dp_read_at(tar->fd, head, sizeof head, 0) < 0)
        return dp_fail_errno(err, "%s: cannot read it", path);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (!memcmp(head, packed[i].bytes, packed[i].n))
            return dp_fail(err, DP_E_PICTURE,
                           "%s: is compressed by %s; decompress it: pictures hardly shrink, and a tar file is read by "
                           "place",
                           path, packed[i].name);
    return DP_OK;
}

dp_status dp_tar_open(const char *path, dp_tar **out, dp_error *err)
{
    struct walk walk = {0};
    bool more = true;
    dp_tar *tar = dp_calloc(1, sizeof *tar);
    if (!tar)
        return dp_fail_memory(err, path, sizeof *tar);
    tar->fd = -1;
    dp_status status = open_regular(path, tar, err);
    while (!status && more)
        status = step(tar, &walk, &more, err);
    forget_extra(&walk);
    if (status)
        dp_tar_close(&tar);
    else
        *out = tar;
    return status;
}

void dp_tar_close(dp_tar **tar)
{
    dp_tar *closing = *tar;
    *tar = NULL;
    if (!closing)
        return;
    for (size_t i = 0; i < closing->n; i++)
        dp_memory_free((char *)(uintptr_t)closing->members[i].name);
    if (closing->fd >= 0)
        close(closing->fd);
    dp_memory_free(closing->members);
    dp_memory_free(closing->path);
    dp_memory_free(closing);
}

size_t dp_tar_count(const dp_tar *tar)
{
    return tar->n;
}

const dp_tar_member *dp_tar_member_at(const dp_tar *tar, size_t index)
{
    return index < tar->n ? &tar->members[index] : NULL;
}

const char *dp_tar_fault(const dp_tar *tar)
{
    return tar->fault.message[0] ? tar->fault.message : NULL;
}

dp_stored dp_tar_stored(const dp_tar *tar, size_t index, const char *name)
{
    const dp_tar_member *member = &tar->members[index];
    return (dp_stored){name, tar->fd, member->at, member->bytes};
}

dp_status dp_tar_read(const dp_tar *tar, size_t index, uint64_t from, void *out, size_t n, dp_error *err)
{
    const dp_tar_member *member = dp_tar_member_at(tar, index);
    if (!member || from > member->bytes || n > member->bytes - from)
        return dp_fail(err, DP_E_ARGUMENT, "%s: has no such member, or the member no such bytes", tar->path);
    return read_whole(tar, out, n, member->at + from, err);
}
