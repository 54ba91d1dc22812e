/* SPDX-License-Identifier: Apache-2.0 */
/* vips.h - what this folder shares about libvips. */
#ifndef DP_PICTURE_VIPS_H
#define DP_PICTURE_VIPS_H

#include "dinopatch/experimental.h"

/* Starts libvips once per process; every function that calls libvips calls this first. */
dp_status dp_vips_start(dp_error *err);

/* Takes libvips' messages of the last failure and leaves the most telling line in reason [bytes], without the name of
 * the operation in front.  libvips keeps one list for all threads: where two fail at once, the reasons may be swapped.
 */
void dp_vips_reason(char *reason, size_t bytes);

#endif
