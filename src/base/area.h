/* SPDX-License-Identifier: Apache-2.0 */
/* area.h - a rectangle of pixels or cells. */
#ifndef DP_BASE_AREA_H
#define DP_BASE_AREA_H

#include <stddef.h>

typedef struct dp_area {
    size_t top, left, height, width;
} dp_area;

#endif
