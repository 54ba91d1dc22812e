/* SPDX-License-Identifier: Apache-2.0 */
/* roi_mask.c - stores the region to inspect. */
#include "bank/roi_mask.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

dp_status dp_roi_new(dp_roi_frame frame, bool settled, size_t height, size_t width, const uint8_t *mask, dp_roi **out,
                     dp_error *err)
{
    dp_roi *roi;
    uint8_t *copy;
    const dp_need needs[] = {{&roi, 1, 1, sizeof *roi}, {&copy, height, width, 1}};
    dp_status status = dp_memory_take(needs, 2, "the region to inspect", err);
    if (status)
        return status;
    *roi = (dp_roi){.frame = frame, .settled = settled, .height = height, .width = width, .mask = copy};
    if (mask)
        memcpy(copy, mask, height * width);
    *out = roi;
    return DP_OK;
}

void dp_roi_close(dp_roi **pointer)
{
    if (!pointer || !*pointer)
        return;
    dp_roi *roi = *pointer;
    dp_memory_free(roi->mask);
    dp_memory_free(roi->path);
    dp_memory_free(roi->picture);
    dp_memory_free(roi);
    *pointer = NULL;
}

bool dp_roi_equal(const dp_roi *a, const dp_roi *b)
{
    if (!a || !b)
        return !a && !b;
    return a->frame == b->frame && a->settled == b->settled && a->height == b->height && a->width == b->width
           && !memcmp(a->mask, b->mask, a->height * a->width);
}

dp_status dp_roi_from_mask(const uint8_t *mask, size_t height, size_t width, dp_roi_frame frame, const char *drawn_on,
                           const char *name, dp_roi **out, dp_error *err)
{
    size_t marked = 0;
    dp_roi *roi = NULL;
    if (frame != DP_ROI_FIXED && (frame != DP_ROI_OBJECT || !drawn_on))
        return dp_fail(err, DP_E_ARGUMENT,
                       "%s: name the good picture that this region was drawn on, because the region follows the object",
                       name);
    for (size_t i = 0; i < height * width; i++)
        marked += mask[i] != 0;
    if (!marked)
        return dp_fail(err, DP_E_ARGUMENT,
                       "%s: is black everywhere, so there is nothing to inspect; paint the region white", name);
    dp_status status = dp_roi_new(frame, false, height, width, mask, &roi, err);
    if (status)
        return status;
    for (size_t i = 0; i < height * width; i++)
        roi->mask[i] = roi->mask[i] != 0;
    roi->path = dp_strdup(name);
    roi->picture = frame == DP_ROI_OBJECT ? dp_strdup(drawn_on) : NULL;
    if (roi->path && (frame != DP_ROI_OBJECT || roi->picture)) {
        *out = roi;
        return DP_OK;
    }
    dp_roi_close(&roi);
    return dp_fail_memory(err, name, strlen(name));
}
