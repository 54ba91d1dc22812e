/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_cells.c - computes the features of a picture and selects the cells that take part: inside the picture, in the
 * region to inspect, not background. */
#include "base/clock.h"
#include "base/error.h"
#include "geometry/spaces.h"
#include "network/session.h"
#include "pipeline/inspector.h"

#include <math.h>
#include <string.h>

static size_t count(const uint8_t *cells, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += cells[i] != 0;
    return sum;
}

static dp_frame frame_of(const dp_extractor *extractor, const dp_prepared *prepared, int polarity)
{
    return (dp_frame){.recipe = &extractor->recipe,
                      .pose = &prepared->pose,
                      .polarity = polarity,
                      .rows = extractor->shape.rows,
                      .cols = extractor->shape.cols};
}

/* Computes how much of the region to inspect lies inside the picture. */
static dp_status see_region(dp_inspector *inspector, const dp_prepared *prepared, dp_embedded *embedded, size_t seen,
                            dp_error *err)
{
    const dp_extractor *extractor = &inspector->extractor;
    size_t cells = extractor->shape.rows * extractor->shape.cols;
    uint8_t *everywhere = dp_malloc(cells, 1);
    if (!everywhere)
        return dp_fail_memory(err, "the region to inspect", cells);
    memset(everywhere, 1, cells);
    const dp_frame frame = frame_of(extractor, prepared, embedded->polarity);
    dp_status status = dp_regions_cells(&inspector->regions, &frame, prepared->path, everywhere, err);
    if (!status)
        embedded->region_seen = (double)seen / (double)count(everywhere, cells); /* 0 / 0: nothing to inspect */
    dp_memory_free(everywhere);
    return status;
}

/* Narrows the cells to the region to inspect, and removes the background. */
static dp_status mask_cells(dp_inspector *inspector, dp_prepared *prepared, dp_embedded *embedded, dp_error *err)
{
    const dp_extractor *extractor = &inspector->extractor;
    size_t left, cells = extractor->shape.rows * extractor->shape.cols, inside = count(prepared->cells, cells),
                 in_region = inside;
    bool masked = dp_masks_inspected(&extractor->recipe);
    dp_status status = DP_OK;
    embedded->masked_fraction = 0;
    embedded->roi_fraction = 1;
    embedded->valid = (double)inside / (double)cells;
    embedded->region_seen = NAN;
    if (masked) /* of the whole picture, whatever part of it is inspected */
        status = dp_extractor_background(&inspector->extractor, inspector->session, prepared->cells, prepared->path,
                                         &left, err);
    if (!status && dp_regions_any(&inspector->regions)) {
        const dp_frame frame = frame_of(extractor, prepared, embedded->polarity);
        status = dp_regions_cells(&inspector->regions, &frame, prepared->path, prepared->cells, err);
        in_region = count(prepared->cells, cells);
        if (!status)
            status = see_region(inspector, prepared, embedded, in_region, err);
        if (!status && inside && !in_region)
            status =
                dp_fail(err, DP_E_PICTURE, "%s: no cell lies in the region to inspect, so there is nothing to compare",
                        prepared->path);
        embedded->roi_fraction = inside ? (double)in_region / (double)inside : 0;
    }
    if (status || !masked)
        return status;
    for (size_t i = 0; i < cells; i++) {
        extractor->background[i] = extractor->background[i] && prepared->cells[i];
        prepared->cells[i] = prepared->cells[i] && !extractor->background[i];
    }
    left = count(prepared->cells, cells);
    if (in_region && !left)
        return dp_fail_all_background(&extractor->recipe, prepared->path, err);
    if (in_region)
        embedded->masked_fraction = (double)(in_region - left) / (double)in_region;
    return DP_OK;
}

dp_status dp_inspect_cells(dp_inspector *inspector, dp_prepared *prepared, dp_embedded *embedded, dp_error *err)
{
    double start = dp_now_seconds();
    dp_status status = dp_extractor_features(&inspector->extractor, inspector->session, prepared,
                                             inspector->bank->orientation, &embedded->polarity, err);
    embedded->ms = 1000 * (dp_now_seconds() - start);
    size_t cells = inspector->extractor.shape.rows * inspector->extractor.shape.cols;
    if (!status && inspector->bank->projection.basis && dp_own_canvas(&inspector->bank->recipe)
        && cells > inspector->projected_room) { /* the grid is the picture's own */
        inspector->projected_room = cells;
        dp_memory_free(inspector->projected);
        if (!(inspector->projected = dp_malloc_2d(cells, inspector->bank->rows.dim, sizeof *inspector->projected)))
            status =
                dp_fail_memory(err, "the features of one picture", cells * inspector->bank->rows.dim * sizeof(float));
    }
    return status ? status : mask_cells(inspector, prepared, embedded, err);
}
