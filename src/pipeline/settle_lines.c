/* SPDX-License-Identifier: Apache-2.0 */
/* settle_lines.c - says what was chosen for a bank's recipe, and why. */
#include "pipeline/settle_lines.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_LINES 6

struct lines {
    dp_choice all[MOST_LINES];
    char values[MOST_LINES][256], reasons[MOST_LINES][DP_REASON_MOST];
    size_t n;
};

static void say(struct lines *lines, const char *option, const char *value, const char *reason, ...)
    __attribute__((format(printf, 4, 5)));
static void say(struct lines *lines, const char *option, const char *value, const char *reason, ...)
{
    const size_t n = lines->n++;
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(lines->reasons[n], sizeof lines->reasons[n], reason, arguments);
    va_end(arguments);
    snprintf(lines->values[n], sizeof lines->values[n], "%s", value);
    lines->all[n] = (dp_choice){option, lines->values[n], lines->reasons[n]};
}

/* Says what a canvas with the option size shows. */
static const char *shows(const dp_settled_canvas *canvas, double cell_px)
{
    if (!canvas->typical.part)
        return "the whole picture";
    return cell_px < 1.1 * (double)canvas->shape.patch_px
               ? "the part in its own proportion, pixel by pixel"
               : "the part in its own proportion, as many pixels as the whole picture";
}

static void say_canvas(struct lines *lines, const dp_recipe *recipe, const dp_settled_canvas *canvas)
{
    char value[64], covers[256] = "", mixed[160] = "";
    double height = INFINITY, width = INFINITY;
    if (recipe->edge_px)
        return;
    snprintf(value, sizeof value, "%zux%zu", recipe->canvas_height_px, recipe->canvas_width_px);
    if (dp_canvas_cell(&canvas->shape, &canvas->typical, &height, &width)) {
        int at = snprintf(covers, sizeof covers, "; one cell covers %.0fx%.0f px of your picture", height, width);
        if (recipe->short_px && fmin(height, width) > 1.25 * (double)canvas->shape.patch_px)
            snprintf(covers + at, sizeof covers - (size_t)at,
                     ": marks much smaller may be missed; size=%zu looks four times as closely and takes about four "
                     "times as long",
                     2 * recipe->short_px);
    }
    if (!canvas->typical.part && canvas->typical.widest > 1.05 * canvas->typical.narrowest)
        snprintf(mixed, sizeof mixed,
                 "; the pictures' proportions (width / height) go from %.2f to %.2f: each is stretched to this one",
                 canvas->typical.narrowest, canvas->typical.widest);
    if (recipe->short_px)
        say(lines, "canvas", value, "%s, size %zu px%s%s", shows(canvas, width), recipe->short_px, covers, mixed);
    else
        say(lines, "canvas", value, "as asked%s%s", covers, mixed);
}

/* Says in how many tiles the canvas goes through the network. */
static void say_tiles(struct lines *lines, const dp_recipe *recipe, const dp_canvas_shape *canvas, bool open)
{
    char value[32];
    if (!recipe->tile_px)
        return;
    snprintf(value, sizeof value, "%zu", recipe->tile_px);
    say(lines, "tile", value,
        "%s: the canvas has %zux%zu cells and goes through the network in %zux%zu tiles of at most %zux%zu pixels",
        open ? "more cells than one picture may have (max-tokens)" : "as asked", canvas->rows, canvas->cols,
        canvas->tiling.down.n, canvas->tiling.across.n, recipe->tile_px, recipe->tile_px);
}

static void say_layers(struct lines *lines, const dp_recipe *recipe)
{
    char value[256] = "";
    for (size_t i = 0, at = 0; i < recipe->n_layers && at < sizeof value; i++)
        at += (size_t)snprintf(value + at, sizeof value - at, "%s%zu", i ? "," : "", recipe->layers[i]);
    if (recipe->layer_norm)
        say(lines, "layers", value, "%s",
            recipe->layer_norm == DP_LAYER_NORM_RAW ? "as the network leaves them"
            : recipe->layer_norm == DP_LAYER_NORM_RMS
                ? "the middle of the network, averaged over 3x3 cells, in units of what good cells show"
                : "1/4, 1/2 and 3/4 of the depth, each feature in units of its spread over good cells");
}

static void say_window(struct lines *lines, const dp_recipe *recipe, bool open)
{
    char value[32];
    if (recipe->layout != DP_LAYOUT_GRID || recipe->window == DP_WINDOW_GLOBAL)
        return;
    snprintf(value, sizeof value, "%zu", recipe->window);
    say(lines, "window", value, "%s",
        !open                ? "as asked"
        : recipe->window > 1 ? "cells to each side, from size 384 on one more: parts lie no steadier where cells are "
                               "smaller"
                             : "cell to each side: parts never lie quite the same");
}

dp_status dp_settled_lines(const dp_recipe *recipe, const dp_settled_story *story, const dp_settled_canvas *canvas,
                           dp_choices *choices, dp_error *err)
{
    struct lines lines = {.n = 0};
    const bool speaks = recipe->layer_norm || story->pose; /* a published method leaves nothing to say */
    if (speaks)
        say(&lines, "align",
            recipe->align == DP_ALIGN_PCA        ? "pca"
            : recipe->align == DP_ALIGN_FEATURES ? "features"
                                                 : "none",
            "%s%s", story->pose ? "" : "as asked", story->why_pose);
    if (speaks)
        say_canvas(&lines, recipe, canvas);
    say_tiles(&lines, recipe, &canvas->shape, story->tile);
    if (speaks)
        say_layers(&lines, recipe);
    if (speaks || story->window)
        say_window(&lines, recipe, story->window);
    if (recipe->tile_px && story->score)
        say(&lines, "score", "top10",
            "the 10 largest distances, as many as 1 %% of a canvas of size 256: in tiles 1 %% of all cells "
            "would hide a small mark");
    return dp_choices_add(choices, lines.all, lines.n, err);
}
