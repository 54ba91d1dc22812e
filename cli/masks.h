/* SPDX-License-Identifier: Apache-2.0 */
/* masks.h - which mask belongs to which picture of a data set. */
#ifndef DP_CLI_MASKS_H
#define DP_CLI_MASKS_H

#include "cli.h"

/* True if a folder with this name holds masks, annotations or labels, and no pictures of parts. */
bool mask_folder_name(const char *name);
/* A file name without its suffix and without `_mask` and the like. *is_marked: it had such an ending. g_free. */
char *mask_stem(const char *name, bool *is_marked);

/* The masks in some folders, indexed by the names of their pictures. */
typedef struct mask_index mask_index;

mask_index *mask_index_new(void);
void mask_index_free(mask_index *index);
/* Adds a mask, at the path `below` the folder of masks. */
void mask_index_put(mask_index *index, const char *path, const char *below);
/* Adds all masks below a folder. False: it cannot be read; complained. */
bool mask_index_add(mask_index *index, const char *folder);
guint mask_index_count(const mask_index *index);
/* True if the index holds a mask of this class. */
bool mask_index_has_class(const mask_index *index, const char *class);
/* The masks of the picture at `below`, its path below its class's folder. Looks for CLASS/BELOW, or for BELOW alone if
 * class is NULL. A new array of paths; NULL: there is none. */
GPtrArray *mask_index_find(const mask_index *index, const char *class, const char *below);
/* Complains about masks that are not in `used`, except those of classes of good pictures. */
void mask_index_report_unused(const mask_index *index, const char *category, GHashTable *used,
                              bool (*is_good)(const char *class));

#endif
