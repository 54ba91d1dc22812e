/* SPDX-License-Identifier: Apache-2.0 */
/* inspector.h - what an inspector keeps from picture to picture, and the steps of an inspection. */
#ifndef DP_PIPELINE_INSPECTOR_H
#define DP_PIPELINE_INSPECTOR_H

#include "bank/bank.h"
#include "base/memory.h"
#include "extract/extractor.h"
#include "score/gate.h"
#include "score/map_scorer.h"
#include "score/region.h"
#include "search/searcher.h"

/* One view, with its buffers. */
typedef struct dp_view_state {
    dp_view view;
    dp_scoring scoring; /* the scoring options of the view */
    dp_map_scorer scorer;
    dp_searcher searcher;
    dp_result result; /* of the last picture; points into the memory below */
    dp_room grid, grid_valid, weights, map, inspected, defects;
} dp_view_state;

struct dp_inspector {
    dp_session *session;
    const dp_bank *bank;
    dp_session *own_session; /* NULL: the session is the caller's */
    dp_network *own_network; /* NULL: the network is the caller's */
    dp_view_state *views;    /* [n_views] */
    size_t n_views;
    dp_extractor extractor;
    dp_regions regions; /* of all views */
    dp_gate gate;
    dp_finder finder; /* of a bank with align=features */
    bool warned_of_size;
    size_t knn;                /* most neighbours of a cell that a view asks for */
    size_t room;               /* number of cells that the two below have room for */
    dp_neighbour *nearest;     /* [rows, cols, knn] */
    uint32_t *nearest_picture; /* [rows, cols] */
    float *projected;          /* [rows, cols, dim of the bank], if that is not the dim of the features */
    size_t projected_room;     /* number of cells that it was enlarged for */
    dp_shelf *shelf;
    dp_prepared prepared; /* a picture handed over by the caller */
    dp_picture picture;   /* the same as RGB */
    dp_room rgb;          /* its pixels, if they must be converted */
};

/* What is known of a picture before a view scores it. */
typedef struct dp_embedded {
    int polarity;
    double ms, masked_fraction, roi_fraction;
    double valid;       /* share of the cells that lie inside the picture */
    double region_seen; /* of the cells of the region to inspect; NaN: there is no region */
} dp_embedded;

/* inspect_cells.c: computes the features of a picture and the cells that take part, for all views. */
dp_status dp_inspect_cells(dp_inspector *inspector, dp_prepared *prepared, dp_embedded *embedded, dp_error *err);

/* inspect_view.c: scores it by one view, into state->result. shows: also makes the map. */
dp_status dp_inspect_view(dp_inspector *inspector, dp_view_state *state, dp_prepared *prepared,
                          const dp_embedded *embedded, bool shows, dp_error *err);
/* Makes the result of a picture that was decoded but could not be compared; the fault has the reason. */
dp_status dp_inspect_blank(dp_view_state *state, const dp_prepared *prepared, const dp_error *fault, dp_error *err);

/* decide.c: fills the label and its reason. A picture that could not be judged is never called good. */
void dp_decide(const dp_inspector *inspector, const dp_view *view, const dp_prepared *prepared,
               const dp_embedded *embedded, dp_result *result);
void dp_not_inspected(dp_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Warns, once in a run, about a picture of another size with the same aspect ratio. */
void dp_warn_of_size(dp_inspector *inspector, const dp_view *view, const dp_prepared *prepared);
void dp_inspector_warn(const dp_inspector *inspector, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
