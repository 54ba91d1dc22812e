/* SPDX-License-Identifier: Apache-2.0 */
/* vips.h - what the files of this folder share about libvips. */
#ifndef DP_PICTURE_VIPS_H
#define DP_PICTURE_VIPS_H

#include "dinopatch/experimental.h"

/* Starts libvips once per process. Call it before any function of libvips. */
dp_status dp_vips_start(dp_error *err);

/* Takes libvips' messages of the last failure and puts the most useful line into reason [bytes], without the name of
 * the operation. libvips has one list for all threads: if two fail at once, the reasons may be swapped. */
void dp_vips_reason(char *reason, size_t bytes);

#endif
