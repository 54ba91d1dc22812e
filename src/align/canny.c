/* SPDX-License-Identifier: Apache-2.0 */
/* canny.c - Canny's edge detector (IEEE PAMI 8, 1986), decision for decision as OpenCV's Canny(low, high, 3, false).
 *
 *     gradient        dx, dy by the 3x3 Sobel kernels, border pixels repeated outwards
 *     magnitude       m = |dx| + |dy|, zero outside the picture
 *     thinning        keeps a pixel with m > low if m is a maximum across the edge; the direction is one of four, decided
 *                     by |dy| / |dx| against tan 22.5 and tan 67.5 degrees in 15-bit fixed point
 *     hysteresis      m > high is an edge; a kept pixel is an edge if a path of 8-neighbours leads from it to one */
#include "align/edges.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { NONE = 0, WEAK = 1, EDGE = 255 };

#define TAN_22 13573 /* tan 22.5 degrees * 2^15; tan 67.5 = tan 22.5 + 2 */

/* Computes one row of gradients. above, row, below [width + 2] have the border pixel repeated at both ends; dx, dy
 * [width]; magnitude [width + 2], whose first and last element are not written. */
static void sobel_row(const uint8_t *restrict above, const uint8_t *restrict row, const uint8_t *restrict below,
                      size_t width, int16_t *restrict dx, int16_t *restrict dy, int16_t *restrict magnitude)
{
    for (size_t x = 0; x < width; x++) {
        int16_t gx = (int16_t)((above[x + 2] - above[x]) + 2 * (row[x + 2] - row[x]) + (below[x + 2] - below[x]));
        int16_t gy =
            (int16_t)((below[x] - above[x]) + 2 * (below[x + 1] - above[x + 1]) + (below[x + 2] - above[x + 2]));
        dx[x] = gx;
        dy[x] = gy;
        magnitude[x + 1] = (int16_t)((gx < 0 ? -gx : gx) + (gy < 0 ? -gy : gy));
    }
}

static int is_ridge(int dx, int dy, const int16_t *above, const int16_t *m, const int16_t *below)
{
    int ax = dx < 0 ? -dx : dx, ay = (dy < 0 ? -dy : dy) * 32768;
    int tan_22 = ax * TAN_22;
    if (ay < tan_22)
        return m[0] > m[-1] && m[0] >= m[1];
    if (ay > tan_22 + ax * 65536)
        return m[0] > above[0] && m[0] >= below[0];
    int step = (dx ^ dy) < 0 ? -1 : 1;
    return m[0] > above[-step] && m[0] > below[step];
}

struct stack {
    size_t *items;
    size_t count, capacity;
};

static int push(struct stack *stack, size_t item)
{
    if (stack->count == stack->capacity) {
        size_t capacity = stack->capacity ? 2 * stack->capacity : 4096;
        size_t *items = dp_malloc(capacity, sizeof *items);
        if (!items)
            return 0;
        if (stack->count)
            memcpy(items, stack->items, stack->count * sizeof *items);
        dp_memory_free(stack->items);
        stack->items = items;
        stack->capacity = capacity;
    }
    stack->items[stack->count++] = item;
    return 1;
}

/* Thins one row into edges [width]: NONE, WEAK or EDGE. Puts each EDGE also on the stack. above, m, below [width +
 * 2]. */
static int thin_row(const int16_t *dx, const int16_t *dy, const int16_t *above, const int16_t *m, const int16_t *below,
                    uint8_t *candidate, size_t width, size_t offset, int low, int high, uint8_t *edges,
                    struct stack *strong)
{
    for (size_t x = 0; x < width; x++)
        candidate[x] = m[x + 1] > low;
    memset(edges, NONE, width);
    for (size_t x = 0; x < width; x++) {
        uint64_t eight;
        while (x + 8 <= width && (memcpy(&eight, candidate + x, 8), eight == 0))
            x += 8;
        if (x >= width)
            break;
        if (!candidate[x] || !is_ridge(dx[x], dy[x], above + x + 1, m + x + 1, below + x + 1))
            continue;
        edges[x] = WEAK;
        if (m[x + 1] > high) {
            edges[x] = EDGE;
            if (!push(strong, offset + x))
                return 0;
        }
    }
    return 1;
}

static int grow(uint8_t *edges, size_t height, size_t width, struct stack *stack)
{
    while (stack->count) {
        size_t at = stack->items[--stack->count], x = at % width, y = at / width;
        for (size_t ny = y - (y > 0); ny <= y + (y + 1 < height); ny++)
            for (size_t nx = x - (x > 0); nx <= x + (x + 1 < width); nx++) {
                if (edges[ny * width + nx] != WEAK)
                    continue;
                edges[ny * width + nx] = EDGE;
                if (!push(stack, ny * width + nx))
                    return 0;
            }
    }
    return 1;
}

static void pad_row(const uint8_t *in, size_t height, size_t width, ptrdiff_t y, uint8_t *padded)
{
    if (y < 0)
        y = 0;
    if (y >= (ptrdiff_t)height)
        y = (ptrdiff_t)height - 1;
    const uint8_t *row = in + (size_t)y * width;
    memcpy(padded + 1, row, width);
    padded[0] = row[0];
    padded[width + 1] = row[width - 1];
}

dp_status dp_canny_u8(const uint8_t *in, size_t height, size_t width, int low, int high, uint8_t *edges, dp_error *err)
{
    /* Keeps three rows of each, row y in slot y % 3; thinning row y needs the magnitudes of row y + 1. */
    size_t padded_width = width + 2;
    uint8_t *padded = dp_malloc(4, padded_width); /* the fourth: candidates */
    int16_t *gradients = dp_calloc(padded_width, 9 * sizeof *gradients);
    struct stack stack = {0};
    dp_status status = DP_OK;
    if (!padded || !gradients)
        goto no_memory;
    uint8_t *rows[3], *candidate = padded + 3 * padded_width;
    int16_t *dx[3], *dy[3], *magnitude[3];
    for (size_t i = 0; i < 3; i++) {
        rows[i] = padded + i * padded_width;
        dx[i] = gradients + i * padded_width;
        dy[i] = gradients + (3 + i) * padded_width;
        magnitude[i] = gradients + (6 + i) * padded_width;
    }
    pad_row(in, height, width, -1, rows[2]);
    pad_row(in, height, width, 0, rows[0]);
    for (size_t y = 0; y <= height; y++) {
        if (y < height) {
            pad_row(in, height, width, (ptrdiff_t)y + 1, rows[(y + 1) % 3]);
            sobel_row(rows[(y + 2) % 3], rows[y % 3], rows[(y + 1) % 3], width, dx[y % 3], dy[y % 3], magnitude[y % 3]);
        } else {
            memset(magnitude[y % 3], 0, padded_width * sizeof **magnitude);
        }
        if (y == 0)
            continue;
        size_t t = y - 1;
        if (!thin_row(dx[t % 3], dy[t % 3], magnitude[(t + 2) % 3], magnitude[t % 3], magnitude[y % 3], candidate,
                      width, t * width, low, high, edges + t * width, &stack))
            goto no_memory;
    }
    if (!grow(edges, height, width, &stack))
        goto no_memory;
    for (size_t i = 0; i < height * width; i++)
        edges[i] = edges[i] == EDGE ? EDGE : NONE;
done:
    dp_memory_free(padded);
    dp_memory_free(gradients);
    dp_memory_free(stack.items);
    return status;
no_memory:
    status =
        dp_fail_memory(err, "finding edges", 9 * padded_width * sizeof *gradients + stack.capacity * sizeof(size_t));
    goto done;
}
