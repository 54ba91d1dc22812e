/* SPDX-License-Identifier: Apache-2.0 */
/* picture_names.h - what the name of a file says. */
#ifndef DP_CLI_PICTURE_NAMES_H
#define DP_CLI_PICTURE_NAMES_H

#include <stdbool.h>

/* True for a name that ends like that of a picture: .jpg, .png, ... */
bool cli_is_picture_name(const char *name);
/* True for a hidden name, or one that systems give to their own files and folders. */
bool cli_is_left_out(const char *name);
/* True for the name of a tar file, compressed or not. */
bool cli_is_tar_name(const char *name);

#endif
