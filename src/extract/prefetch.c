/* SPDX-License-Identifier: Apache-2.0 */
/* prefetch.c - a ring of slots between one loading thread and one consumer.
 *
 * At most two slots are ahead of the consumer, so memory does not grow with the number of pictures. The canvases of the
 * slots are allocated once. */
#include "extract/prefetch.h"
#include "geometry/flip.h"
#include "geometry/spaces.h"
#include "geometry/warp.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "options/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define SLOTS 3       /* one with the consumer, two ahead */
#define TILED_SLOTS 2 /* for large pictures, on which the network takes much longer than the loader */

struct dp_prefetch {
    dp_pictures pictures;
    dp_recipe recipe; /* a copy, because the consumer's own recipe may change with the size of its pictures */
    bool digests;
    size_t n_slots;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t produced, consumed; /* pictures; slot of picture i is i % n_slots */
    bool holding;              /* the consumer still reads picture consumed - 1 */
    bool closing;
    dp_prepared slots[SLOTS];
};

/* P -> R -> C. */
static dp_status fill_edge(dp_prepared *prepared, dp_error *err)
{
    const dp_picture *picture = prepared->picture;
    const dp_recipe *recipe = prepared->recipe;
    const size_t patch_px = prepared->shape.patch_px;
    const dp_resized r = dp_picture_to_resized(recipe, patch_px, picture->height_px, picture->width_px);
    size_t canvas_h = r.canvas_height_px, canvas_w = r.canvas_width_px, pixels;
    dp_status status = dp_check_cells(prepared->run->max_tokens, canvas_h, canvas_w, patch_px, prepared->path, err);
    if (status)
        return status;
    if (!dp_mul_size(r.width_px, r.height_px, &pixels)
        || (prepared->run->max_picture_pixels && pixels > prepared->run->max_picture_pixels))
        return dp_fail(err, DP_E_PICTURE,
                       "%s: %zux%zu pixels (height x width) become %zux%zu with a short side of %zu, more than the "
                       "limit of %zu pixels; give a smaller edge, or a larger max_pixels",
                       prepared->path, picture->height_px, picture->width_px, r.height_px, r.width_px, recipe->edge_px,
                       prepared->run->max_picture_pixels);
    pixels = canvas_w * canvas_h; /* at most width x height */
    if (pixels > prepared->room_px) {
        dp_memory_free(prepared->rgb);
        dp_memory_free(prepared->cells);
        prepared->rgb = dp_malloc(pixels, 3 * sizeof(float));
        prepared->cells = dp_malloc(pixels, 1);
        prepared->room_px = prepared->rgb && prepared->cells ? pixels : 0;
        if (!prepared->room_px)
            return dp_fail_memory(err, "the canvas", pixels * 3 * sizeof(float));
    }
    dp_picture *resized = NULL;
    status = dp_picture_resize_8bit(picture, r.height_px, r.width_px, &resized, err);
    if (status)
        return status;
    for (size_t y = 0; y < canvas_h; y++)
        for (size_t i = 0; i < 3 * canvas_w; i++)
            prepared->rgb[y * canvas_w * 3 + i] = resized->rgb[((r.top_px + y) * r.width_px + r.left_px) * 3 + i];
    dp_picture_free(&resized);
    memset(prepared->cells, 1, dp_canvas_to_cells(canvas_h, patch_px) * dp_canvas_to_cells(canvas_w, patch_px));
    prepared->height_px = canvas_h;
    prepared->width_px = canvas_w;
    prepared->valid_fraction = 1;
    return DP_OK;
}

void dp_prepared_free_canvas(dp_prepared *prepared)
{
    dp_memory_free(prepared->rgb);
    dp_memory_free(prepared->cells);
    dp_memory_free(prepared->valid);
    prepared->rgb = NULL;
    prepared->cells = prepared->valid = NULL;
}

void dp_prepared_close(dp_prepared *prepared)
{
    dp_picture_free(&prepared->picture);
    dp_prepared_free_canvas(prepared);
}

dp_status dp_prepared_open(dp_prepared *prepared, const dp_recipe *recipe, const dp_canvas_shape *shape, dp_error *err)
{
    prepared->recipe = recipe;
    prepared->shape = *shape;
    const dp_need needs[] = {{&prepared->rgb, shape->cut ? 0 : shape->height_px, shape->width_px, 3 * sizeof(float)},
                             {&prepared->cells, shape->rows, shape->cols, 1},
                             {&prepared->valid, shape->width_px, shape->patch_px, 1}};
    return dp_memory_take(needs, sizeof needs / sizeof *needs, "the canvas", err);
}

dp_status dp_prepared_warp(dp_prepared *prepared, int turn, dp_error *err)
{
    if (prepared->recipe->edge_px)
        return fill_edge(prepared, err);
    const dp_canvas_shape *shape = &prepared->shape;
    const size_t h = shape->height_px, w = shape->width_px, patch_px = shape->patch_px;
    const dp_canvas canvas = {&prepared->pose, prepared->recipe->fill, turn, h, w};
    prepared->turn = turn;
    prepared->flip_rows = prepared->flip_cols = false;
    prepared->height_px = h;
    prepared->width_px = w;
    dp_status status = DP_OK;
    if (prepared->rgb)
        status = dp_canvas_warp_part(prepared->picture, &canvas, &(dp_area){0, 0, h, w}, prepared->rgb, NULL, err);
    if (!dp_pose_is_placed(&prepared->pose)) { /* the canvas shows the whole picture and nothing else */
        memset(prepared->cells, 1, shape->rows * shape->cols);
        prepared->valid_fraction = 1;
        return status;
    }
    size_t inside = 0;
    for (size_t r = 0; r < shape->rows && !status; r++) { /* one row of cells at a time */
        const dp_area strip = {dp_cells_to_canvas(r, patch_px), 0, patch_px, w};
        status = dp_canvas_warp_part(prepared->picture, &canvas, &strip, NULL, prepared->valid, err);
        for (size_t i = 0; i < patch_px * w && !status; i++)
            inside += prepared->valid[i] != 0;
        if (!status)
            dp_canvas_to_valid_cells(prepared->valid, patch_px, w, patch_px, prepared->cells + r * shape->cols);
    }
    prepared->valid_fraction = (double)inside / (double)(h * w);
    return status;
}

void dp_prepared_flip(dp_prepared *prepared, bool rows)
{
    const size_t h = prepared->height_px, w = prepared->width_px, patch_px = prepared->shape.patch_px;
    if (prepared->rgb)
        dp_flip(prepared->rgb, 3 * sizeof *prepared->rgb, h, w, rows);
    dp_flip(prepared->cells, 1, dp_canvas_to_cells(h, patch_px), dp_canvas_to_cells(w, patch_px), rows);
    if (rows)
        prepared->flip_rows = !prepared->flip_rows;
    else
        prepared->flip_cols = !prepared->flip_cols;
}

dp_picture_options dp_picture_options_of(const dp_recipe *recipe, const dp_run *run)
{
    return (dp_picture_options){
        .max_pixels = run->max_picture_pixels, .tolerant = run->tolerant, .white = recipe->sample_white};
}

void dp_prepared_report(const dp_prepared *prepared, const dp_recipe *recipe, const dp_run *run)
{
    dp_error line;
    if (prepared->status || !run->log)
        return;
    if (prepared->notes.white && !recipe->sample_white) {
        dp_fail(&line, DP_OK,
                "%s: holds 16-bit samples, but the good pictures of the bank did not; white is taken from its own "
                "samples (%zu)",
                prepared->path, prepared->notes.white);
        run->log(run->user, DP_LOG_WARNING, line.message);
    }
    if (!prepared->notes.text[0])
        return;
    dp_fail(&line, DP_OK, "%s: %s", prepared->path, prepared->notes.text);
    run->log(run->user, DP_LOG_WARNING, line.message);
}

dp_status dp_prepared_find_pose(dp_prepared *prepared, dp_finder *finder, const dp_reference *reference, dp_error *err)
{
    return prepared->recipe->align == DP_ALIGN_FEATURES
               ? dp_reference_pose(finder, reference, prepared->picture, &prepared->pose, err)
               : dp_pose_find(prepared->picture, prepared->recipe, &prepared->pose, err);
}

dp_status dp_prepared_load(dp_prepared *prepared, const dp_pictures *pictures, dp_error *err)
{
    const dp_recipe *recipe = prepared->recipe;
    const dp_picture_options options = dp_picture_options_of(recipe, prepared->run);
    double start = dp_now_seconds();
    prepared->path = dp_pictures_name(pictures, prepared->index);
    prepared->notes = (dp_picture_notes){.bits = 8};
    dp_status status = dp_pictures_load(pictures, prepared->index, &options, &prepared->picture, &prepared->notes, err);
    if (!status)
        status = dp_light_measure(prepared->picture, &prepared->light, err);
    if (!status && pictures->poses && pictures->poses[prepared->index].picture_width_px)
        prepared->pose = pictures->poses[prepared->index];
    else if (!status)
        status = dp_prepared_find_pose(prepared, pictures->finder, pictures->reference, err);
    if (!status)
        status = dp_prepared_warp(prepared, 0, err);
    prepared->seconds = dp_now_seconds() - start;
    return status;
}

static void *load_all(void *argument)
{
    dp_prefetch *p = argument;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->closing && p->produced - p->consumed + p->holding >= p->n_slots)
            pthread_cond_wait(&p->moved, &p->lock);
        if (p->closing || p->produced == p->pictures.n)
            break;
        size_t index = p->produced;
        pthread_mutex_unlock(&p->lock);

        dp_prepared *slot = &p->slots[index % p->n_slots];
        dp_picture_free(&slot->picture);
        slot->index = index;
        slot->status = dp_prepared_load(slot, &p->pictures, &slot->error);
        if (!slot->status && p->digests)
            slot->status = dp_picture_digest(slot->picture, slot->digest, &slot->error);

        pthread_mutex_lock(&p->lock);
        p->produced++;
        pthread_cond_broadcast(&p->moved);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

dp_status dp_prefetch_open(const dp_pictures *pictures, const dp_recipe *recipe, const dp_canvas_shape *shape,
                           const dp_run *run, bool digests, dp_prefetch **out, dp_error *err)
{
    dp_prefetch *p = dp_calloc(1, sizeof *p);
    if (!p)
        return dp_fail_memory(err, "the canvas", sizeof *p);
    p->pictures = *pictures;
    p->recipe = *recipe;
    p->digests = digests;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->moved, NULL);
    p->n_slots = shape->cut ? TILED_SLOTS : SLOTS;
    dp_status status = DP_OK;
    for (size_t i = 0; i < p->n_slots && !status; i++) {
        p->slots[i].run = run;
        status = dp_prepared_open(&p->slots[i], &p->recipe, shape, err);
    }
    if (!status && pthread_create(&p->thread, NULL, load_all, p) != 0)
        status = dp_fail_memory(err, "a thread", sizeof *p);
    if (status) {
        dp_prefetch_close(&p);
        return status;
    }
    p->started = true;
    *out = p;
    return DP_OK;
}

dp_prepared *dp_prefetch_next(dp_prefetch *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->holding) {
        p->holding = false;
        pthread_cond_broadcast(&p->moved);
    }
    dp_prepared *next = NULL;
    if (p->consumed < p->pictures.n) {
        while (p->produced == p->consumed)
            pthread_cond_wait(&p->moved, &p->lock);
        next = &p->slots[p->consumed % p->n_slots];
        p->consumed++;
        p->holding = true;
    }
    pthread_mutex_unlock(&p->lock);
    return next;
}

void dp_prefetch_close(dp_prefetch **pointer)
{
    if (!pointer || !*pointer)
        return;
    dp_prefetch *p = *pointer;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->closing = true;
        pthread_cond_broadcast(&p->moved);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    for (size_t i = 0; i < SLOTS; i++)
        dp_prepared_close(&p->slots[i]);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->moved);
    dp_memory_free(p);
    *pointer = NULL;
}
