/* SPDX-License-Identifier: Apache-2.0 */
/* nail.h - a drawn object that several test programs fit and inspect. */
#ifndef DP_TESTS_NAIL_H
#define DP_TESTS_NAIL_H

#include "test.h"

#include <math.h>

#define W 320
#define H 240

/* Draws a nail: a shaft with a head at one end, at any pose, supersampled. A defect is a bright stain on the shaft,
 * soft enough to add no edges, which would change the pose. */
static inline dp_picture *draw_nail(double cx, double cy, double angle_deg, int defect, unsigned seed)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    double c = cos(angle_deg * M_PI / 180), s = sin(angle_deg * M_PI / 180);
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            double sum = 0;
            for (int k = 0; k < 16; k++) {
                double px = x + (k % 4) / 4.0 - cx, py = y + (k / 4) / 4.0 - cy;
                double u = c * px + s * py, v = -s * px + c * py;
                double value = 225;
                if ((fabs(u) < 80 && fabs(v) < 9) || (u > 66 && u < 82 && fabs(v) < 26))
                    value = 60 + 25 * sin(u / 4);
                if (defect && value < 200)
                    value += 90 * exp(-((u + 30) * (u + 30) + v * v) / 72);
                sum += value;
            }
            seed = seed * 1664525u + 1013904223u;
            double noise = (double)(seed >> 24) / 128 - 1;
            for (int ch = 0; ch < 3; ch++)
                picture->rgb[(y * W + x) * 3 + ch] = (uint8_t)lrint(fmin(fmax(sum / 16 + noise * 2, 0), 255));
        }
    }
    return picture;
}

#endif
