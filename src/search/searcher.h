/* SPDX-License-Identifier: Apache-2.0 */
/* searcher.h - rows opened for one way of scoring: the distance of a cell, as a mean of several where it asks for that.
 *
 * A component is one block of the features, searched within the window or in the whole bank.  What a way of scoring
 * asks for is a list of them, each with a weight: the plain distance is a list of one, a blend of local and global
 * distance a list of two, separate layers give one (or two) for each. */
#ifndef DP_SEARCH_SEARCHER_H
#define DP_SEARCH_SEARCHER_H

#include "bank/scoring.h"
#include "search/distance.h"
#include "search/moment_model.h"
#include "search/part.h"
#include "search/retrieval.h"

typedef struct dp_component {
    const dp_rows *rows; /* of parts[block] */
    size_t block, window;
    double share;  /* of the mean; the shares of a list are 1 in all */
    double weight; /* of the distance as it was measured */
} dp_component;

/* Belongs to one thread at a time. */
typedef struct dp_searcher {
    dp_metric metric;
    size_t knn, order;
    dp_isa isa;
    dp_part *parts; /* [blocks]; those that are not looked at stay empty */
    size_t n_parts;
    dp_component *list;    /* [n] */
    dp_moment_model model; /* of rows with moments, which take the place of all that follows; else all 0 */
    const dp_rows *bank;   /* those rows; else NULL */
    const dp_rows *whole;  /* the rows, all blocks */
    dp_likeness likeness;  /* of the picture of the last map */
    double *similarities;  /* [n_pictures] scratch of the retrieval */
    uint8_t *among;        /* [among_room, n_pictures] which pictures are searched */
    size_t among_room;
    size_t n, lead; /* lead: the one with the largest share, of equal ones the first */
    /* for one picture, or several in a leave-one-out */
    size_t room, feature_room; /* cells */
    float *features;           /* [feature_room, numbers of a part] */
    dp_neighbour *nearest;     /* [room, knn] */
    float *grid;               /* [room] */
    uint8_t *valid;            /* [room] */
    double *sum;               /* [room] */
} dp_searcher;

/* Checks that the rows can be searched in this way. Errors: DP_E_ARGUMENT. */
dp_status dp_scoring_check(const dp_rows *bank, const dp_scoring *scoring, dp_error *err);
/* Returns whether the distances need scales before they are combined. */
bool dp_scoring_needs_scales(const dp_rows *bank, const dp_scoring *scoring);
/* Finds the scales that are needed and unknown; pool may be NULL.  Errors: as dp_view_settle. */
dp_status dp_scoring_settle(const dp_rows *bank, dp_scoring *scoring, dp_isa isa, dp_pool *pool, dp_error *err);

/* Opens the rows for a search, and finds the scales that are needed and unknown. The rows must outlive the searcher.  Errors: as dp_view_settle. */
dp_status dp_searcher_open(const dp_rows *bank, const dp_scoring *scoring, dp_isa isa, dp_pool *pool,
                           dp_searcher *searcher, dp_error *err);
void dp_searcher_close(dp_searcher *searcher);

/* Returns the search of the leading component, for a picture with grid [rows, cols]. */
dp_search dp_searcher_search(const dp_searcher *searcher, size_t rows, size_t cols, size_t leave_out);

/* The cells of one picture. */
typedef struct dp_cells {
    const float *features; /* [rows, cols, dim] */
    const uint8_t *valid;  /* [rows, cols]; NULL: all */
    size_t rows, cols;     /* 0: the bank's grid */
    size_t top, band;      /* only rows top .. top + band - 1 of it are given and found; band 0: all */
    size_t leave_out;      /* picture whose rows are not searched, or DP_NO_PICTURE */
    const float *vector;   /* [n_vector] of the whole picture, where the rows have vectors */
} dp_cells;

/* dp_distance_map of the mean: a cell counts where it does in every component.  out->nearest are those of the leading
 * component.  Allocates only when a picture is larger than those before.  Where the rows have vectors, searcher->likeness
 * is then that of the picture, and only the rows of its like are searched. */
dp_status dp_searcher_map(dp_searcher *searcher, const dp_cells *cells, dp_pool *pool, const dp_distances *out,
                          dp_error *err);

/* What the vector of a picture of the rows says of it, without itself. The rows have vectors. */
dp_likeness dp_searcher_likeness(dp_searcher *searcher, size_t picture);

/* dp_distance_leave_one_out of the mean. */
dp_status dp_searcher_leave_one_out(dp_searcher *searcher, size_t first, size_t n, dp_pool *pool,
                                    const dp_progress *progress, const dp_distances *out, dp_error *err);

#endif
