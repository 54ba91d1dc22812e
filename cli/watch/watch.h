/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - inspects pictures as they come, and sends the results where they are wanted. */
#ifndef DP_CLI_WATCH_WATCH_H
#define DP_CLI_WATCH_WATCH_H

#include "keeper.h"
#include "outlets.h"

typedef struct watch_settings {
    bank_inspector_settings inspector;
    const char *in;      /* folder; NULL: source */
    const char *source;  /* GStreamer's description */
    const char *camera;  /* what its frames are called */
    double poll_s;       /* as folder_settings */
    const char *done;    /* finished files are moved here; NULL: they stay */
    const char *data;    /* results are kept here; NULL: they are not, and the journal lies among the user's state */
    keeper_settings out; /* out.out NULL: no files are written */
    outlets_settings outlets;
    double drift_bound; /* an alarm for drift is false with at most this probability; 0: none is raised */
    size_t exit_after;  /* pictures; 0: no end */
    bool stop_on_anomaly, json, quiet;
} watch_settings;

/* Until it is told to end.  Returns the exit code, complained. */
int watch_run(const watch_settings *settings);

#endif
