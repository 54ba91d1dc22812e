/* SPDX-License-Identifier: Apache-2.0 */
/* masks.h - which mask belongs to which picture of a data set. */
#ifndef DP_CLI_MASKS_H
#define DP_CLI_MASKS_H

#include "cli.h"

/* Whether a folder of that name holds masks, notes or labels rather than pictures of parts. */
bool mask_folder_name(const char *name);
/* A file name without its suffix and without `_mask` and the like; *is_marked where it had that.  g_free. */
char *mask_stem(const char *name, bool *is_marked);

/* The masks in some folders, found by the names of the pictures. */
typedef struct mask_index mask_index;

mask_index *mask_index_new(void);
void mask_index_free(mask_index *index);
/* Adds a mask, at the path `below` the folder of masks. */
void mask_index_put(mask_index *index, const char *path, const char *below);
/* Adds what lies below a folder.  False: it cannot be read, complained. */
bool mask_index_add(mask_index *index, const char *folder);
guint mask_index_count(const mask_index *index);
/* Whether the folder holds one for the class `class`. */
bool mask_index_has_class(const mask_index *index, const char *class);
/* The masks of the picture at `below` (its path below its class's folder), where CLASS/BELOW tells it; class NULL: BELOW alone.  A new array of
 * paths; NULL: there is none. */
GPtrArray *mask_index_find(const mask_index *index, const char *class, const char *below);
/* Says which masks are not among `used`, those of classes of good pictures left aside. */
void mask_index_report_unused(const mask_index *index, const char *category, GHashTable *used,
                              bool (*is_good)(const char *class));

#endif
