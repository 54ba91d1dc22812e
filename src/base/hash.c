/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/error.h"

#include <openssl/evp.h>
#include <string.h>

dp_status dp_sha256_raw(const dp_bytes *pieces, size_t n_pieces, unsigned char out[DP_SHA256_BYTES], dp_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t i = 0; good && i < n_pieces; i++)
        good = EVP_DigestUpdate(context, pieces[i].data, pieces[i].bytes);
    good = good && EVP_DigestFinal_ex(context, digest, &length) && length == DP_SHA256_BYTES;
    EVP_MD_CTX_free(context);
    if (!good)
        return dp_fail(err, DP_E_MEMORY, "SHA-256 could not be computed");
    memcpy(out, digest, DP_SHA256_BYTES);
    return DP_OK;
}

dp_status dp_sha256(const dp_bytes *pieces, size_t n_pieces, char hex[DP_SHA256_HEX_BYTES], dp_error *err)
{
    unsigned char digest[DP_SHA256_BYTES];
    dp_status status = dp_sha256_raw(pieces, n_pieces, digest, err);
    for (size_t i = 0; !status && i < DP_SHA256_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    if (!status)
        hex[64] = 0;
    return status;
}
