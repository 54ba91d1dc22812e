/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - compares the light, size and cells of a picture with those of the good ones. */
#include "score/gate.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>
#include <stdio.h>

#define FAR 3.0      /* factor of the limits */
#define MISSING 0.34 /* share of black parts beyond that of any good picture: a third */
#define NOT_BLACK 8  /* of 255: good pictures whose darkest parts are above it have no black parts */
#define CELLS 0.5    /* share of the fewest cells that a good picture has: below it, half of the part is not seen */
#define STRAY 20     /* one of so many pictures may lie outside the range */

static bool beyond(double x, double next)
{
    return x < next / FAR;
}

static bool more_black(double x, double next)
{
    return x < next - MISSING;
}

/* Returns the least of sorted values [n], without the strays below it: values beyond the limit that the next one
 * sets. */
static double least(const double *values, size_t n, bool (*far)(double x, double next))
{
    size_t strays = n < 3 ? 0 : n / STRAY > 1 ? n / STRAY : 1, first = 0;
    for (size_t i = 1; i <= strays; i++)
        if (far(values[i - 1], values[i]))
            first = i;
    return values[first];
}

/* Counts the different ratios among sorted ratios [n], up to DP_RATIOS + 1. */
static size_t count_ratios(const double *ratios, size_t n)
{
    size_t different = 0;
    double first = 0;
    for (size_t i = 0; i < n && different <= DP_RATIOS; i++)
        if (!different || ratios[i] > first * (1 + DP_RATIO_MARGIN)) {
            first = ratios[i];
            different++;
        }
    return different;
}

/* Returns the least share, over the good pictures, of inside cells that are not background. */
static double least_object(const dp_bank *bank)
{
    double found = NAN;
    for (size_t p = 0; p < bank->pictures.n; p++) {
        size_t rows, cols, left = 0;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        const uint8_t *mask = dp_bank_inspected_background(bank, p);
        if (!mask || !rows || !cols)
            continue;
        for (size_t i = 0; i < rows * cols; i++)
            left += !mask[i];
        found = fmin(found, (double)left / (double)(rows * cols));
    }
    return found;
}

/* Values of each good picture; of all except the ratio only the least is used. */
enum column { BRIGHT, WHITE, CONTRAST, FINE, SMOOTH, CLEAR, RATIO, COLUMNS };

dp_status dp_gate_open(const dp_bank *bank, dp_gate *gate, dp_error *err)
{
    const dp_bank_pictures *pictures = &bank->pictures;
    const size_t n = pictures->n;
    size_t n_ratios = 0;
    double *values, *column[COLUMNS];
    dp_gate made = {.light_known = true,
                    .valid_least = NAN,
                    .object_least = least_object(bank),
                    .n_sizes = n,
                    .poses = pictures->poses};
    dp_status status =
        dp_memory_take(&(dp_need){&values, n, COLUMNS, sizeof *values}, 1, "the light of the good pictures", err);
    if (status)
        return status;
    for (size_t k = 0; k < COLUMNS && n; k++)
        column[k] = values + k * n;
    for (size_t p = 0; p < n; p++) {
        const dp_light *light = &pictures->lights[p];
        const dp_pose *pose = &pictures->poses[p];
        made.light_known = made.light_known && !isnan(light->bright);
        made.dark = p == 0 || light->dark < made.dark ? light->dark : made.dark;
        made.valid_least = fmin(made.valid_least, light->valid); /* fmin of NaN and a number is the number */
        column[BRIGHT][p] = light->bright;
        column[WHITE][p] = 255 - light->dark;
        column[CONTRAST][p] = light->bright - light->dark;
        column[FINE][p] = light->fine;
        column[SMOOTH][p] = 1 / fmax(light->fine, 1e-9);
        column[CLEAR][p] = 1 - light->black;
        if (pose->picture_height_px)
            column[RATIO][n_ratios++] = (double)pose->picture_width_px / (double)pose->picture_height_px;
    }
    for (size_t k = 0; k < COLUMNS && n; k++)
        if (made.light_known || k == RATIO) /* otherwise they are NaN */
            dp_sort_f64(column[k], k == RATIO ? n_ratios : n);
    if (made.light_known && n) {
        made.bright = least(column[BRIGHT], n, beyond);
        made.white = least(column[WHITE], n, beyond);
        made.contrast = least(column[CONTRAST], n, beyond);
        made.fine = least(column[FINE], n, beyond);
        made.fine_most = 1 / least(column[SMOOTH], n, beyond);
        made.black = 1 - least(column[CLEAR], n, more_black);
    }
    made.n_ratios = n ? count_ratios(column[RATIO], n_ratios) : 0;
    dp_memory_free(values);
    *gate = made;
    return DP_OK;
}

bool dp_gate_no_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes)
{
    double contrast = light->bright - light->dark;
    if (!gate->light_known || isnan(light->bright))
        return false;
    if (beyond(light->bright, gate->bright))
        snprintf(reason, bytes,
                 "darker than any good picture: its brightest parts have %.1f of 255, but those of every good picture "
                 "at least %.1f",
                 light->bright, gate->bright);
    else if (beyond(255 - light->dark, gate->white))
        snprintf(reason, bytes,
                 "brighter than any good picture: its darkest parts have %.1f of 255, but those of every good picture "
                 "at most %.1f",
                 light->dark, 255 - gate->white);
    else if (beyond(contrast, gate->contrast) && beyond(light->fine, gate->fine))
        snprintf(reason, bytes,
                 "almost no contrast compared with every good picture: %.1f of 255 from its darkest to its brightest "
                 "parts, but at least %.1f in every good picture",
                 contrast, gate->contrast);
    else
        return false;
    return true;
}

bool dp_gate_odd_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes)
{
    double contrast = light->bright - light->dark;
    if (!gate->light_known || isnan(light->bright))
        return false;
    if (beyond(contrast, gate->contrast))
        snprintf(reason, bytes,
                 "almost no contrast compared with every good picture: %.1f of 255 from its darkest to its brightest "
                 "parts, but at least %.1f in every good picture",
                 contrast, gate->contrast);
    else if (beyond(light->fine, gate->fine))
        snprintf(reason, bytes,
                 "almost no fine contrast compared with every good picture: %.1f of 255, but at least %.1f in every "
                 "good picture; it may be out of focus",
                 light->fine, gate->fine);
    else if (beyond(gate->fine_most, light->fine))
        snprintf(reason, bytes,
                 "far more fine contrast than any good picture, perhaps noise: %.1f of 255, but at most %.1f in every "
                 "good picture",
                 light->fine, gate->fine_most);
    else if (gate->dark >= NOT_BLACK && more_black(1 - light->black, 1 - gate->black))
        snprintf(
            reason, bytes,
            "%.0f %% of it is plain black, but at most %.0f %% of every good picture; a part of the frame is missing",
            100 * light->black, 100 * gate->black);
    else
        return false;
    return true;
}

bool dp_gate_other_ratio(const dp_gate *gate, size_t width_px, size_t height_px, char *reason, size_t bytes)
{
    double ratio = (double)width_px / (double)height_px, nearest_by = INFINITY;
    const dp_pose *nearest = NULL;
    for (size_t i = 0; i < gate->n_sizes; i++) {
        const dp_pose *pose = &gate->poses[i];
        if (!pose->picture_width_px || !pose->picture_height_px)
            continue;
        double by = fabs(log(ratio * (double)pose->picture_height_px / (double)pose->picture_width_px));
        if (by < nearest_by) {
            nearest_by = by;
            nearest = pose;
        }
    }
    if (!nearest || gate->n_ratios > DP_RATIOS || nearest_by <= log1p(DP_RATIO_MARGIN))
        return false;
    snprintf(reason, bytes,
             "its aspect ratio differs from the good pictures: %zux%zu pixels (%.3f), but the nearest good picture has "
             "%zux%zu (%.3f)",
             width_px, height_px, ratio, nearest->picture_width_px, nearest->picture_height_px,
             (double)nearest->picture_width_px / (double)nearest->picture_height_px);
    return true;
}

bool dp_gate_other_size(const dp_gate *gate, size_t width_px, size_t height_px)
{
    const dp_pose *seen[DP_RATIOS];
    size_t n = 0;
    for (size_t i = 0; i < gate->n_sizes; i++) {
        const dp_pose *pose = &gate->poses[i];
        bool is_new = pose->picture_width_px > 0;
        if (pose->picture_width_px == width_px && pose->picture_height_px == height_px)
            return false;
        for (size_t k = 0; k < n && is_new; k++)
            is_new = pose->picture_width_px != seen[k]->picture_width_px
                     || pose->picture_height_px != seen[k]->picture_height_px;
        if (is_new && n == DP_RATIOS)
            return false; /* with so many sizes there is none to compare with */
        if (is_new)
            seen[n++] = pose;
    }
    return n > 0;
}

bool dp_gate_few_cells(const dp_gate *gate, double valid, double object, double region_seen, char *reason, size_t bytes)
{
    if (valid < CELLS * gate->valid_least)
        snprintf(reason, bytes,
                 "too few cells to judge: %.0f %% of them lie inside the picture, but at least %.0f %% in every good "
                 "picture",
                 100 * valid, 100 * gate->valid_least);
    else if (object < CELLS * gate->object_least)
        snprintf(
            reason, bytes,
            "too few cells to judge: %.0f %% of them are not background, but at least %.0f %% in every good picture",
            100 * object, 100 * gate->object_least);
    else if (region_seen < CELLS)
        snprintf(reason, bytes, "too few cells to judge: only %.0f %% of the region to inspect lie inside the picture",
                 100 * region_seen);
    else
        return false;
    return true;
}

/* Returns whether a picture shows one even tone: no contrast beyond one step of its samples. */
static bool is_plain(const dp_light *light)
{
    return light->bright - light->dark < 2 && light->fine < 1;
}

void dp_gate_warn(const dp_bank *bank, const dp_run *run)
{
    dp_gate gate;
    char reason[DP_REASON_BYTES], line[DP_ERROR_MESSAGE_BYTES];
    if (!run || !run->log || dp_gate_open(bank, &gate, NULL))
        return;
    size_t plain = 0, black = 0;
    for (size_t p = 0; p < bank->pictures.n; p++) {
        plain += is_plain(&bank->pictures.lights[p]);
        black += is_plain(&bank->pictures.lights[p]) && bank->pictures.lights[p].bright < 2;
    }
    if (plain && plain == bank->pictures.n) {
        snprintf(
            line, sizeof line,
            "all good pictures are %s, so there is nothing to learn; check the light and the exposure, and fit again",
            black == plain ? "black" : "of one even tone");
        run->log(run->user, DP_LOG_WARNING, line);
    }
    for (size_t p = 0; p < bank->pictures.n; p++) {
        if (!dp_gate_no_light(&gate, &bank->pictures.lights[p], reason, sizeof reason)
            && !dp_gate_odd_light(&gate, &bank->pictures.lights[p], reason, sizeof reason))
            continue;
        snprintf(line, sizeof line, "%s: %s; look at it, and remove it from the bank if it is not a good picture",
                 bank->pictures.names[p], reason);
        run->log(run->user, DP_LOG_WARNING, line);
    }
}
