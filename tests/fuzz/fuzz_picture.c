/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_picture.c - pictures, masks and maps of any bytes. Most decoders belong to libvips, whose own project fuzzes
 * them. This target tests the library's part: BMP and PNM, the walkers, limits, sizes, types of samples, orientation,
 * profiles. */
#include "fuzz.h"

#include <string.h>
#include <vips/vips.h>

#define MAX_PIXELS ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *path = fuzz_file(data, bytes);
    dp_picture *picture = NULL;
    dp_error err;
    if (fuzz_ok(dp_picture_load(path, MAX_PIXELS, &picture, &err), &err)) {
        fuzz_must(picture->width_px && picture->height_px && picture->width_px * picture->height_px <= MAX_PIXELS,
                  "no picture is over the limit");
        volatile uint8_t seen = 0;
        for (size_t i = 0; i < 3 * picture->width_px * picture->height_px; i++)
            seen ^= picture->rgb[i];
        (void)seen;
        dp_recipe recipe;
        dp_pose pose;
        dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
        if (picture->width_px * picture->height_px <= 4096)
            fuzz_ok(dp_pose_find(picture, &recipe, &pose, &err), &err);
    } else {
        fuzz_must(picture == NULL, "a failed loading leaves its output alone");
    }
    dp_picture_free(&picture);
    /* The same with damage taken as it comes: never less than the strict way gives. */
    const dp_picture_options tolerant = {.max_pixels = MAX_PIXELS, .tolerant = 1, .white = bytes % 3 == 0 ? 4095 : 0};
    dp_picture_notes notes;
    picture = NULL;
    if (fuzz_ok(dp_picture_load_with(path, &tolerant, &picture, &notes, &err), &err))
        fuzz_must(strlen(notes.text) < sizeof notes.text, "notes end");
    dp_picture_free(&picture);
    uint8_t *mask = NULL;
    size_t height, width;
    if (fuzz_ok(dp_mask_load(path, &tolerant, &mask, &height, &width, &notes, &err), &err)) {
        volatile size_t marked = 0;
        for (size_t i = 0; i < height * width; i++) {
            fuzz_must(mask[i] <= 1, "a mask is 0 or 1");
            marked += mask[i];
        }
        (void)marked;
    }
    dp_memory_free(mask);
    float *map = NULL;
    if (fuzz_ok(dp_map_load_tiff(path, &map, &height, &width, &err), &err)) {
        volatile float seen = 0;
        for (size_t i = 0; i < height * width; i++)
            seen = map[i];
        (void)seen;
    }
    dp_memory_free(map);
    vips_error_clear();
    return 0;
}
