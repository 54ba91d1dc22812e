/* SPDX-License-Identifier: Apache-2.0 */
/* brightness.c - a picture in more or less light. */
#include "image/picture.h"

#include <math.h>

dp_status dp_picture_brighten(const dp_picture *picture, double factor, dp_picture **out, dp_error *err)
{
    const size_t n = picture->width_px * picture->height_px * 3;
    uint8_t becomes[256];
    dp_picture *result = NULL;
    dp_status status = dp_picture_new(picture->width_px, picture->height_px, &result, err);
    if (status)
        return status;
    for (size_t v = 0; v < sizeof becomes; v++)
        becomes[v] = (uint8_t)fmin(255, floor(factor * (double)v + 0.5));
    for (size_t i = 0; i < n; i++)
        result->rgb[i] = becomes[picture->rgb[i]];
    *out = result;
    return DP_OK;
}
