/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - decides the label: good, anomalous, or not inspected with the reason. */
#include "geometry/spaces.h"
#include "network/session.h"
#include "options/check.h"
#include "pipeline/inspector.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void dp_inspector_warn(const dp_inspector *inspector, const char *format, ...)
{
    const dp_run *run = dp_session_run(inspector->session);
    char line[DP_ERROR_MESSAGE_BYTES];
    if (!run->log)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dp_shelf *shelf = dp_shelf_use(NULL); /* memory for the caller comes from the caller's own shelf */
    run->log(run->user, DP_LOG_WARNING, line);
    dp_shelf_use(shelf);
}

void dp_not_inspected(dp_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(result->reason, sizeof result->reason, format, args);
    va_end(args);
    result->label = DP_LABEL_NOT_INSPECTED;
}

static const char *why_unaligned(dp_align_status status)
{
    switch (status) {
    case DP_ALIGN_FEW_EDGES: return "no part was found: there are too few edges";
    case DP_ALIGN_ROUND: return "the part is round and has no axis";
    case DP_ALIGN_CUT: return "the part crosses the border of the picture";
    default: return "no part was found";
    }
}

void dp_warn_of_size(dp_inspector *inspector, const dp_view *view, const dp_prepared *prepared)
{
    const dp_picture *picture = prepared->picture;
    char other[DP_REASON_BYTES];
    if (inspector->warned_of_size || inspector->bank->recipe.align != DP_ALIGN_NONE || view->any_size
        || !dp_gate_other_size(&inspector->gate, picture->width_px, picture->height_px)
        || dp_gate_other_ratio(&inspector->gate, picture->width_px, picture->height_px, other, sizeof other))
        return;
    inspector->warned_of_size = true;
    dp_inspector_warn(
        inspector,
        "%s: has another size (%zux%zu pixels) than the good pictures, so small defects may look different; set "
        "any_size if this is intended",
        prepared->path, picture->width_px, picture->height_px);
}

void dp_decide(const dp_inspector *inspector, const dp_view *view, const dp_prepared *prepared,
               const dp_embedded *embedded, dp_result *result)
{
    const dp_recipe *recipe = &inspector->bank->recipe;
    const dp_gate *gate = &inspector->gate;
    char *reason = result->reason;
    size_t bytes = sizeof result->reason;
    bool free_size = recipe->align != DP_ALIGN_NONE || view->any_size;
    double object = 1 - embedded->masked_fraction;
    const bool unlike = result->pose.status == DP_ALIGN_UNLIKE;
    /* NOLINTBEGIN(bugprone-branch-clone): the order decides */
    if (dp_aligns(recipe) && !dp_pose_is_placed(&result->pose))
        dp_not_inspected(result, "cannot be aligned (%s): %s", dp_align_status_name(result->pose.status),
                         why_unaligned(result->pose.status));
    else if (isnan(result->score))
        dp_not_inspected(result, "no cell lies wholly inside the picture, so there is nothing to compare");
    else if (dp_gate_no_light(gate, &prepared->light, reason, bytes)
             || (!free_size && dp_gate_other_ratio(gate, result->width_px, result->height_px, reason, bytes)))
        result->label = DP_LABEL_NOT_INSPECTED;
    else if (result->score > result->threshold)
        result->label = DP_LABEL_ANOMALOUS;
    else if (unlike || dp_gate_few_cells(gate, embedded->valid, object, embedded->region_seen, reason, bytes)
             || dp_gate_odd_light(gate, &prepared->light, reason, bytes))
        result->label = DP_LABEL_NOT_INSPECTED;
    else
        result->label = isnan(result->threshold) ? DP_LABEL_NONE : DP_LABEL_GOOD;
    /* NOLINTEND(bugprone-branch-clone) */
    if (unlike && !*reason) { /* anomalous in the pose that fits best, or not to be trusted */
        const dp_reference *strictest = inspector->bank->reference;
        for (const dp_reference *kind = strictest; kind; kind = kind->next)
            strictest = kind->least_score > strictest->least_score ? kind : strictest;
        snprintf(
            reason, bytes,
            "unlike the part that was learned: align.score is %.2f, good pictures have %.2f, and %.2f is the least",
            result->pose.score, strictest->good_score, strictest->least_score);
    }
}
