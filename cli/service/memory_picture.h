/* SPDX-License-Identifier: Apache-2.0 */
/* memory_picture.h - picture files that lie in memory: read and written by the functions of files. */
#ifndef DP_CLI_SERVICE_MEMORY_PICTURE_H
#define DP_CLI_SERVICE_MEMORY_PICTURE_H

#include "../cli.h"

/* dp_picture_load_with of the bytes of a file; messages call it `name`. */
dp_status memory_picture_load(const void *data, size_t bytes, const char *name, const dp_picture_options *options,
                              dp_picture **picture, dp_picture_notes *notes, dp_error *err);
/* dp_picture_load_with of a file that messages call `name`. */
dp_status named_picture_load(const char *path, const char *name, const dp_picture_options *options,
                             dp_picture **picture, dp_picture_notes *notes, dp_error *err);
/* In a message, the name in place of a path. */
void name_in_place_of(const char *path, const char *name, dp_error *err);

/* The bytes of a file that a writer makes at a path in the folder; the file is gone afterwards.  The caller frees with g_bytes_unref. */
typedef dp_status (*picture_writer)(const void *what, const char *path, dp_error *err);
dp_status bytes_written(const char *folder, picture_writer write, const void *what, GBytes **bytes, dp_error *err);

/* A smaller copy whose longer side has at most so many pixels. Errors: DP_E_MEMORY. */
dp_status picture_shrink(const dp_picture *picture, size_t longest_px, dp_picture **small, dp_error *err);
/* "image/jpeg" and its like by what the bytes begin with. */
const char *picture_media_type(const void *data, size_t bytes);

#endif
