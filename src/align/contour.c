/* SPDX-License-Identifier: Apache-2.0 */
/* contour.c - border following: S. Suzuki and K. Abe, "Topological structural analysis of digitized binary images by
 * border following", CVGIP 30 (1985), algorithm 1, in the order of OpenCV's findContours(RETR_LIST,
 * CHAIN_APPROX_NONE).
 *
 * Every border between an 8-connected set of pixels and its background is followed once: outer borders and borders of
 * holes. An edge is a thin line, so most of its pixels are visited twice, once on each side. The pose counts them as
 * often as they are visited.
 *
 * The picture is scanned in raster order. A pixel begins an outer border if it was never visited and its left
 * neighbour is background. It begins a hole border if its right neighbour is background and no border has passed it
 * on that side yet (RIGHT is not set). */
#include "align/edges.h"

#include <stdbool.h>
#include <string.h>

/* State of a pixel during the work: PIXEL, RIGHT, and the number of visits, times VISIT. A pixel belongs to at most
 * four borders, and each passes it at most four times, so the count stays below 64. */
enum { PIXEL = 1, RIGHT = 2, VISIT = 4 };

struct field {
    uint8_t *pixels;    /* [height + 2, width + 2], framed by zeros */
    ptrdiff_t steps[8]; /* to the neighbours: right, upper right, up and so on, counter-clockwise on the screen */
    size_t height, width, rim_px;
};

static bool in_rim(const struct field *field, size_t at)
{
    size_t x = at % (field->width + 2) - 1, y = at / (field->width + 2) - 1, rim = field->rim_px;
    return x < rim || y < rim || x + rim >= field->width || y + rim >= field->height;
}

/* Follows the border that begins at `start`. background: direction of the background pixel beside it. */
static size_t follow(const struct field *field, size_t start, unsigned background, bool *touches)
{
    uint8_t *pixels = field->pixels;
    unsigned direction = background;
    size_t first; /* the neighbour from which the walk will come back */
    do {
        direction = (direction + 7) & 7;
        first = start + (size_t)field->steps[direction];
    } while (!pixels[first] && direction != background);
    *touches = in_rim(field, start);
    if (direction == background) { /* a single pixel */
        pixels[start] = (uint8_t)((pixels[start] | RIGHT) + VISIT);
        return 1;
    }
    size_t at = start, points = 0;
    for (;;) {
        unsigned from = direction;
        size_t next;
        do {
            direction++;
            next = at + (size_t)field->steps[direction & 7];
        } while (!pixels[next]);
        direction &= 7;
        /* The search passed the right neighbour, so this border has background on the right of the pixel. */
        if (direction - 1 < from)
            pixels[at] |= RIGHT;
        pixels[at] = (uint8_t)(pixels[at] + VISIT);
        points++;
        if (!*touches)
            *touches = in_rim(field, at);
        if (next == start && at == first)
            return points;
        at = next;
        direction = (direction + 4) & 7;
    }
}

void dp_borders_follow(const uint8_t *edges, size_t height, size_t width, size_t rim_px, uint8_t *visits,
                       dp_borders *borders)
{
    size_t stride = width + 2;
    ptrdiff_t s = (ptrdiff_t)stride;
    struct field field = {visits, {1, 1 - s, -s, -s - 1, -1, s - 1, s, s + 1}, height, width, rim_px};
    memset(visits, 0, stride);
    memset(visits + (height + 1) * stride, 0, stride);
    for (size_t y = 0; y < height; y++) {
        uint8_t *row = visits + (y + 1) * stride;
        row[0] = row[width + 1] = 0;
        for (size_t x = 0; x < width; x++)
            row[x + 1] = edges[y * width + x] ? PIXEL : 0;
    }
    *borders = (dp_borders){0};
    for (size_t y = 1; y <= height; y++)
        for (size_t x = 1; x <= width + 1; x++) {
            size_t at = y * stride + x;
            uint64_t eight;
            while (x + 8 <= width + 1 && !visits[at - 1] && (memcpy(&eight, visits + at, 8), eight == 0))
                x += 8, at += 8;
            uint8_t left = visits[at - 1], here = visits[at];
            size_t points;
            bool touches;
            if (!left && here == PIXEL)
                points = follow(&field, at, 4, &touches);
            else if (left && !here && !(left & RIGHT))
                points = follow(&field, at - 1, 0, &touches);
            else
                continue;
            borders->n_points += points;
            borders->n_contours++;
            if (touches)
                borders->n_touching += points;
        }
    for (size_t i = stride; i < (height + 1) * stride; i++)
        visits[i] /= VISIT;
}
