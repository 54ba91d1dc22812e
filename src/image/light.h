/* SPDX-License-Identifier: Apache-2.0 */
/* light.h - the light and contrast of a picture in a few figures, by which a frame without light is told from a
 * picture. */
#ifndef DP_IMAGE_LIGHT_H
#define DP_IMAGE_LIGHT_H

#include "dinopatch/experimental.h"

/* Of the luminance 0..255, over square blocks of 1/32 of the smaller side: the same for every size of a picture, and
 * the noise of single pixels is averaged away.  NaN: not known. */
typedef struct dp_light {
    double dark, bright; /* 1st and 99th percentile of the blocks' means: the darkest and the brightest part that is not
                            a speck */
    double fine;         /* 95th percentile of the blocks' standard deviations: edges, texture and noise */
    double black;        /* share of the blocks that are plain black */
    double valid; /* share of the cells of its grid that lie inside the picture; dp_light_measure leaves it NaN */
} dp_light;

#define DP_LIGHT_NUMBERS 5
#define DP_NO_LIGHT                                                                                                    \
    {                                                                                                                  \
        NAN, NAN, NAN, NAN, NAN                                                                                        \
    }

/* Errors: DP_E_MEMORY. */
dp_status dp_light_measure(const dp_picture *picture, dp_light *light, dp_error *err);

#endif
