/* SPDX-License-Identifier: Apache-2.0 */
/* source_gstreamer.c - frames of a GStreamer pipeline: its description ends in videoconvert and an appsink of ours. */
#include "../watch/frame_source.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdbool.h>

#define BEGIN_S 30 /* a camera may take long to wake */

typedef struct source {
    GstElement *pipeline;
    GstAppSink *sink;
    GstBus *bus;
    GstSample *sample; /* that was handed out */
    GstVideoFrame mapped;
    bool is_mapped, live;
    gint n_came; /* at the sink; atomic */
    uint64_t n_taken;
} source;

static GstPadProbeReturn count(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    source *s = user;
    g_atomic_int_inc(&s->n_came);
    return GST_PAD_PROBE_OK;
}

static void give_back(source *s)
{
    if (s->is_mapped)
        gst_video_frame_unmap(&s->mapped);
    s->is_mapped = false;
    g_clear_pointer(&s->sample, gst_sample_unref);
}

static void source_close(void *opened)
{
    source *s = opened;
    if (!s)
        return;
    give_back(s);
    if (s->pipeline)
        gst_element_set_state(s->pipeline, GST_STATE_NULL);
    g_clear_object(&s->bus);
    g_clear_object(&s->sink);
    g_clear_object(&s->pipeline);
    g_free(s);
}

/* True: an error stands on the bus, now in fault. */
static bool failed(source *s, char *fault)
{
    GstMessage *message = gst_bus_pop_filtered(s->bus, GST_MESSAGE_ERROR);
    if (!message)
        return false;
    GError *error = NULL;
    gst_message_parse_error(message, &error, NULL);
    g_snprintf(fault, FRAME_FAULT_BYTES, "%s: %s", GST_OBJECT_NAME(message->src), error->message);
    g_error_free(error);
    gst_message_unref(message);
    return true;
}

static bool build(source *s, const char *description, char *fault)
{
    GError *error = NULL;
    char *whole =
        g_strconcat(description, " ! videoconvert ! video/x-raw,format=RGB ! appsink name=dinopatch_sink", NULL);
    s->pipeline = gst_parse_launch(whole, &error);
    g_free(whole);
    if (!s->pipeline || error) {
        g_snprintf(fault, FRAME_FAULT_BYTES, "%s", error ? error->message : "cannot be made");
        g_clear_error(&error);
        return false;
    }
    GstElement *sink = GST_IS_BIN(s->pipeline) ? gst_bin_get_by_name(GST_BIN(s->pipeline), "dinopatch_sink") : NULL;
    if (!sink) {
        g_snprintf(fault, FRAME_FAULT_BYTES, "makes no pipeline");
        return false;
    }
    s->sink = GST_APP_SINK(sink);
    s->bus = gst_element_get_bus(s->pipeline);
    g_object_set(s->sink, "sync", FALSE, "max-buffers", 1, "drop", FALSE, NULL);
    GstPad *pad = gst_element_get_static_pad(GST_ELEMENT(s->sink), "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, count, s, NULL);
    gst_object_unref(pad);
    return true;
}

static void *source_open(const char *description, char *fault)
{
    GError *error = NULL;
    if (!gst_init_check(NULL, NULL, &error)) {
        g_snprintf(fault, FRAME_FAULT_BYTES, "%s", error ? error->message : "GStreamer does not start");
        g_clear_error(&error);
        return NULL;
    }
    source *s = g_new0(source, 1);
    if (!build(s, description, fault)) {
        source_close(s);
        return NULL;
    }
    GstStateChangeReturn change = gst_element_set_state(s->pipeline, GST_STATE_PAUSED);
    if (change == GST_STATE_CHANGE_ASYNC)
        change = gst_element_get_state(s->pipeline, NULL, NULL, BEGIN_S * GST_SECOND);
    s->live = change == GST_STATE_CHANGE_NO_PREROLL;
    if (s->live) /* the newest frame wins; of a file each frame is waited for */
        g_object_set(s->sink, "drop", TRUE, NULL);
    if (change == GST_STATE_CHANGE_FAILURE
        || gst_element_set_state(s->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        if (!failed(s, fault))
            g_snprintf(fault, FRAME_FAULT_BYTES, "does not start");
        source_close(s);
        return NULL;
    }
    return s;
}

static frame_event source_next(void *opened, unsigned wait_ms, frame *out, char *fault)
{
    source *s = opened;
    GstVideoInfo info;
    give_back(s);
    s->sample = gst_app_sink_try_pull_sample(s->sink, wait_ms * GST_MSECOND);
    if (!s->sample) {
        if (failed(s, fault))
            return FRAME_FAULT;
        return gst_app_sink_is_eos(s->sink) ? FRAME_END : FRAME_NONE;
    }
    s->n_taken++;
    s->is_mapped = gst_video_info_from_caps(&info, gst_sample_get_caps(s->sample))
                   && gst_video_frame_map(&s->mapped, &info, gst_sample_get_buffer(s->sample), GST_MAP_READ);
    if (!s->is_mapped) {
        g_snprintf(fault, FRAME_FAULT_BYTES, "a frame cannot be read");
        return FRAME_FAULT;
    }
    *out = (frame){GST_VIDEO_FRAME_PLANE_DATA(&s->mapped, 0), (size_t)GST_VIDEO_FRAME_WIDTH(&s->mapped),
                   (size_t)GST_VIDEO_FRAME_HEIGHT(&s->mapped), (size_t)GST_VIDEO_FRAME_PLANE_STRIDE(&s->mapped, 0)};
    return FRAME_CAME;
}

static int source_is_live(void *opened)
{
    return ((source *)opened)->live;
}

static uint64_t source_n_dropped(void *opened)
{
    source *s = opened;
    uint64_t n_came = (unsigned)g_atomic_int_get(&s->n_came);
    return s->live && n_came > s->n_taken + 1 ? n_came - s->n_taken - 1 : 0; /* one may wait */
}

/* What the program asks for by its name. */
__attribute__((visibility("default"))) extern const frame_source_api dinopatch_frame_source;
const frame_source_api dinopatch_frame_source = {FRAME_SOURCE_VERSION, source_open,    source_close,
                                                 source_next,          source_is_live, source_n_dropped};
