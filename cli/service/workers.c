/* SPDX-License-Identifier: Apache-2.0 */
/* workers.c - threads that inspect, behind a queue with a bound. */
#include "workers.h"
#include "fault.h"
#include "inspectors.h"
#include "log.h"
#include "memory_picture.h"
#include "../feedback.h"
#include "../inspect_rows.h"

#include <math.h>
#include <string.h>

struct workers {
    workers_settings settings;
    GMutex lock;
    GCond came, done;
    GQueue waiting;
    size_t n_busy;
    double mean_s; /* of a task, the last ones weighing most; 0: none yet */
    bool closing;
    GThread **threads; /* [n_workers] */
};

void inspection_clear(inspection_task *task)
{
    json_decref(task->line);
    json_decref(task->excuses);
    g_clear_pointer(&task->overlay, g_bytes_unref);
    g_clear_pointer(&task->map_file, g_bytes_unref);
    g_clear_pointer(&task->explained, g_bytes_unref);
    g_clear_pointer(&task->map, g_free);
    task->line = task->excuses = NULL;
}

/* ---------------------------------------------------------------------------------------- what a result is made into */

static dp_status write_png(const void *what, const char *path, dp_error *err)
{
    return dp_picture_save_png(what, path, err);
}

static dp_status write_map(const void *what, const char *path, dp_error *err)
{
    const dp_result *result = what;
    return dp_map_save_tiff(result->map, result->height_px, result->width_px, path, err);
}

static dp_status draw_overlay(const workers *w, inspection_task *task, const dp_picture *picture,
                              const dp_result *result, dp_error *err)
{
    dp_interval heat = cli_heat_scale(&task->bank->view.view, result);
    dp_picture *drawn = NULL;
    dp_status status = dp_result_draw(picture, result, heat.low, heat.high, &drawn, err);
    if (!status)
        status = bytes_written(w->settings.folder, write_png, drawn, &task->overlay, err);
    dp_picture_free(&drawn);
    return status;
}

/* The largest defect beside the nearest good place. */
static dp_status draw_explained(const workers *w, inspection_task *task, const dp_picture *picture,
                                const dp_result *result, dp_error *err)
{
    if (!result->n_defects)
        return DP_OK;
    const char *name = dp_bank_picture_name(task->bank->bank, result->defects[0].nearest_picture);
    g_autofree char *path = name ? w->settings.good_picture(w->settings.user, task->bank->name, name) : NULL;
    const dp_picture_options options = {.max_pixels = w->settings.run.max_picture_pixels,
                                        .white = task->bank->details.recipe.sample_white};
    dp_picture *nearest = NULL, *drawn = NULL;
    const char *missing = path && !named_picture_load(path, name, &options, &nearest, NULL, NULL)
                              ? NULL
                              : "this good picture is not kept here";
    dp_status status = dp_defect_draw(task->bank->bank, picture, result, 0, nearest, missing, 1, &drawn, err);
    if (!status)
        status = bytes_written(w->settings.folder, write_png, drawn, &task->explained, err);
    dp_picture_free(&drawn);
    dp_picture_free(&nearest);
    return status;
}

static dp_status keep_numbers(inspection_task *task, const dp_result *result, dp_error *err)
{
    if (!result->map)
        return DP_OK;
    size_t n = result->height_px * result->width_px;
    if (!(task->map = g_try_new(float, n)))
        return service_fail(err, DP_E_MEMORY, "%s: not enough memory for its map", task->name);
    memcpy(task->map, result->map, n * sizeof *task->map);
    return DP_OK;
}

static dp_status list_excuses(const inspectors *own, inspection_task *task, dp_error *err)
{
    const dp_bank *bank = task->bank->bank;
    g_autoptr(GArray) places = NULL;
    dp_status status = cli_excuses_find(bank, inspectors_last(own), task->region, &places, err);
    task->excuses = json_array();
    for (guint i = 0; !status && i < places->len; i++)
        cli_json_append(task->excuses, cli_excuse_json(bank, &g_array_index(places, cli_excuse, i)));
    return status;
}

static dp_status make_wanted(const workers *w, inspection_task *task, const dp_picture *picture,
                             const dp_result *result, dp_error *err)
{
    dp_status status = DP_OK;
    if (task->want & WANT_OVERLAY)
        status = draw_overlay(w, task, picture, result, err);
    if (!status && (task->want & WANT_MAP))
        status = bytes_written(w->settings.folder, write_map, result, &task->map_file, err);
    if (!status && (task->want & WANT_EXPLAINED))
        status = draw_explained(w, task, picture, result, err);
    if (!status && (task->want & WANT_NUMBERS))
        status = keep_numbers(task, result, err);
    task->score = result->score;
    task->p_value = result->p_value;
    task->label = result->label;
    task->height_px = result->height_px;
    task->width_px = result->width_px;
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- working */

static void inspect(const workers *w, inspectors *own, inspection_task *task)
{
    const dp_view *view = &task->bank->view.view;
    const dp_picture_options options = {.max_pixels = w->settings.run.max_picture_pixels,
                                        .tolerant = w->settings.run.tolerant,
                                        .white = task->bank->details.recipe.sample_white};
    const dp_result *result = NULL;
    dp_picture *loaded = NULL, *picture = task->picture;
    dp_error *err = &task->err;
    task->label = DP_LABEL_NOT_INSPECTED;
    task->score = task->p_value = NAN;
    task->threshold = view->threshold;
    task->cell_threshold = view->cell_threshold;
    if (task->data) {
        dp_picture_notes notes = {.text = ""};
        task->status = memory_picture_load(task->data, task->bytes, task->name, &options, &loaded, &notes, err);
        picture = loaded;
        if (!task->status && *notes.text)
            log_line(LOG_LEVEL_INFO, "%s: %s", task->name, notes.text);
    }
    if (!task->status)
        task->status = inspectors_run(own, task->bank, picture, &result, err);
    double ms = (double)(g_get_monotonic_time() - task->begun_us) / 1000;
    if (task->status) {
        name_in_place_of("picture: ", "", err);
        if (!g_str_has_prefix(err->message, task->name)) {
            g_autofree char *message = g_strdup(err->message);
            service_fail(err, task->status, "%s: %s", task->name, message);
        }
    }
    g_autofree char *fault = task->status ? cli_spelled(err->message) : NULL;
    g_autoptr(GPtrArray) explained = g_ptr_array_new();
    const cli_row row = {.bank = task->bank->bank,
                         .path = task->name,
                         .result = result,
                         .fault = fault,
                         .explained = explained,
                         .threshold = view->threshold,
                         .cell_threshold = view->cell_threshold,
                         .ms = ms};
    task->line = cli_row_json(&row);
    if (result)
        task->status = make_wanted(w, task, picture, result, err);
    if (result && !task->status && (task->want & WANT_EXCUSES))
        task->status = list_excuses(own, task, err);
    dp_picture_free(&loaded);
}

static void *work(void *user)
{
    workers *w = user;
    inspectors *own = inspectors_new(&w->settings.run);
    for (;;) {
        g_mutex_lock(&w->lock);
        while (g_queue_is_empty(&w->waiting) && !w->closing)
            g_cond_wait(&w->came, &w->lock);
        inspection_task *task = g_queue_pop_head(&w->waiting);
        w->n_busy += task != NULL;
        g_mutex_unlock(&w->lock);
        if (!task)
            break;
        task->begun_us = g_get_monotonic_time();
        inspect(w, own, task);
        double seconds = (double)(g_get_monotonic_time() - task->begun_us) / 1e6;
        g_mutex_lock(&w->lock);
        w->n_busy--;
        w->mean_s = w->mean_s > 0 ? 0.9 * w->mean_s + 0.1 * seconds : seconds;
        task->done = true;
        g_cond_broadcast(&w->done);
        g_mutex_unlock(&w->lock);
    }
    inspectors_free(own);
    return NULL;
}

workers *workers_open(const workers_settings *settings)
{
    workers *w = g_new0(workers, 1);
    w->settings = *settings;
    g_mutex_init(&w->lock);
    g_cond_init(&w->came);
    g_cond_init(&w->done);
    g_queue_init(&w->waiting);
    w->threads = g_new0(GThread *, settings->n_workers);
    for (size_t i = 0; i < settings->n_workers; i++)
        w->threads[i] = g_thread_new("inspect", work, w);
    return w;
}

void workers_close(workers **opened)
{
    workers *w = *opened;
    *opened = NULL;
    if (!w)
        return;
    g_mutex_lock(&w->lock);
    w->closing = true;
    g_cond_broadcast(&w->came);
    g_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->settings.n_workers; i++)
        g_thread_join(w->threads[i]);
    g_free(w->threads);
    g_mutex_clear(&w->lock);
    g_cond_clear(&w->came);
    g_cond_clear(&w->done);
    g_free(w);
}

bool workers_do(workers *w, inspection_task *task, unsigned *retry_s)
{
    g_mutex_lock(&w->lock);
    size_t waiting = g_queue_get_length(&w->waiting);
    bool taken = waiting < w->settings.most_waiting && !w->closing;
    if (taken) {
        task->came_us = g_get_monotonic_time();
        g_queue_push_tail(&w->waiting, task);
        g_cond_signal(&w->came);
        while (!task->done)
            g_cond_wait(&w->done, &w->lock);
    } else {
        *retry_s = (unsigned)fmin(60, ceil(w->mean_s * (double)(waiting + 1) / (double)w->settings.n_workers) + 1);
    }
    g_mutex_unlock(&w->lock);
    return taken;
}

workers_state workers_look(workers *w)
{
    g_mutex_lock(&w->lock);
    workers_state state = {w->settings.n_workers, w->n_busy, g_queue_get_length(&w->waiting), w->settings.most_waiting};
    g_mutex_unlock(&w->lock);
    return state;
}
