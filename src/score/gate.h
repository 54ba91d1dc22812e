/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - which pictures must not pass, whatever their score: the light, size and cells of a picture against those of the good ones.
 *
 * A limit is a third of what the good picture that comes nearest to it shows.  In the 8-bit values of a picture a third is about a
 * tenth of the light: no lamp, lens or batch drifts so far, a lamp that is off, a lens cap or a full sensor goes farther.  The range of
 * the good pictures leaves out single ones (at most 5 %, and never more than one of up to 39) that lie beyond that limit of the rest: a
 * black frame that got among them does not open the gate for others.
 *
 * What has no light at all is not inspected, whatever its score.  What is odd in one way only might be a defect: it is not called good,
 * but an anomaly stays one. */
#ifndef DP_SCORE_GATE_H
#define DP_SCORE_GATE_H

#include "bank/bank.h"

#include <stdbool.h>

/* What the good pictures of a bank showed. */
typedef struct dp_gate {
    bool light_known; /* of all of them */
    double bright, white, contrast, fine, fine_most, black,
        dark;            /* least brightness of the brightest parts, least of 255 - the darkest
                               parts, least difference of the two, least and most fine contrast, largest share of black, darkest part */
    double valid_least;  /* least share of cells inside the picture; NaN: not known */
    double object_least; /* least share of cells that are not background; NaN: not masked */
    size_t n_sizes;
    const dp_pose *poses; /* [n_sizes] of the good pictures, for their sizes; borrowed */
    size_t n_ratios;      /* different aspect ratios among them, told up to DP_RATIOS + 1 */
} dp_gate;

#define DP_RATIOS 8 /* more different aspect ratios: pictures cut by hand, where the ratio says nothing */
#define DP_RATIO_MARGIN 0.02

dp_status dp_gate_open(const dp_bank *bank, dp_gate *gate, dp_error *err);

/* Why a picture with that light has none worth the name; false: it has. */
bool dp_gate_no_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes);
/* Why a picture with that light cannot be good, though it might be anomalous; false: it can. */
bool dp_gate_odd_light(const dp_gate *gate, const dp_light *light, char *reason, size_t bytes);
/* Writes why its aspect ratio does not fit the good pictures; false: it fits, or this is unknown. */
bool dp_gate_other_ratio(const dp_gate *gate, size_t width_px, size_t height_px, char *reason, size_t bytes);
/* Whether no good picture has its size; never where they have more than DP_RATIOS sizes. */
bool dp_gate_other_size(const dp_gate *gate, size_t width_px, size_t height_px);
/* Why too few of its cells can be compared; false: enough can.  Shares as in dp_gate; NaN: not to be looked at.  region_seen: of the
 * cells of the region to inspect those that lie inside the picture. */
bool dp_gate_few_cells(const dp_gate *gate, double valid, double object, double region_seen, char *reason,
                       size_t bytes);

/* Warns of pictures of a bank that the gate made of the others would stop. */
void dp_gate_warn(const dp_bank *bank, const dp_run *run);

#endif
