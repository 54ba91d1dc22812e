/* SPDX-License-Identifier: Apache-2.0 */
/* mask_read.h - reads which pixels a file of ground truth marks. */
#ifndef DP_CLI_MASK_READ_H
#define DP_CLI_MASK_READ_H

#include "cli.h"

/* Sets mask [height, width] to 1 where the file marks a pixel (dp_mask_load) and leaves the rest. If the file looks
 * doubtful, complains and continues. False: it cannot be read, or its size differs. */
bool cli_mask_unite(const char *path, size_t max_pixels, size_t height, size_t width, uint8_t *mask, dp_error *err);
/* Complains if the mask of an anomalous picture marks nothing. */
void cli_mask_check(const char *picture, const uint8_t *mask, size_t pixels);

#endif
