/* SPDX-License-Identifier: Apache-2.0 */
/* frame_source.h - the door of the module that speaks to GStreamer, so that the program starts without it. */
#ifndef DP_CLI_WATCH_FRAME_SOURCE_H
#define DP_CLI_WATCH_FRAME_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_SOURCE_VERSION 1
#define FRAME_SOURCE_SYMBOL "dinopatch_frame_source"
#define FRAME_FAULT_BYTES 512

typedef struct frame {
    const uint8_t *rgb; /* [height_px, width_px, 3], rows stride_bytes apart; holds until the next call */
    size_t width_px, height_px, stride_bytes;
} frame;

typedef enum frame_event {
    FRAME_CAME,
    FRAME_NONE, /* within the time */
    FRAME_END,  /* of the stream */
    FRAME_FAULT
} frame_event;

typedef struct frame_source_api {
    unsigned version;
    /* A description of all elements but the sink.  NULL: fault. */
    void *(*open)(const char *pipeline, char fault[FRAME_FAULT_BYTES]);
    void (*close)(void *source);
    /* The newest frame of a live source, the next one of another. */
    frame_event (*next)(void *source, unsigned wait_ms, frame *out, char fault[FRAME_FAULT_BYTES]);
    int (*is_live)(void *source);
    uint64_t (*n_dropped)(void *source); /* frames that came and made room for newer ones */
} frame_source_api;

#endif
