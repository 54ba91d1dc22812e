/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - the frames of a camera or a video. */
#include "frames.h"
#include "frame_source.h"
#include "wake.h"
#include "../service/fault.h"
#include "../service/log.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 200
#define LONGEST_WAIT_S 30

struct frames {
    void *module;
    const frame_source_api *api;
    char *pipeline;
    void *source; /* NULL: to be opened again */
    bool live;
    int wait_s; /* before it is tried again */
    gint64 again_us;
    uint64_t n_dropped; /* of earlier sources */
    dp_picture *picture;
};

/* The folder of the program itself, so that one that was not installed finds its own. */
static char *beside_program(const char *below)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[MAX(n, 0)] = '\0';
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, below, MODULE_NAME, NULL);
}

static void *open_module(dp_error *err)
{
    g_autofree char *built = beside_program("cli"), *installed = beside_program(MODULE_FROM_PROGRAM);
    const char *const places[] = {built, installed, MODULE_FOLDER "/" MODULE_NAME};
    const char *why = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (!g_file_test(places[i], G_FILE_TEST_EXISTS))
            continue;
        void *module = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
        if (module)
            return module;
        why = dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc's is */
    }
    service_fail(
        err, DP_E_UNSUPPORTED, "--source: %s",
        why ? why
            : "this program was built without GStreamer; install libgstreamer-plugins-base1.0-dev and build it "
              "again");
    return NULL;
}

static bool open_source(frames *f, char *fault)
{
    f->source = f->api->open(f->pipeline, fault);
    if (f->source)
        f->live = f->api->is_live(f->source) != 0;
    return f->source != NULL;
}

dp_status frames_open(const char *pipeline, frames **opened, dp_error *err)
{
    char fault[FRAME_FAULT_BYTES] = "";
    frames *f = g_new0(frames, 1);
    f->pipeline = g_strdup(pipeline);
    dp_status status = DP_OK;
    if (!(f->module = open_module(err)))
        status = DP_E_UNSUPPORTED;
    else if (!(f->api = dlsym(f->module, FRAME_SOURCE_SYMBOL)) || f->api->version != FRAME_SOURCE_VERSION)
        status = service_fail(err, DP_E_UNSUPPORTED, "--source: %s is of another version of this program", MODULE_NAME);
    else if (!open_source(f, fault))
        status = service_fail(err, DP_E_ARGUMENT, "--source '%s': %s", pipeline, fault);
    if (status)
        frames_close(&f);
    else
        *opened = f;
    return status;
}

void frames_close(frames **opened)
{
    frames *f = *opened;
    *opened = NULL;
    if (!f)
        return;
    if (f->source)
        f->api->close(f->source);
    dp_picture_free(&f->picture);
    g_free(f->pipeline);
    g_free(f); /* the module stays: GStreamer's threads do not like to lose their code */
}

uint64_t frames_dropped(const frames *f)
{
    return f->n_dropped + (f->source ? f->api->n_dropped(f->source) : 0);
}

static void lose_source(frames *f, const char *fault)
{
    if (f->source) {
        f->n_dropped += f->api->n_dropped(f->source);
        f->api->close(f->source);
        f->source = NULL;
    }
    f->wait_s = f->wait_s ? MIN(2 * f->wait_s, LONGEST_WAIT_S) : 1;
    f->again_us = g_get_monotonic_time() + f->wait_s * G_TIME_SPAN_SECOND;
    log_line(LOG_LEVEL_WARNING, "the source failed: %s; it is opened again in %d s", fault, f->wait_s);
}

static dp_status copy_frame(frames *f, const frame *from, dp_error *err)
{
    if (!f->picture || f->picture->width_px != from->width_px || f->picture->height_px != from->height_px) {
        dp_picture_free(&f->picture);
        dp_status status = dp_picture_new(from->width_px, from->height_px, &f->picture, err);
        if (status)
            return status;
    }
    for (size_t y = 0; y < from->height_px; y++)
        memcpy(f->picture->rgb + 3 * y * from->width_px, from->rgb + y * from->stride_bytes, 3 * from->width_px);
    return DP_OK;
}

dp_status frames_next(frames *f, frames_state *state, dp_picture **picture, dp_error *err)
{
    char fault[FRAME_FAULT_BYTES] = "";
    frame from;
    *state = FRAMES_NONE;
    if (!f->source && g_get_monotonic_time() < f->again_us) {
        wake_wait(-1, WAIT_MS);
        return DP_OK;
    }
    if (!f->source && !open_source(f, fault)) {
        lose_source(f, fault);
        return DP_OK;
    }
    switch (f->api->next(f->source, WAIT_MS, &from, fault)) {
    case FRAME_NONE: return DP_OK;
    case FRAME_END:
        if (f->live) /* no camera ends: it was switched off, or its server was */
            lose_source(f, "its stream ended");
        else
            *state = FRAMES_ENDED;
        return DP_OK;
    case FRAME_FAULT:
        if (!f->live)
            return service_fail(err, DP_E_IO, "--source: %s", fault);
        lose_source(f, fault);
        return DP_OK;
    case FRAME_CAME: break;
    }
    dp_status status = copy_frame(f, &from, err);
    if (status)
        return status;
    if (f->wait_s)
        log_line(LOG_LEVEL_INFO, "the source delivers again");
    f->wait_s = 0;
    *picture = f->picture;
    *state = FRAMES_CAME;
    return DP_OK;
}
