/* SPDX-License-Identifier: Apache-2.0 */
/* finder.h - finds the part of a reference in a picture. */
#ifndef DP_REGISTER_FINDER_H
#define DP_REGISTER_FINDER_H

#include "base/pool.h"
#include "register/reference.h"

/* Where the origin of the reference lies in a picture, and how the plane lies on it: q of the plane shows at
 * (x, y) + scale_px (turned by angle) q. */
typedef struct dp_placement {
    double x_px, y_px, angle_rad;
    double scale_px; /* pixels of the picture to a unit of the plane */
} dp_placement;

/* One look at a picture. */
typedef struct dp_placed {
    const dp_picture *picture;
    dp_placement at;
} dp_placed;

/* Views that the network takes at once: of so small ones the time goes into reading its weights. */
#define DP_MOST_SEEN 4

/* The network `nano`, in floats, and memory for what it sees. */
typedef struct dp_finder {
    dp_network *network; /* NULL: the work's own is `nano` */
    dp_session *session;
    size_t dims[2];  /* features of its two layers */
    size_t room;     /* cells that there is memory for */
    float *rgb;      /* [n, 8 rows, 8 cols, 3] */
    uint8_t *inside; /* [n, 8 rows, 8 cols] */
    float *layers[2];
    float *features; /* [n, rows, cols, dim_in] */
} dp_finder;

/* Opens a session of its own, with the settings of the work's, so that the part is looked for in one picture while the work goes on with
 * another. */
dp_status dp_finder_open(dp_session *work, dp_finder *finder, dp_error *err);
void dp_finder_close(dp_finder *finder);
dp_pool *dp_finder_pool(const dp_finder *finder);

static inline size_t dp_finder_dim(const dp_finder *finder)
{
    return finder->dims[0] + finder->dims[1];
}

/* What the network sees in views [n], n <= DP_MOST_SEEN: finder->features [n, rows, cols, dim_in], each layer of a cell of length 1.
 * valid [n, rows, cols]: the cell lies wholly inside the picture. */
dp_status dp_finder_see(dp_finder *finder, const dp_placed *views, size_t n, const dp_look *look, uint8_t *valid,
                        dp_error *err);
/* The same in few numbers: features [n, rows, cols, basis->dim], for any n. */
dp_status dp_finder_look(dp_finder *finder, const dp_basis *basis, const dp_placed *views, size_t n,
                         const dp_look *look, float *features, uint8_t *valid, dp_error *err);

/* A picture made small enough for the finder: whole pixels are averaged. */
typedef struct dp_small {
    dp_picture *own; /* NULL: the picture itself */
    const dp_picture *picture;
    size_t f;       /* f x f pixels became one */
    double unit_px; /* of the small picture, to a unit of the plane where the scale is 1 */
} dp_small;
dp_status dp_small_make(const dp_picture *picture, dp_small *small, dp_error *err);
void dp_small_free(dp_small *small);

/* What was found in one picture. */
typedef struct dp_match {
    dp_placement at;          /* in pixels of the picture */
    double score;             /* correlation with the reference, 1 at best */
    double margin;            /* score minus that of the next best angle, 30 degrees away or more */
    const dp_reference *kind; /* what it was compared with; borrowed */
} dp_match;

dp_status dp_reference_match(dp_finder *finder, const dp_reference *reference, const dp_picture *picture,
                             dp_match *match, dp_error *err);
/* The pose of the part, for dp_canvas_warp: DP_ALIGN_OK, or DP_ALIGN_UNLIKE where the score is below the reference's least. */
dp_status dp_reference_pose(dp_finder *finder, const dp_reference *reference, const dp_picture *picture, dp_pose *pose,
                            dp_error *err);
/* The same in a small picture, in its pixels. */
dp_status dp_reference_match_small(dp_finder *finder, const dp_reference *reference, const dp_small *small,
                                   dp_match *match, dp_error *err);

#endif
