/* SPDX-License-Identifier: Apache-2.0 */
/* bank_share.c - files that hold a share of a bank's rows.
 *
 * Such a file is a bank's file with all tables and metadata of the bank, but of the features only those of the rows
 *
 *     P (i - 1) / n .. P i / n - 1,    of P rows, counted over all cells, i the index of the share of n,
 *
 * as a tensor [1, 1, rows, dim]. So the shares lie behind each other in the bank's order. The metadata `share` says which
 * they are, and names the whole bank by its seal: shares of different banks do not meet. */
#include "bank/bank_tensors.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/json_text.h"

#include <jansson.h>
#include <string.h>

size_t dp_bank_share_range(const dp_rows *rows, size_t index, size_t of, size_t *n)
{
    const size_t places = dp_rows_places(rows); /* below 2^32, and so is of */
    const size_t first = places * (index - 1) / of;
    *n = places * index / of - first;
    return first;
}

char *dp_bank_share_text(const dp_bank_share *share, const dp_rows *rows)
{
    size_t n, first = dp_bank_share_range(rows, share->index, share->of, &n);
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:[I,I,I], s:s}", "index", (json_int_t)share->index, "of",
                               (json_int_t)share->of, "first", (json_int_t)first, "rows", (json_int_t)n, "whole",
                               (json_int_t)rows->grid_rows, (json_int_t)rows->grid_cols, (json_int_t)rows->n_rows,
                               "bank", share->whole);
    char *text = object ? dp_json_text(object) : NULL;
    json_decref(object);
    return text;
}

dp_status dp_bank_share_read(const char *text, const char *path, dp_bank_share *share, dp_rows *rows, dp_error *err)
{
    json_int_t index, of, first, n, whole[3];
    const char *seal;
    json_error_t json;
    json_t *object = json_loads(text, 0, &json);
    bool good =
        object
        && !json_unpack_ex(object, &json, JSON_STRICT, "{s:I, s:I, s:I, s:I, s:[I,I,I], s:s}", "index", &index, "of",
                           &of, "first", &first, "rows", &n, "whole", &whole[0], &whole[1], &whole[2], "bank", &seal);
    good = good && dp_bank_is_sha256(seal) && index >= 1 && index <= of && of < UINT32_MAX;
    size_t places = 1;
    for (size_t i = 0; i < 3 && good; i++)
        good = whole[i] > 0 && whole[i] < UINT32_MAX && dp_mul_size(places, (size_t)whole[i], &places)
               && places < UINT32_MAX;
    if (good) {
        rows->grid_rows = (size_t)whole[0];
        rows->grid_cols = (size_t)whole[1];
        rows->n_rows = (size_t)whole[2];
        rows->first = dp_bank_share_range(rows, (size_t)index, (size_t)of, &rows->held);
        good = rows->held && (json_int_t)rows->first == first && (json_int_t)rows->held == n;
        *share = (dp_bank_share){(size_t)index, (size_t)of, ""};
        memcpy(share->whole, seal, sizeof share->whole);
    }
    json_decref(object);
    return good ? DP_OK : dp_fail(err, DP_E_FORMAT, "%s: metadata 'share' is no share of a bank's rows", path);
}
