/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - decides which pictures must not pass, whatever their score: compares their light, size and cells with those
 * of the good pictures.
 *
 * A limit is a third of the value of the nearest good picture. In 8-bit values a third is about a tenth of the light.
 * No lamp, lens or batch drifts so far, but a lamp that is off, a lens cap or a saturated sensor goes farther. The
 * range of the good pictures ignores single ones (at most 5 %, and at most one of up to 39 pictures) that lie beyond
 * that limit of the rest: one black frame among them does not open the gate for others.
 *
 * A picture without light is not inspected, whatever its score. A picture that is odd in one way only may show a
 * defect: it is not called good, but it can be anomalous. */
#ifndef DP_SCORE_GATE_H
#define DP_SCORE_GATE_H

#include "bank/bank.h"

#include <stdbool.h>

/* The range of a bank's good pictures. */
typedef struct dp_gate {
    bool light_known; /* the light of all good pictures is known */
    double bright, white, contrast, fine, fine_most, black,
        dark;            /* least brightness of the brightest parts, least of 255 - the darkest parts, least difference
                          * of the two, least and most fine contrast, largest share of black, darkest part */
    double valid_least;  /* least share of cells inside the picture; NaN: unknown */
    double object_least; /* least share of cells that are not background; NaN: no mask */
    size_t n_sizes;
    const dp_pose *poses; /* [n_sizes] of the good pictures, for their sizes; borrowed */
    size_t n_ratios;      /* number of different aspect ratios, counted up to DP_RATIOS + 1 */
} dp_gate;

#define DP_RATIOS 8 /* with more aspect ratios, pictures were cropped by hand and the ratio means nothing */
#define DP_RATIO_MARGIN 0.02

dp_status dp_gate_open(const dp_bank *bank, dp_gate *gate, dp_error *err);

/* Writes why a picture with this light cannot be judged; false: it can. */
bool dp_gate_no_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes);
/* Writes why a picture with this light cannot be good, though it may be anomalous; false: it can be good. */
bool dp_gate_odd_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes);
/* Writes why its aspect ratio does not fit the good pictures; false: it fits, or this is unknown. */
bool dp_gate_other_ratio(const dp_gate *gate, size_t width_px, size_t height_px, char *reason, size_t bytes);
/* Returns whether no good picture has this size; never true if they have more than DP_RATIOS sizes. */
bool dp_gate_other_size(const dp_gate *gate, size_t width_px, size_t height_px);
/* Writes why too few of its cells can be compared; false: there are enough. Shares as in dp_gate; NaN: not checked.
 * region_seen: share of the cells of the region to inspect that lie inside the picture. */
bool dp_gate_few_cells(const dp_gate *gate, double valid, double object, double region_seen, char *reason,
                       size_t bytes);

/* Warns about pictures of a bank that the gate, made from the others, would stop. */
void dp_gate_warn(const dp_bank *bank, const dp_run *run);

#endif
