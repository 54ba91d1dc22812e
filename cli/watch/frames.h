/* SPDX-License-Identifier: Apache-2.0 */
/* frames.h - the frames of a camera or a video, by the module that speaks to GStreamer. */
#ifndef DP_CLI_WATCH_FRAMES_H
#define DP_CLI_WATCH_FRAMES_H

#include "../cli.h"

typedef struct frames frames;

/* pipeline: GStreamer's description, without the sink.  Errors: DP_E_UNSUPPORTED (the module is not installed), DP_E_ARGUMENT (no
 * pipeline, or it does not start). */
dp_status frames_open(const char *pipeline, frames **opened, dp_error *err);
void frames_close(frames **opened);

typedef enum frames_state { FRAMES_CAME, FRAMES_NONE, FRAMES_ENDED } frames_state;

/* Waits a little for a frame; it belongs to the frames until the next call.  A live source that fails is opened again after a while, which
 * is said.  Errors: DP_E_IO (the source failed and is not live), DP_E_MEMORY. */
dp_status frames_next(frames *f, frames_state *state, dp_picture **picture, dp_error *err);
/* Frames that were left out for newer ones. */
uint64_t frames_dropped(const frames *f);

#endif
