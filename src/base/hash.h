/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - SHA-256, by libcrypto. */
#ifndef DP_BASE_HASH_H
#define DP_BASE_HASH_H

#include "dinopatch/experimental.h"

#define DP_SHA256_BYTES 32
#define DP_SHA256_HEX_BYTES 65 /* includes the terminating zero */

/* Writes the digest of the concatenation of n pieces to hex, as lower-case hexadecimal. */
typedef struct dp_bytes {
    const void *data;
    size_t bytes;
} dp_bytes;
/* Writes the same digest as 32 bytes. */
dp_status dp_sha256_raw(const dp_bytes *pieces, size_t n_pieces, unsigned char digest[DP_SHA256_BYTES], dp_error *err);
dp_status dp_sha256(const dp_bytes *pieces, size_t n_pieces, char hex[DP_SHA256_HEX_BYTES], dp_error *err);

#endif
