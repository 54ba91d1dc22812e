/* SPDX-License-Identifier: Apache-2.0 */
/* walk_jpeg.c - reads the markers of a JPEG (ITU-T T.81, annex B) and checks that it is whole.
 *
 * The decoder warns of entropy-coded data that end too early or make no sense. It does not warn of missing restart
 * markers at the end, of missing scans, or of extra data. This file finds these without decoding. */
#include "picture/picture_file.h"

#include <stdio.h>
#include <string.h>

#define MAX_COMPONENTS 4

struct walk {
    const uint8_t *data;
    size_t bytes;
    dp_facts *facts;
    struct {
        uint8_t id, h, v;
        uint8_t low[64]; /* for each coefficient: bits that are still to come; 255: all of them */
    } components[MAX_COMPONENTS];
    size_t n_components, interval, n_scans;
    bool framed, progressive, huffman;
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void fault(dp_facts *facts, const char *text)
{
    if (!facts->fault[0])
        snprintf(facts->fault, sizeof facts->fault, "%s", text);
}

static void frame(struct walk *w, const uint8_t *segment, size_t length, unsigned marker)
{
    size_t n = length >= 8 ? segment[7] : 0;
    if (w->framed || n < 1 || n > MAX_COMPONENTS || length < 8 + 3 * n)
        return;
    w->framed = true;
    w->progressive = marker == 0xc2 || marker == 0xca;
    w->huffman = marker == 0xc0 || marker == 0xc1;
    w->facts->bits = segment[2];
    w->facts->height_at = (size_t)(segment + 3 - w->data);
    w->facts->height_px = be16(segment + 3);
    w->facts->width_px = be16(segment + 5);
    w->n_components = n;
    for (size_t i = 0; i < n; i++) {
        w->components[i].id = segment[8 + 3 * i];
        w->components[i].h = segment[9 + 3 * i] >> 4;
        w->components[i].v = segment[9 + 3 * i] & 15;
        memset(w->components[i].low, 255, 64);
    }
}

static size_t shares(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Returns the number of intervals between restart markers of a scan with these components; 0: unknown. */
static size_t intervals(const struct walk *w, const size_t *scanned, size_t n)
{
    size_t h = 1, v = 1, units_x, units_y;
    for (size_t i = 0; i < w->n_components; i++) {
        h = w->components[i].h > h ? w->components[i].h : h;
        v = w->components[i].v > v ? w->components[i].v : v;
    }
    size_t width = w->facts->width_px, height = w->facts->height_px;
    if (!width || !height || !w->interval)
        return 0;
    if (n == 1) {
        units_x = shares(shares(width * w->components[scanned[0]].h, h), 8);
        units_y = shares(shares(height * w->components[scanned[0]].v, v), 8);
    } else {
        units_x = shares(width, 8 * h);
        units_y = shares(height, 8 * v);
    }
    return shares(units_x * units_y, w->interval);
}

/* Skips entropy-coded data from `at` and returns the position of the next marker. `expected` intervals, 0: any. */
static size_t skip_entropy(struct walk *w, size_t at, size_t expected)
{
    size_t restarts = 0, last = 0;
    bool in_order = true;
    while (at < w->bytes) {
        const uint8_t *found = memchr(w->data + at, 0xff, w->bytes - at);
        if (!found)
            return w->bytes;
        at = (size_t)(found - w->data);
        if (at + 1 >= w->bytes)
            return w->bytes;
        uint8_t next = w->data[at + 1];
        if (next == 0) {
            at += 2;
        } else if (next >= 0xd0 && next <= 0xd7) {
            in_order = in_order && (next & 7) == (restarts & 7);
            restarts++;
            at += 2;
            last = at;
        } else {
            break;
        }
    }
    /* One more marker at the very end starts an empty interval; some encoders write it. */
    if (expected && restarts == expected && last == at)
        restarts--;
    if (!in_order || (expected && restarts != expected - 1))
        fault(w->facts, "a part of its data is missing or repeated: its restart markers are out of order");
    return at;
}

static size_t scan(struct walk *w, const uint8_t *segment, size_t length, size_t at)
{
    size_t n = length >= 3 ? segment[2] : 0, scanned[MAX_COMPONENTS] = {0}, found = 0;
    if (!w->framed || n < 1 || n > w->n_components || length < 6 + 2 * n)
        return at;
    unsigned from = segment[3 + 2 * n], to = segment[4 + 2 * n], low = segment[5 + 2 * n] & 15;
    if (!w->progressive)
        from = 0, to = 63, low = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < w->n_components; c++)
            if (w->components[c].id == segment[3 + 2 * i]) {
                scanned[found < MAX_COMPONENTS ? found : 0] = c;
                found++;
                for (unsigned k = from; k <= to && k < 64; k++)
                    w->components[c].low[k] = (uint8_t)low;
                break;
            }
    w->n_scans++;
    size_t end = skip_entropy(w, at, found == n ? intervals(w, scanned, n) : 0);
    w->facts->entropy_end = w->huffman && w->n_scans == 1 && n == w->n_components ? end : 0;
    return end;
}

static void application(struct walk *w, uint8_t *segment, size_t length, unsigned marker, uint8_t **adobe)
{
    if (marker == 0xe2 && length >= 14 && !memcmp(segment + 2, "ICC_PROFILE", 12))
        w->facts->has_profile = true;
    if (marker == 0xe0 && length >= 9 && !memcmp(segment + 2, "JFIF", 5) && segment[7] != 1)
        segment[7] = 1;
    if (marker == 0xee && length >= 14 && !memcmp(segment + 2, "Adobe", 5) && segment[13] > 2)
        *adobe = segment + 13;
}

void dp_jpeg_walk(uint8_t *data, size_t bytes, dp_facts *facts)
{
    struct walk w = {.data = data, .bytes = bytes, .facts = facts};
    uint8_t *adobe = NULL;
    bool ended = false, between = false;
    size_t at = 2;
    facts->lossy = true;
    while (at < bytes && !ended) {
        if (data[at] != 0xff) {
            between = true;
            at++;
            continue;
        }
        while (at < bytes && data[at] == 0xff)
            at++;
        if (at >= bytes)
            break;
        unsigned marker = data[at++];
        if (marker == 0xd9) {
            ended = true;
            continue;
        }
        if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8))
            continue;
        size_t length = at + 2 <= bytes ? be16(data + at) : 0;
        if (length < 2 || length > bytes - at)
            break;
        if (marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
            frame(&w, data + at, length, marker);
        else if (marker == 0xdd && length >= 4)
            w.interval = be16(data + at + 2);
        else if (marker >= 0xe0 && marker <= 0xef)
            application(&w, data + at, length, marker, &adobe);
        if (between && w.n_scans)
            fault(facts, "it has stray bytes between its parts");
        between = false;
        at = marker == 0xda ? scan(&w, data + at, length, at + length) : at + length;
    }
    if (adobe) /* the code that decoders take it for */
        *adobe = w.n_components == 4 ? 2 : 1;
    facts->no_end = !ended;
    facts->in_layers = w.progressive || w.n_scans > 1;
    for (size_t c = 0; c < w.n_components && w.n_scans; c++)
        for (size_t k = 0; k < 64; k++)
            if (w.components[c].low[k] && !facts->fault[0]) {
                fault(facts, "scans are missing at its end");
                facts->cut = true;
            }
    for (size_t c = 0; c < w.n_components; c++)
        if (w.components[c].v != 1)
            facts->height_at = 0;
    if (facts->in_layers)
        facts->entropy_end = 0;
    if (!facts->entropy_end || facts->height_px > 65000)
        facts->height_at = 0;
}
