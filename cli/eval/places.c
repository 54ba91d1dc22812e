/* SPDX-License-Identifier: Apache-2.0 */
/* places.c - says where the pictures of an evaluation go below its folder, and writes them. */
#include "eval.h"
#include "../marks.h"

char *eval_place(const eval_run *run, const char *root, const dataset_item *item, const char *ending)
{
    char *file = g_strconcat(item->name, ending, NULL);
    char *place = *run->folder
                      ? g_build_filename(run->folder, root, run->set->category, item->split, item->defect, file, NULL)
                      : g_build_filename(root, run->set->category, item->split, item->defect, file, NULL);
    g_free(file);
    return place;
}

char *eval_figure_place(const eval_run *run, const char *file)
{
    return *run->folder ? g_build_filename(run->folder, "figures", run->set->category, file, NULL)
                        : g_build_filename("figures", run->set->category, file, NULL);
}

char *eval_make_place(const char *out, const char *place, dp_error *err)
{
    return cli_make_marked(out, place, err) ? g_build_filename(out, place, NULL) : NULL;
}

dp_picture *eval_shrink(const dp_picture *picture, size_t side)
{
    size_t longest = MAX(picture->width_px, picture->height_px);
    double scale = longest > side ? (double)side / (double)longest : 1;
    size_t w = MAX((size_t)((double)picture->width_px * scale), 1),
           h = MAX((size_t)((double)picture->height_px * scale), 1);
    dp_picture *small = NULL;
    if (dp_picture_new(w, h, &small, NULL))
        return NULL;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            size_t x0 = x * picture->width_px / w, x1 = MAX((x + 1) * picture->width_px / w, x0 + 1);
            size_t y0 = y * picture->height_px / h, y1 = MAX((y + 1) * picture->height_px / h, y0 + 1);
            uint64_t sum[3] = {0}, n = (x1 - x0) * (y1 - y0);
            for (size_t sy = y0; sy < y1; sy++)
                for (size_t sx = x0; sx < x1; sx++)
                    for (size_t k = 0; k < 3; k++)
                        sum[k] += picture->rgb[(sy * picture->width_px + sx) * 3 + k];
            for (size_t k = 0; k < 3; k++)
                small->rgb[(y * w + x) * 3 + k] = (uint8_t)((sum[k] + n / 2) / n);
        }
    return small;
}

bool eval_save_small(const char *out, const char *place, const dp_picture *picture, size_t side, dp_error *err)
{
    char *path = eval_make_place(out, place, err);
    dp_picture *small = path ? eval_shrink(picture, side) : NULL;
    if (path && !small) {
        err->status = DP_E_MEMORY;
        g_snprintf(err->message, sizeof err->message, "%s: not enough memory", path);
    }
    bool good = small && !dp_picture_save_jpeg(small, path, err);
    dp_picture_free(&small);
    g_free(path);
    return good;
}
