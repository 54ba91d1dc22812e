/* SPDX-License-Identifier: Apache-2.0 */
/* pixels.c - exact metrics over hundreds of millions of pixels in little memory.
 *
 * All metrics change only at the distances of anomalous pixels, which are few. These are sorted (radix sort of the
 * ordered bits of the floats). The many good pixels are only counted into the gaps between them, block by block. A
 * block is sorted first, so one walk through both lists is enough; a search for each pixel would miss the cache each
 * time. */
#include "base/area.h"
#include "base/error.h"
#include "base/memory.h"
#include "dinopatch/eval.h"
#include "score/connected.h"
#include "eval/aupro.h"
#include "eval/steps.h"

#include <math.h>
#include <string.h>

#define BLOCK ((size_t)1 << 20) /* good pixels of one block */

struct dp_pixel_meter {
    uint32_t **blocks; /* [n_blocks] of [BLOCK] ordered bits of the good pixels' distances; the last is partly filled */
    size_t n_blocks, room_for_blocks;
    size_t n_sorted; /* blocks that are full and sorted */
    uint64_t n_good;
    dp_region_pixel *bad; /* [n_bad] */
    size_t n_bad, room_for_bad;
    uint64_t *areas; /* [n_regions] */
    size_t n_regions, room_for_regions;
};

/* Returns bits that sort in the order of the floats; -0 becomes 0. */
static inline uint32_t order_of(float value)
{
    uint32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return bits ^ (bits >> 31 ? UINT32_MAX : 0x80000000u);
}

static inline float value_of(uint32_t order)
{
    uint32_t bits = order ^ (order >> 31 ? 0x80000000u : UINT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

dp_status dp_pixel_meter_open(dp_pixel_meter **meter, dp_error *err)
{
    dp_pixel_meter *m = dp_calloc(1, sizeof *m);
    if (!m)
        return dp_fail_memory(err, "the figures of the pixels", sizeof *m);
    *meter = m;
    return DP_OK;
}

void dp_pixel_meter_close(dp_pixel_meter **meter)
{
    if (!meter || !*meter)
        return;
    dp_pixel_meter *m = *meter;
    for (size_t i = 0; i < m->n_blocks; i++)
        dp_memory_free(m->blocks[i]);
    dp_memory_free(m->blocks);
    dp_memory_free(m->bad);
    dp_memory_free(m->areas);
    dp_memory_free(m);
    *meter = NULL;
}

/* Makes *array of elements of `size` bytes hold at least `needed` elements; keeps its content. */
static dp_status grow(void **array, size_t used, size_t *room, size_t needed, size_t size, dp_error *err)
{
    if (needed <= *room)
        return DP_OK;
    size_t larger = needed > *room + *room / 2 ? needed : *room + *room / 2;
    void *fresh = dp_malloc(larger, size);
    if (!fresh)
        return dp_fail_memory(err, "the figures of the pixels", larger * size);
    if (used)
        memcpy(fresh, *array, used * size);
    dp_memory_free(*array);
    *array = fresh;
    *room = larger;
    return DP_OK;
}

/* Labels the regions of a part of the mask: labels [area->height, area->width], from 1 upward. */
static dp_status label_regions(const uint8_t *mask, size_t width, const dp_area *area, uint32_t **labels, size_t *n,
                               dp_error *err)
{
    size_t rows = area->height, cols = area->width;
    uint8_t *part = dp_malloc(rows, cols);
    uint32_t *scratch = dp_malloc(dp_components_scratch(rows, cols), sizeof *scratch);
    uint32_t *found = dp_malloc_2d(rows, cols, sizeof *found);
    if (!part || !scratch || !found) {
        dp_memory_free(part);
        dp_memory_free(scratch);
        dp_memory_free(found);
        return dp_fail_memory(err, "the regions of the mask", rows * cols * 7);
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(part + r * cols, mask + (area->top + r) * width + area->left, cols);
    *n = dp_components_label(part, rows, cols, DP_CONNECT_8, found, scratch);
    *labels = found;
    dp_memory_free(part);
    dp_memory_free(scratch);
    return DP_OK;
}

dp_status dp_pixel_meter_add(dp_pixel_meter *m, const float *map, const uint8_t *mask, size_t height, size_t width,
                             dp_error *err)
{
    size_t n = height * width, n_bad = 0, regions = 0;
    size_t x0 = width, y0 = height, x1 = 0, y1 = 0;
    if (n >= UINT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "a map of %zux%zu pixels is too large", height, width);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(map[i]))
            return dp_fail(err, DP_E_NUMERIC,
                           "the distance at pixel (%zu, %zu) of the map is %f; give finite distances", i % width,
                           i / width, (double)map[i]);
    for (size_t y = 0; mask && y < height; y++) {
        size_t before = n_bad;
        for (size_t x = 0; x < width; x++)
            if (mask[y * width + x]) {
                n_bad++;
                x0 = x < x0 ? x : x0;
                x1 = x + 1 > x1 ? x + 1 : x1;
            }
        if (n_bad > before) {
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
        }
    }
    uint32_t *labels = NULL;
    if (n_bad) {
        dp_status status = label_regions(mask, width, &(dp_area){y0, x0, y1 - y0, x1 - x0}, &labels, &regions, err);
        if (status != DP_OK)
            return status;
    }
    /* Allocates all memory first, because a half-added picture must not stay. */
    uint64_t n_good = m->n_good + (n - n_bad);
    size_t blocks = (size_t)((n_good + BLOCK - 1) / BLOCK);
    dp_status status = grow((void **)&m->bad, m->n_bad, &m->room_for_bad, m->n_bad + n_bad, sizeof *m->bad, err);
    if (status == DP_OK)
        status =
            grow((void **)&m->areas, m->n_regions, &m->room_for_regions, m->n_regions + regions, sizeof *m->areas, err);
    if (status == DP_OK)
        status = grow((void **)&m->blocks, m->n_blocks, &m->room_for_blocks, blocks, sizeof *m->blocks, err);
    if (status == DP_OK && m->n_regions + regions > UINT32_MAX)
        status = dp_fail(err, DP_E_ARGUMENT, "the masks hold too many regions");
    while (status == DP_OK && m->n_blocks < blocks) {
        uint32_t *block = dp_malloc(BLOCK, sizeof *block);
        if (block)
            m->blocks[m->n_blocks++] = block; /* unused memory does no harm */
        else
            status = dp_fail_memory(err, "the figures of the pixels", BLOCK * sizeof *block);
    }
    if (status != DP_OK) {
        dp_memory_free(labels);
        return status;
    }
    if (regions) /* m->areas is NULL if there are no regions */
        memset(m->areas + m->n_regions, 0, regions * sizeof *m->areas);
    uint64_t good = m->n_good;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            size_t i = y * width + x;
            uint32_t order = order_of(map[i]);
            if (!mask || !mask[i]) {
                m->blocks[good / BLOCK][good % BLOCK] = order;
                good++;
                continue;
            }
            size_t region = m->n_regions + labels[(y - y0) * (x1 - x0) + (x - x0)] - 1;
            m->areas[region]++;
            m->bad[m->n_bad++] = (dp_region_pixel)order << 32 | (uint32_t)region;
        }
    m->n_good = good;
    m->n_regions += regions;
    dp_memory_free(labels);
    return DP_OK;
}

/* Sorts by the upper 32 bits, smallest first; equal ones keep their order. other [n] is scratch; the result is in a. */
static void radix_sort(uint64_t *a, uint64_t *other, size_t n)
{
    uint64_t *from = a, *to = other;
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t counts[256] = {0}, position = 0;
        for (size_t i = 0; i < n; i++)
            counts[from[i] >> shift & 255]++;
        for (size_t k = 0; k < 256; k++) {
            size_t here = counts[k];
            counts[k] = position;
            position += here;
        }
        for (size_t i = 0; i < n; i++)
            to[counts[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
}

/* Sorts, smallest first; other [n] is scratch; the result is in a. Three digits: 11, 11 and 10 bits. */
static void radix_sort_keys(uint32_t *a, uint32_t *other, size_t n)
{
    uint32_t counts[3][2048] = {{0}}, *from = a, *to = other;
    for (size_t i = 0; i < n; i++) {
        counts[0][a[i] & 2047]++;
        counts[1][a[i] >> 11 & 2047]++;
        counts[2][a[i] >> 22]++;
    }
    for (unsigned digit = 0; digit < 3; digit++) {
        uint32_t position = 0;
        for (size_t k = 0; k < 2048; k++) {
            uint32_t here = counts[digit][k];
            counts[digit][k] = position;
            position += here;
        }
        for (size_t i = 0; i < n; i++)
            to[counts[digit][from[i] >> 11 * digit & 2047]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    memcpy(a, from, n * sizeof *a);
}

/* Returns the first i >= from with keys[i] >= key, or n if there is none. Doubles the step, then halves it. */
static size_t seek(const uint32_t *keys, size_t n, size_t from, uint32_t key)
{
    size_t low = from, step = 1;
    if (low >= n || keys[low] >= key)
        return low;
    while (low + step < n && keys[low + step] < key) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < n ? low + step : n; /* keys[low] < key <= keys[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (keys[middle] < key)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Counts the good pixels into steps [n + 1]. Step n - i belongs to keys[i] (keys rise, steps fall); step 0 holds the
 * pixels above all keys. scratch [BLOCK]. */
static void count_good(dp_pixel_meter *m, const uint32_t *keys, size_t n, uint32_t *scratch, dp_step *steps)
{
    for (size_t b = 0; b * BLOCK < m->n_good; b++) {
        uint32_t *block = m->blocks[b];
        size_t count = m->n_good - b * BLOCK < BLOCK ? (size_t)(m->n_good - b * BLOCK) : BLOCK;
        if (b >= m->n_sorted)
            radix_sort_keys(block, scratch, count);
        if (b == m->n_sorted && count == BLOCK)
            m->n_sorted++;
        for (size_t k = 0, i = 0; k < count; k++) {
            i = seek(keys, n, i, block[k]);
            /* keys[i - 1] < block[k] <= keys[i]; if not equal, it lies below the step of keys[i]. */
            if (i < n && keys[i] == block[k])
                steps[n - i].good++;
            else
                steps[n - i].good_below++;
        }
    }
}

dp_status dp_pixel_meter_measure(dp_pixel_meter *m, dp_measures *pixel, const double *fpr_limits, size_t n_limits,
                                 double *aupro, dp_error *err)
{
    for (size_t i = 0; i < n_limits; i++)
        if (!(fpr_limits[i] > 0 && fpr_limits[i] <= 1))
            return dp_fail(err, DP_E_ARGUMENT, "AU-PRO: the false-positive rate is %g; give one above 0 and at most 1",
                           fpr_limits[i]);
    if (m->n_bad == 0) {
        for (size_t i = 0; i < n_limits; i++)
            aupro[i] = (double)NAN;
        if (pixel) {
            dp_step all = {.good = m->n_good};
            dp_steps_measure(&all, m->n_good ? 1 : 0, pixel);
        }
        return DP_OK;
    }
    uint64_t *other = dp_malloc(m->n_bad, sizeof *other);
    if (!other)
        return dp_fail_memory(err, "sorting the anomalous pixels", m->n_bad * sizeof *other);
    radix_sort(m->bad, other, m->n_bad);
    dp_memory_free(other);

    size_t n = 0;
    for (size_t i = 0; i < m->n_bad; i++)
        n += i == 0 || m->bad[i] >> 32 != m->bad[i - 1] >> 32;
    uint32_t *keys = dp_malloc(n, sizeof *keys);
    uint32_t *scratch = dp_malloc(BLOCK, sizeof *scratch);
    dp_step *steps = dp_calloc(n + 1, sizeof *steps);
    if (!keys || !scratch || !steps) {
        dp_memory_free(keys);
        dp_memory_free(scratch);
        dp_memory_free(steps);
        return dp_fail_memory(err, "the steps of the figures of the pixels", n * (sizeof *keys + sizeof *steps));
    }
    steps[0].score = (double)INFINITY;
    for (size_t i = 0, k = 0; i < m->n_bad; i++) {
        uint32_t key = (uint32_t)(m->bad[i] >> 32);
        if (i == 0 || key != keys[k - 1]) {
            keys[k++] = key;
            steps[n + 1 - k].score = (double)value_of(key);
        }
        steps[n + 1 - k].bad++;
    }
    count_good(m, keys, n, scratch, steps);
    if (pixel) {
        dp_steps_measure(steps, n + 1, pixel);
        pixel->decision_threshold = (double)nextafterf((float)pixel->f1_threshold, -INFINITY);
    }
    for (size_t i = 0; i < n_limits; i++)
        aupro[i] = dp_aupro(steps, n + 1, m->bad, m->n_bad, m->areas, m->n_regions, fpr_limits[i]);
    dp_memory_free(keys);
    dp_memory_free(scratch);
    dp_memory_free(steps);
    return DP_OK;
}
