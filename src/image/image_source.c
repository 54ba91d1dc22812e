/* SPDX-License-Identifier: Apache-2.0 */
/* image_source.c - pictures in memory as a source. */
#include "dinopatch/experimental.h"
#include "image/image.h"

static const char *name_of(void *user, size_t index)
{
    const dp_image_list *list = user;
    return list->names[index];
}

static dp_status load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                      dp_picture_notes *notes, dp_error *err)
{
    const dp_image_list *list = user;
    dp_image image;
    dp_status status = dp_image_take(&list->images[index], options->max_pixels, &image, err);
    if (!status)
        status = dp_picture_new(image.width, image.height, picture, err);
    if (status)
        return status;
    dp_image_convert(&image, image.white ? image.white : options->white, (*picture)->rgb);
    if (notes)
        *notes = (dp_picture_notes){.bits = dp_image_is_deep(&image) ? 16 : 8};
    return DP_OK;
}

static dp_status find_white(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white,
                            dp_error *err)
{
    const dp_image_list *list = user;
    dp_depth depth = {0};
    dp_image image;
    for (size_t i = 0; i < n; i++) {
        if (dp_image_take(&list->images[pictures[i]], run ? run->max_picture_pixels : 0, &image, NULL))
            continue; /* load says so */
        if (dp_image_is_deep(&image) && !image.white)
            dp_image_add_depth(&image, &depth);
        else if (image.white > *white)
            *white = image.white;
    }
    (void)err;
    if (depth.n)
        *white = dp_depth_white(&depth);
    return DP_OK;
}

dp_source dp_source_images(const dp_image_list *list)
{
    return (dp_source){.n = list->n,
                       .name = name_of,
                       .load = load,
                       .find_white = find_white,
                       .user = (void *)(uintptr_t)list}; /* only read */
}
