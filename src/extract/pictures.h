/* SPDX-License-Identifier: Apache-2.0 */
/* pictures.h - the pictures of one piece of work: all pictures of a source, or some of them in their own order. */
#ifndef DP_EXTRACT_PICTURES_H
#define DP_EXTRACT_PICTURES_H

#include "register/finder.h"

typedef struct dp_pictures {
    const dp_source *source;
    const size_t *order; /* [n] numbers in the source; NULL: 0 .. n-1 */
    size_t n;
    const dp_pose *poses; /* [n] known poses, each with the size of its picture; NULL: they must be found */
    dp_finder *finder;    /* with align=features: what finds the part */
    const dp_reference *reference;
} dp_pictures;

static inline dp_pictures dp_pictures_all(const dp_source *source)
{
    return (dp_pictures){.source = source, .n = source->n};
}

/* Returns the number of picture i in the source. */
static inline size_t dp_pictures_number(const dp_pictures *pictures, size_t i)
{
    return pictures->order ? pictures->order[i] : i;
}

static inline const char *dp_pictures_name(const dp_pictures *pictures, size_t i)
{
    return pictures->source->name(pictures->source->user, dp_pictures_number(pictures, i));
}

/* notes and err may be NULL. */
static inline dp_status dp_pictures_load(const dp_pictures *pictures, size_t i, const dp_picture_options *options,
                                         dp_picture **picture, dp_picture_notes *notes, dp_error *err)
{
    return pictures->source->load(pictures->source->user, dp_pictures_number(pictures, i), options, picture, notes,
                                  err);
}

#endif
