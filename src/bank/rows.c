/* rows.c - feature vectors as a bank stores them: floats, halves, or integers of 8 bits with a scale.
 *
 *     int8:  scale = max |x| / 127,  q = round(x / scale),  x is read back as scale q
 *
 * so that the largest number of a vector is met exactly and no other is off by more than half a scale.  A scale for each vector:
 * the features of one place differ in length from those of another.  Norms are those of the vectors as they are read back. */
#include "bank/bank.h"
#include "base/error.h"
#include "simd/half.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The norm of a row as it will be read back; storage is a constant where it is called.  Four sums, so that the additions need not wait
 * for one another; the same on every machine. */
static inline __attribute__((always_inline)) float norm(dp_storage storage, const void *stored, float scale, size_t dim)
{
    double sums[4] = {0}, x;
    size_t d = 0;
    for (; d + 4 <= dim; d += 4)
        for (size_t i = 0; i < 4; i++) {
            x = (double)dp_stored_number(storage, stored, scale, d + i);
            sums[i] += x * x;
        }
    for (size_t i = 0; d + i < dim; i++) {
        x = (double)dp_stored_number(storage, stored, scale, d + i);
        sums[i] += x * x;
    }
    return (float)sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

float dp_norm_f32(const float *x, size_t dim)
{
    return norm(DP_STORAGE_F32, x, 0, dim);
}

bool dp_all_finite(const float *x, size_t n)
{
    uint32_t broken = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        broken |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !broken;
}

bool dp_stored_finite(dp_storage storage, const void *x, size_t n)
{
    if (storage == DP_STORAGE_F32)
        return dp_all_finite(x, n);
    const uint16_t *halves = x;
    uint32_t broken = 0;
    for (size_t i = 0; storage == DP_STORAGE_F16 && i < n; i++)
        broken |= (halves[i] & 0x7c00) == 0x7c00;
    return !broken;
}

/* How the numbers of one row are read back. */
static void decode(dp_storage storage, const void *stored, float scale, size_t dim, float *out)
{
    switch (storage) {
    case DP_STORAGE_F32: memcpy(out, stored, dim * sizeof *out); break;
    case DP_STORAGE_F16:
        for (size_t d = 0; d < dim; d++)
            out[d] = dp_stored_number(DP_STORAGE_F16, stored, scale, d);
        break;
    case DP_STORAGE_I8:
        for (size_t d = 0; d < dim; d++)
            out[d] = dp_stored_number(DP_STORAGE_I8, stored, scale, d);
        break;
    }
}

void dp_bank_widen(const dp_bank *bank, size_t cell, size_t first, size_t n, float *out)
{
    size_t dim = bank->dim;
    for (size_t row = first; row < first + n; row++)
        decode(bank->storage, dp_bank_stored(bank, cell, row), bank->scales ? bank->scales[cell * bank->n_rows + row] : 0, dim,
               out + (row - first) * dim);
}

void dp_bank_encode(dp_bank *bank, size_t place, const float *x)
{
    size_t dim = bank->dim, bytes = dim * dp_storage_bytes(bank->storage);
    void *stored = (char *)bank->own_features + place * bytes;
    bank->own_valid[place] = x != NULL;
    bank->own_norms[place] = 0;
    if (bank->own_scales)
        bank->own_scales[place] = 0;
    if (!x) {
        memset(stored, 0, bytes);
        return;
    }
    if (bank->storage == DP_STORAGE_F32) {
        memcpy(stored, x, bytes);
        bank->own_norms[place] = dp_norm_f32(x, dim);
    } else if (bank->storage == DP_STORAGE_F16) {
        uint16_t *halves = stored;
        bool fits = true; /* dp_f32_to_f16 stops at the largest half */
        for (size_t d = 0; d < dim; d++) {
            halves[d] = dp_f32_to_f16(x[d]);
            fits &= fabsf(x[d]) < 65520;
        }
        bank->own_norms[place] = fits ? norm(DP_STORAGE_F16, halves, 0, dim) : INFINITY;
    } else if (bank->own_scales) {
        int8_t *integers = stored;
        float largest = 0;
        for (size_t d = 0; d < dim; d++)
            largest = fabsf(x[d]) > largest ? fabsf(x[d]) : largest;
        float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
        if (!(inverse < INFINITY)) /* smaller than can be divided by */
            scale = inverse = 0;
        for (size_t d = 0; d < dim; d++) {
            float q = rintf(x[d] * inverse);
            integers[d] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
        }
        bank->own_scales[place] = scale;
        bank->own_norms[place] = norm(DP_STORAGE_I8, integers, scale, dim);
    }
}

dp_status dp_bank_encoded(const dp_bank *bank, dp_error *err)
{
    if (dp_all_finite(bank->own_norms, dp_bank_cells(bank) * bank->n_rows))
        return DP_OK;
    return dp_fail(err, DP_E_NUMERIC, "a feature is too large for the %s that the bank is to hold",
                   bank->storage == DP_STORAGE_F16 ? "half floats" : "floats");
}

void dp_bank_forget(const dp_bank *bank, size_t cell, size_t first, size_t n)
{
    if (!bank->file)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *begin = (char *)dp_bank_stored(bank, cell, first), *end = (char *)dp_bank_stored(bank, cell, first + n);
    size_t before = (page - (uintptr_t)begin % page) % page, bytes = (size_t)(end - begin), after = (uintptr_t)end % page;
    if (before + after < bytes)
        (void)madvise(begin + before, bytes - before - after, MADV_DONTNEED); /* advice: what it says does not matter */
}
