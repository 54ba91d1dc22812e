/* SPDX-License-Identifier: Apache-2.0 */
#include "file_digest.h"
#include "fetch.h"
#include "support.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)

bool fetch_digest_parse(const char *text, char hex[FETCH_HEX_BYTES])
{
    char found[FETCH_HEX_BYTES];
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

static void write_hex(const unsigned char sum[32], char hex[FETCH_HEX_BYTES])
{
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

dp_status fetch_digest_text(const char *text, char hex[FETCH_HEX_BYTES], dp_error *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL))
        return fetch_fail(err, DP_E_MEMORY, "cannot compute the SHA-256");
    write_hex(sum, hex);
    return DP_OK;
}

static dp_status digest_descriptor(int fd, const char *path, uint64_t total, const dp_run *run, EVP_MD_CTX *context,
                                   unsigned char *piece, dp_error *err)
{
    for (uint64_t done = 0;;) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fetch_fail_errno(err, "%s: cannot read", path);
        if (got == 0)
            return DP_OK;
        if (!EVP_DigestUpdate(context, piece, (size_t)got))
            return fetch_fail(err, DP_E_MEMORY, "%s: cannot compute the SHA-256", path);
        done += (uint64_t)got;
        if (run && run->progress && run->progress(run->user, "check", (size_t)done, (size_t)total))
            return fetch_fail(err, DP_E_CANCELLED, "%s: stopped while computing the SHA-256", path);
    }
}

dp_status fetch_digest_file(const char *path, const dp_run *run, char hex[FETCH_HEX_BYTES], dp_error *err)
{
    int fd = fetch_open_to_read(path);
    if (fd < 0)
        return fetch_fail_errno(err, "%s: cannot open", path);
    unsigned char sum[EVP_MAX_MD_SIZE], *piece = malloc(PIECE_BYTES);
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    dp_status status = DP_OK;
    struct stat st;
    if (!piece || !context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        status = fetch_fail_memory(err, "SHA-256", PIECE_BYTES);
    else if (fstat(fd, &st) != 0)
        status = fetch_fail_errno(err, "%s: cannot read the size", path);
    else if (!S_ISREG(st.st_mode))
        status = fetch_fail(err, DP_E_IO, "%s: is not a regular file", path);
    else
        status = digest_descriptor(fd, path, (uint64_t)st.st_size, run, context, piece, err);
    if (!status && (!EVP_DigestFinal_ex(context, sum, &length) || length != 32))
        status = fetch_fail(err, DP_E_MEMORY, "%s: cannot compute the SHA-256", path);
    if (!status)
        write_hex(sum, hex);
    EVP_MD_CTX_free(context);
    free(piece);
    close(fd);
    return status;
}

static char *note_path(const char *path)
{
    size_t bytes = strlen(path) + sizeof ".sha256";
    char *text = malloc(bytes);
    if (text)
        snprintf(text, bytes, "%s.sha256", path);
    return text;
}

bool fetch_digest_note_read(const char *path, char hex[FETCH_HEX_BYTES])
{
    char *note = note_path(path), text[FETCH_HEX_BYTES] = "";
    FILE *file = note ? fopen(note, "re") : NULL;
    bool found = file && fread(text, 1, 64, file) == 64 && fetch_digest_parse(text, hex);
    if (file)
        (void)fclose(file);
    free(note);
    return found;
}

dp_status fetch_digest_note_write(const char *path, const char hex[FETCH_HEX_BYTES], dp_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t bytes = 64 + 2 + strlen(base) + 2;
    char *note = note_path(path), *line = malloc(bytes);
    dp_status status;
    if (!note || !line) {
        status = fetch_fail_memory(err, path, bytes);
    } else {
        snprintf(line, bytes, "%s  %s\n", hex, base);
        status = dp_file_write(note, line, strlen(line), err);
    }
    free(note);
    free(line);
    return status;
}

dp_status fetch_verify(const char *path, const char *sha256, const dp_run *run, char *found, int *known, dp_error *err)
{
    char hex[FETCH_HEX_BYTES];
    dp_status status = sha256 && !fetch_digest_parse(sha256, hex) ? fetch_verify_digest(path, sha256, "", known, err)
                                                                  : fetch_digest_file(path, run, hex, err);
    if (status)
        return status;
    if (found)
        memcpy(found, hex, sizeof hex);
    return fetch_verify_digest(path, sha256, hex, known, err);
}

dp_status fetch_verify_digest(const char *path, const char *sha256, const char *hex, int *known, dp_error *err)
{
    char expected[FETCH_HEX_BYTES];
    if (sha256 && !fetch_digest_parse(sha256, expected))
        return fetch_fail(err, DP_E_ARGUMENT, "\"%s\" is not a SHA-256; give 64 hexadecimal digits", sha256);
    bool have = sha256 || fetch_digest_note_read(path, expected);
    if (known)
        *known = have;
    if (have && strcmp(expected, hex) != 0)
        return fetch_fail(err, DP_E_CORRUPT, "%s: SHA-256 is %s, but should be %s", path, hex, expected);
    return DP_OK;
}
