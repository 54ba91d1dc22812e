/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.h - data sets as the field lays them out, and as people lay them out.
 *
 *   MVTec AD    CAT/train/good, CAT/test/{good,DEFECT}, CAT/ground_truth/DEFECT/NAME_mask.png
 *   MVTec LOCO  the same, masks CAT/ground_truth/DEFECT/NAME/000.png, 001.png, ...: together they are the mask of NAME
 *   VisA (1cls) the same, masks without _mask
 *   MVTec AD 2  CAT/train/good, CAT/test_public/{good,bad}, CAT/test_public/ground_truth/bad/NAME_mask.png
 *   plain       CAT/good, CAT/bad (or any other folder beside good): two of three good pictures, by name, are learned from,
 *               every third is tested; masks, if any, in a folder beside them
 *
 * A folder called good, ok, okay or normal, in any case, holds good pictures; one called ground_truth, gt, mask(s), annotation(s), label(s) or
 * segmentation(s) holds masks, wherever it stands; any other holds defects.  Subfolders of these belong to them. */
#ifndef DP_CLI_DATASET_H
#define DP_CLI_DATASET_H

#include "cli.h"

typedef struct dataset_item {
    char *path;
    const char *split; /* "test" or "test_public"; static */
    char *defect;      /* name of the folder: "good", "crack" */
    char *
        name; /* of what is written of it: its path below that folder without suffix; where two would have the same, only .png is
                         * taken off */
    GPtrArray *masks; /* of char *: paths, whose union is the mask; NULL where there is none */
    int label;        /* 0 good, 1 anomalous */
} dataset_item;

typedef struct dataset {
    char *category; /* name of the folder */
    char *path;
    GPtrArray *train; /* of char *, sorted */
    GArray *test;     /* of dataset_item, sorted by folder and name */
    bool masks;       /* every anomalous picture has one */
    bool broken;      /* one of its folders cannot be read; none that dataset_find returns is */
} dataset;

/* The categories at or directly below a folder, sorted by name: GPtrArray of dataset *.  What was taken for what is told.  Those that cannot
 * be used are complained about and counted in *n_failed.  NULL: there is none, complained. */
GPtrArray *dataset_find(const char *folder, size_t *n_failed);
/* The mask of a picture, [height, width] of its map, g_free; NULL for a good one.  False: err. */
bool dataset_load_mask(const dataset_item *item, size_t max_pixels, size_t height, size_t width, uint8_t **mask,
                       dp_error *err);

#endif
