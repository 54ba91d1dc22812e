/* fuzz_picture.c - pictures and maps from nowhere.  The decoders are libvips', which is fuzzed by its own project; what is watched
 * here is the library's part: limits, sizes, kinds of samples, orientation, profiles. */
#include "fuzz.h"

#include <vips/vips.h>

#define MAX_PIXELS ((size_t)1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *path = fuzz_file(data, bytes);
    dp_picture *picture = NULL;
    dp_error err;
    if (fuzz_ok(dp_picture_load(path, MAX_PIXELS, &picture, &err), &err)) {
        fuzz_must(picture->width_px && picture->height_px && picture->width_px * picture->height_px <= MAX_PIXELS, "no picture is over the limit");
        volatile uint8_t seen = 0;
        for (size_t i = 0; i < 3 * picture->width_px * picture->height_px; i++)
            seen ^= picture->rgb[i];
        (void)seen;
        dp_recipe recipe;
        dp_pose pose;
        dp_recipe_init(&recipe);
        if (picture->width_px * picture->height_px <= 4096)
            fuzz_ok(dp_pose_find(picture, &recipe, &pose, &err), &err);
    } else {
        fuzz_must(picture == NULL, "a failed loading leaves its output alone");
    }
    dp_picture_free(&picture);
    float *map = NULL;
    size_t height, width;
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
