/* SPDX-License-Identifier: Apache-2.0 */
/* workers.h - threads that inspect: each has its inspectors, all share the banks; in front of them a queue with a bound. */
#ifndef DP_CLI_SERVICE_WORKERS_H
#define DP_CLI_SERVICE_WORKERS_H

#include "banks.h"

/* What is wanted of an inspection beside the JSON line. */
enum { WANT_OVERLAY = 1, WANT_MAP = 2, WANT_EXPLAINED = 4, WANT_NUMBERS = 8, WANT_EXCUSES = 16 };

/* Where the picture that a bank calls so lies now; NULL: it is not kept; g_free.  Called from a worker. */
typedef char *(*good_picture_fn)(void *user, const char *bank, const char *name);

/* One picture to be inspected.  What is given is the caller's until the task is done; then the caller frees what was made by
 * inspection_clear. */
typedef struct inspection_task {
    served_bank *bank;
    const char *name; /* of the picture */
    const void *data; /* [bytes] a picture file; NULL: `picture` */
    size_t bytes;
    dp_picture *picture; /* pixels, where there is no file; the worker only reads it */
    unsigned want;
    bool keep;            /* its picture, whatever its label is */
    const dp_box *region; /* with WANT_EXCUSES: where the defect is; NULL: where the picture differs most */
    /* made */
    dp_status status; /* of the inspection; with a fault `line` says it too */
    dp_error err;
    json_t *line;      /* cli_row_json */
    GBytes *overlay;   /* PNG */
    GBytes *map_file;  /* TIFF */
    GBytes *explained; /* PNG; NULL where there is no defect */
    json_t *excuses;   /* a list of cli_excuse_json */
    float *map;        /* [height_px, width_px] with WANT_NUMBERS; NULL: nothing could be compared */
    size_t height_px, width_px;
    double score, p_value, threshold, cell_threshold;
    dp_label label;
    /* the queue's */
    gint64 came_us, begun_us;
    bool done;
} inspection_task;

void inspection_clear(inspection_task *task);

typedef struct workers workers;

typedef struct workers_settings {
    size_t n_workers;    /* threads that inspect */
    size_t most_waiting; /* tasks in the queue */
    dp_run run;          /* of each: its threads, limits */
    const char *folder;  /* for files that come and go */
    good_picture_fn good_picture;
    void *user;
} workers_settings;

workers *workers_open(const workers_settings *settings);
/* Those that wait are done first. */
void workers_close(workers **opened);
/* Waits for the task to be done.  False: the queue is full; *retry_s: when it may be worth trying again. */
bool workers_do(workers *w, inspection_task *task, unsigned *retry_s);

typedef struct workers_state {
    size_t n_workers, n_busy, n_waiting, most_waiting;
} workers_state;
workers_state workers_look(workers *w);

#endif
