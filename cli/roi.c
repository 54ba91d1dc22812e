/* SPDX-License-Identifier: Apache-2.0 */
/* roi.c - makes the region to inspect from the options. */
#include "roi.h"

bool cli_roi_open(const cli_roi *o, const dp_run *run, dp_roi **roi, int *code)
{
    static const char *const frames[] = {"fixed", "object", NULL};
    int frame = o->frame ? cli_choose("roi-frame", o->frame, frames, code) : o->picture ? 1 : 0;
    dp_error err;
    *roi = NULL;
    if (frame < 0)
        return false;
    if (!o->path && (o->frame || o->picture))
        *code = cli_usage("--roi-frame and --roi-picture need --roi");
    else if (frame == 0 && o->picture)
        *code = cli_usage("--roi-picture needs --roi-frame object");
    else if (frame == 1 && !o->picture)
        *code = cli_usage("--roi-frame object needs --roi-picture: the good picture the mask was drawn on");
    else if (o->path
             && dp_roi_open(o->path, frame ? DP_ROI_OBJECT : DP_ROI_FIXED, o->picture, run->max_picture_pixels, roi,
                            &err))
        *code = cli_failed(&err);
    else
        return true;
    return false;
}
