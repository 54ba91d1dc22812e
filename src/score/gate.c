/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - the light, size and cells of a picture against those of the good ones. */
#include "score/gate.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/statistics.h"

#include <math.h>
#include <stdio.h>

#define FAR 3.0      /* times */
#define MISSING 0.34 /* of the picture more than of any good one: a third */
#define NOT_BLACK 8  /* of 255: the darkest parts of good pictures that have no black ones */
#define CELLS 0.5    /* of the least that a good picture has: half of the part is not seen */
#define STRAY 20     /* one of so many may lie outside the range */

static bool beyond(double x, double next)
{
    return x < next / FAR;
}

static bool more_black(double x, double next)
{
    return x < next - MISSING;
}

/* The least of values [n], sorted here, without the strays below it: those that lie beyond the limit that the next one sets. */
static double least(double *values, size_t n, bool (*far)(double x, double next))
{
    dp_sort_f64(values, n);
    size_t strays = n < 3 ? 0 : n / STRAY > 1 ? n / STRAY : 1, first = 0;
    for (size_t i = 1; i <= strays; i++)
        if (far(values[i - 1], values[i]))
            first = i;
    return values[first];
}

static size_t count_ratios(const dp_pose *poses, size_t n, double *ratios)
{
    size_t different = 0, known = 0;
    double first = 0;
    for (size_t i = 0; i < n; i++)
        if (poses[i].picture_height_px)
            ratios[known++] = (double)poses[i].picture_width_px / (double)poses[i].picture_height_px;
    dp_sort_f64(ratios, known);
    for (size_t i = 0; i < known && different <= DP_RATIOS; i++)
        if (!different || ratios[i] > first * (1 + DP_RATIO_MARGIN)) {
            first = ratios[i];
            different++;
        }
    return different;
}

/* Of the cells inside each picture, those that are not background. */
static double least_object(const dp_bank *bank)
{
    double found = NAN;
    for (size_t p = 0; p < bank->pictures.n; p++) {
        const uint8_t *mask = dp_bank_inspected_background(bank, p);
        size_t rows, cols, left = 0;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        if (!mask || !rows || !cols)
            continue;
        for (size_t i = 0; i < rows * cols; i++)
            left += !mask[i];
        found = fmin(found, (double)left / (double)(rows * cols));
    }
    return found;
}

dp_status dp_gate_open(const dp_bank *bank, dp_gate *gate, dp_error *err)
{
    size_t n = bank->pictures.n;
    double *values = dp_malloc(n, 7 * sizeof *values);
    if (!values)
        return dp_fail_memory(err, "the light of the good pictures", n * 7 * sizeof *values);
    double *bright = values, *white = bright + n, *contrast = white + n, *fine = contrast + n, *smooth = fine + n,
           *clear = smooth + n;
    *gate = (dp_gate){.light_known = true,
                      .valid_least = NAN,
                      .object_least = least_object(bank),
                      .n_sizes = n,
                      .poses = bank->pictures.poses};
    for (size_t p = 0; p < n; p++) {
        const dp_light *light = &bank->pictures.lights[p];
        gate->light_known = gate->light_known && !isnan(light->bright);
        bright[p] = light->bright;
        white[p] = 255 - light->dark;
        gate->dark = p == 0 || light->dark < gate->dark ? light->dark : gate->dark;
        contrast[p] = light->bright - light->dark;
        fine[p] = light->fine;
        smooth[p] = 1 / fmax(light->fine, 1e-9);
        clear[p] = 1 - light->black;
        gate->valid_least = fmin(gate->valid_least, light->valid); /* of NaN and a number: the number */
    }
    if (gate->light_known) {
        gate->bright = least(bright, n, beyond);
        gate->white = least(white, n, beyond);
        gate->contrast = least(contrast, n, beyond);
        gate->fine = least(fine, n, beyond);
        gate->fine_most = 1 / least(smooth, n, beyond);
        gate->black = 1 - least(clear, n, more_black);
    }
    gate->n_ratios = count_ratios(bank->pictures.poses, n, values);
    dp_memory_free(values);
    return DP_OK;
}

bool dp_gate_no_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes)
{
    double contrast = light->bright - light->dark;
    if (!gate->light_known || isnan(light->bright))
        return false;
    if (beyond(light->bright, gate->bright))
        snprintf(reason, bytes,
                 "darker than any good picture: its brightest parts have %.1f of 255, those of every good picture at "
                 "least %.1f",
                 light->bright, gate->bright);
    else if (beyond(255 - light->dark, gate->white))
        snprintf(reason, bytes,
                 "brighter than any good picture: its darkest parts have %.1f of 255, those of every good picture at "
                 "most %.1f",
                 light->dark, 255 - gate->white);
    else if (beyond(contrast, gate->contrast) && beyond(light->fine, gate->fine))
        snprintf(
            reason, bytes,
            "almost no contrast compared with every good picture: %.1f of 255 from its darkest to its brightest parts, "
            "at least %.1f in the good pictures",
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
        snprintf(
            reason, bytes,
            "almost no contrast compared with every good picture: %.1f of 255 from its darkest to its brightest parts, "
            "at least %.1f in the good pictures",
            contrast, gate->contrast);
    else if (beyond(light->fine, gate->fine))
        snprintf(reason, bytes,
                 "almost no fine contrast compared with every good picture: %.1f of 255, at least %.1f in the good "
                 "pictures; "
                 "it may be out of focus",
                 light->fine, gate->fine);
    else if (beyond(gate->fine_most, light->fine))
        snprintf(reason, bytes,
                 "far more fine contrast than any good picture, perhaps noise: %.1f of 255, at most %.1f in the good "
                 "pictures",
                 light->fine, gate->fine_most);
    else if (gate->dark >= NOT_BLACK && more_black(1 - light->black, 1 - gate->black))
        snprintf(reason, bytes,
                 "%.0f %% of it is plain black, at most %.0f %% of every good picture: part of the frame is missing",
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
             "other aspect ratio than the good pictures: %zux%zu pixels (%.3f), the nearest of them %zux%zu (%.3f)",
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
            return false; /* so many sizes that there is none to keep to */
        if (is_new)
            seen[n++] = pose;
    }
    return n > 0;
}

bool dp_gate_few_cells(const dp_gate *gate, double valid, double object, double region_seen, char *reason, size_t bytes)
{
    if (valid < CELLS * gate->valid_least)
        snprintf(
            reason, bytes,
            "too few cells to judge: %.0f %% of them lie inside the picture, at least %.0f %% in every good picture",
            100 * valid, 100 * gate->valid_least);
    else if (object < CELLS * gate->object_least)
        snprintf(reason, bytes,
                 "too few cells to judge: %.0f %% of them are not background, at least %.0f %% in every good picture",
                 100 * object, 100 * gate->object_least);
    else if (region_seen < CELLS)
        snprintf(reason, bytes, "too few cells to judge: %.0f %% of the region to inspect lies inside the picture",
                 100 * region_seen);
    else
        return false;
    return true;
}

/* Whether a picture shows one even tone: no contrast beyond a step of its samples. */
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
        snprintf(line, sizeof line,
                 "all good pictures are %s: they teach nothing; look at the light and the exposure, and fit anew",
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
