#include "fetch/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)

bool dp_digest_parse(const char *text, char hex[DP_SHA256_HEX_BYTES])
{
    char found[DP_SHA256_HEX_BYTES];
    for (size_t i = 0; i < 64; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        found[i] = c;
    }
    if (text[64])
        return false;
    found[64] = 0;
    memcpy(hex, found, sizeof found);
    return true;
}

static dp_status digest_descriptor(int fd, const char *path, uint64_t total, const dp_run *run, EVP_MD_CTX *context,
                                   unsigned char *piece, dp_error *err)
{
    for (uint64_t done = 0;;) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dp_fail_errno(err, "%s: cannot read", path);
        if (got == 0)
            return DP_OK;
        if (!EVP_DigestUpdate(context, piece, (size_t)got))
            return dp_fail(err, DP_E_MEMORY, "%s: SHA-256 could not be computed", path);
        done += (uint64_t)got;
        if (run && run->progress && run->progress(run->user, "check", (size_t)done, (size_t)total))
            return dp_fail(err, DP_E_CANCELLED, "%s: stopped while its SHA-256 was computed", path);
    }
}

dp_status dp_digest_file(const char *path, const dp_run *run, char hex[DP_SHA256_HEX_BYTES], dp_error *err)
{
    int fd = dp_open_to_read(path);
    if (fd < 0)
        return dp_fail_errno(err, "%s: cannot open", path);
    unsigned char sum[EVP_MAX_MD_SIZE], *piece = dp_malloc(PIECE_BYTES, 1);
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    dp_status status = DP_OK;
    struct stat st;
    if (!piece || !context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        status = dp_fail_memory(err, "SHA-256", PIECE_BYTES);
    else if (fstat(fd, &st) != 0)
        status = dp_fail_errno(err, "%s: cannot read its size", path);
    else if (!S_ISREG(st.st_mode))
        status = dp_fail(err, DP_E_IO, "%s: is not a regular file", path);
    else
        status = digest_descriptor(fd, path, (uint64_t)st.st_size, run, context, piece, err);
    if (!status && (!EVP_DigestFinal_ex(context, sum, &length) || length != 32))
        status = dp_fail(err, DP_E_MEMORY, "%s: SHA-256 could not be computed", path);
    for (size_t i = 0; !status && i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    EVP_MD_CTX_free(context);
    dp_memory_free(piece);
    close(fd);
    return status;
}

static char *note_path(const char *path)
{
    size_t bytes = strlen(path) + sizeof ".sha256";
    char *text = dp_malloc(bytes, 1);
    if (text)
        snprintf(text, bytes, "%s.sha256", path);
    return text;
}

bool dp_digest_note_read(const char *path, char hex[DP_SHA256_HEX_BYTES])
{
    char *note = note_path(path), text[DP_SHA256_HEX_BYTES] = "";
    FILE *file = note ? fopen(note, "re") : NULL;
    bool found = file && fread(text, 1, 64, file) == 64 && dp_digest_parse(text, hex);
    if (file)
        (void)fclose(file);
    dp_memory_free(note);
    return found;
}

dp_status dp_digest_note_write(const char *path, const char hex[DP_SHA256_HEX_BYTES], dp_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t bytes = 64 + 2 + strlen(base) + 2;
    char *note = note_path(path), *line = dp_malloc(bytes, 1);
    dp_status status;
    if (!note || !line) {
        status = dp_fail_memory(err, path, bytes);
    } else {
        snprintf(line, bytes, "%s  %s\n", hex, base);
        status = dp_file_write(note, line, strlen(line), err);
    }
    dp_memory_free(note);
    dp_memory_free(line);
    return status;
}

dp_status dp_model_verify(const char *path, const char *sha256, const dp_run *run, char *found, int *known,
                          dp_error *err)
{
    char expected[DP_SHA256_HEX_BYTES], hex[DP_SHA256_HEX_BYTES];
    if (sha256 && !dp_digest_parse(sha256, expected))
        return dp_fail(err, DP_E_ARGUMENT, "\"%s\" is no SHA-256: 64 hexadecimal digits are needed", sha256);
    bool have = sha256 || dp_digest_note_read(path, expected);
    dp_status status = dp_digest_file(path, run, hex, err);
    if (status)
        return status;
    if (found)
        memcpy(found, hex, sizeof hex);
    if (known)
        *known = have;
    if (have && strcmp(expected, hex) != 0)
        return dp_fail(err, DP_E_CORRUPT, "%s: SHA-256 is %s, should be %s", path, hex, expected);
    return DP_OK;
}
