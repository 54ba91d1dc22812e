/* SPDX-License-Identifier: Apache-2.0 */
/* fit_images.c - fits pictures that a caller hands over one after the other.
 *
 * Fit looks at pictures more than once: the canvas is chosen from all of them, and the polarity is mended at the end. So
 * they are kept, in their own format, and given to fit as a source. */
#include "bank/bank.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/settings.h"
#include "image/image.h"
#include "options/asked.h"
#include "pipeline/memory_plan.h"

#include <stdbool.h>
#include <string.h>

struct dp_fit {
    const dp_network *network;
    dp_network *own; /* the built-in network; NULL if the caller gave one */
    dp_recipe recipe;
    dp_run run;
    size_t room;             /* of the three below */
    dp_image *images;        /* [room], rows one after the other */
    const char **names;      /* [room], owned by `records` */
    dp_fit_picture *records; /* [room] */
    dp_fit_report report;    /* n_given: pictures so far */
    size_t bytes;            /* of all images */
};

/* ----------------------------------------------------------------------------------------------- begin, add, end */

dp_status dp_fit_begin(const dp_network *network, const dp_options *options, const dp_run *run, dp_fit **out,
                       dp_error *err)
{
    dp_run own;
    dp_status status = dp_run_take(run, &own, err);
    if (status)
        return status;
    dp_fit *fit = dp_calloc(1, sizeof *fit);
    if (!fit)
        return dp_fail_memory(err, "a fit", sizeof *fit);
    fit->run = own;
    fit->network = network;
    dp_options_recipe(options, &fit->recipe);
    status = dp_recipe_check(&fit->recipe, err);
    if (!status && !network)
        status = dp_network_open(DP_NETWORK_NANO, &fit->own, err);
    if (status)
        dp_fit_close(&fit);
    else
        *out = fit;
    return status;
}

void dp_fit_close(dp_fit **fit_pointer)
{
    if (!fit_pointer || !*fit_pointer)
        return;
    dp_fit *fit = *fit_pointer;
    for (size_t i = 0; i < fit->report.n_given; i++) {
        dp_memory_free((void *)(uintptr_t)fit->images[i].pixels);
        dp_memory_free((void *)(uintptr_t)fit->records[i].name);
        dp_memory_free((void *)(uintptr_t)fit->records[i].reason);
    }
    dp_memory_free(fit->images);
    dp_memory_free(fit->names);
    dp_memory_free(fit->records);
    dp_network_close(&fit->own);
    dp_memory_free(fit);
    *fit_pointer = NULL;
}

static bool make_room(dp_fit *fit)
{
    size_t room, n = fit->report.n_given;
    if (n < fit->room)
        return true;
    if (!dp_mul_size(fit->room ? fit->room : 8, 2, &room))
        return false;
    dp_image *images = dp_calloc(room, sizeof *images);
    const char **names = dp_calloc(room, sizeof *names);
    dp_fit_picture *records = dp_calloc(room, sizeof *records);
    if (!images || !names || !records) {
        dp_memory_free(images);
        dp_memory_free(names);
        dp_memory_free(records);
        return false;
    }
    if (n) {
        memcpy(images, fit->images, n * sizeof *images);
        memcpy(names, fit->names, n * sizeof *names);
        memcpy(records, fit->records, n * sizeof *records);
    }
    dp_memory_free(fit->images);
    dp_memory_free(fit->names);
    dp_memory_free(fit->records);
    fit->images = images;
    fit->names = names;
    fit->records = records;
    fit->room = room;
    fit->report.pictures = records;
    return true;
}

dp_status dp_fit_add(dp_fit *fit, const dp_image *image, const char *name, dp_error *err)
{
    dp_image kept;
    if (!name)
        return dp_fail(err, DP_E_ARGUMENT, "a good picture without a name");
    dp_status status = dp_image_take(image, fit->run.max_picture_pixels, &kept, err);
    if (status)
        return status;
    size_t row = dp_image_row_bytes(&kept), bytes = row * kept.height /* checked by dp_image_take */, all;
    if (!dp_add_size(fit->bytes, bytes, &all) || (fit->run.max_memory_bytes && all > fit->run.max_memory_bytes)
        || bytes > dp_memory_free_bytes(&fit->run))
        return dp_fail(err, DP_E_MEMORY,
                       "%s: with it the good pictures take %zu bytes, more than there is: take fewer or smaller ones",
                       name, all);
    uint8_t *pixels = dp_malloc(bytes, 1);
    char *copy = dp_strdup(name);
    if (!pixels || !copy || !make_room(fit)) {
        dp_memory_free(pixels);
        dp_memory_free(copy);
        return dp_fail_memory(err, name, bytes);
    }
    for (size_t y = 0; y < kept.height; y++)
        memcpy(pixels + y * row, (const uint8_t *)kept.pixels + y * kept.stride_bytes, row);
    kept.pixels = pixels;
    kept.stride_bytes = row;
    fit->images[fit->report.n_given] = kept;
    fit->names[fit->report.n_given] = copy;
    fit->records[fit->report.n_given++] = (dp_fit_picture){.name = copy};
    fit->bytes = all;
    return DP_OK;
}

static void on_picture(void *user, size_t index, const char *name, const dp_pose *pose, const char *message)
{
    dp_fit *fit = user;
    (void)name, (void)pose;
    if (message && !fit->records[index].reason)
        fit->records[index].reason = dp_strdup(message);
}

dp_status dp_fit_end(dp_fit *fit, dp_bank **bank, dp_error *err)
{
    const dp_image_list list = {.images = fit->images, .names = fit->names, .n = fit->report.n_given};
    const dp_source source = dp_source_images(&list);
    const dp_fit_input input = {.source = &source, .on_picture = on_picture, .user = fit};
    dp_session *session = NULL;
    dp_fit_counts counts = {0};
    dp_fit_report *report = &fit->report;
    for (size_t i = 0; i < report->n_given; i++) { /* of an earlier attempt */
        dp_memory_free((void *)(uintptr_t)fit->records[i].reason);
        fit->records[i].reason = NULL;
    }
    dp_status status =
        dp_session_open(fit->own ? fit->own : fit->network, fit->recipe.precision, &fit->run, &session, err);
    if (!status)
        status = dp_bank_fit_from(session, &fit->recipe, &input, bank, &counts, err);
    dp_session_close(&session);
    report->n_twins = counts.n_twins;
    report->n_failed = counts.n_failed;
    report->n_used = status ? 0 : (*bank)->pictures.n;
    return status;
}

const dp_fit_report *dp_fit_get_report(const dp_fit *fit)
{
    return &fit->report;
}
