/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.h - finds the pictures of a data set, in the layouts of published sets and in plain folders.
 *
 *   MVTec AD    CAT/train/good, CAT/test/{good,DEFECT}, CAT/ground_truth/DEFECT/NAME_mask.png
 *   MVTec LOCO  the same; the masks CAT/ground_truth/DEFECT/NAME/000.png, 001.png, ... together are the mask of NAME
 *   VisA (1cls) the same; masks without _mask
 *   MVTec AD 2  CAT/train/good, CAT/test_public/{good,bad}, CAT/test_public/ground_truth/bad/NAME_mask.png
 *   plain       CAT/good, CAT/bad (or any other folder beside good): by name, every third good picture is a test
 *               picture, the others are learned from; masks, if any, in a folder beside them
 *
 * A folder called good, ok, okay or normal, in upper or lower case, holds good pictures. A folder called ground_truth,
 * gt, mask(s), annotation(s), label(s) or segmentation(s) holds masks, at any place. Any other folder holds defects.
 * Subfolders belong to the folder above. */
#ifndef DP_CLI_DATASET_H
#define DP_CLI_DATASET_H

#include "cli.h"

typedef struct dataset_item {
    char *path;
    const char *split; /* "test" or "test_public"; static */
    char *defect;      /* name of the folder: "good", "crack" */
    char *name; /* name for its outputs: its path below that folder without suffix; if two would be equal, only .png is
               * removed */
    GPtrArray *masks; /* of char *: paths whose union is the mask; NULL: none */
    int label;        /* 0 good, 1 anomalous */
} dataset_item;

typedef struct dataset {
    char *category; /* name of the folder */
    char *path;
    GPtrArray *train; /* of char *, sorted */
    GArray *test;     /* of dataset_item, sorted by folder and name */
    bool masks;       /* every anomalous picture has one */
    bool broken;      /* one of its folders cannot be read; dataset_find returns no such category */
} dataset;

/* The categories at or directly below a folder, sorted by name: GPtrArray of dataset *. Prints what each folder was
 * taken for. Complains about categories that cannot be used and counts them in *n_failed. NULL: there is none;
 * complained. */
GPtrArray *dataset_find(const char *folder, size_t *n_failed);
/* The mask of a picture, [height, width] of its map, g_free; NULL for a good picture. False: err. */
bool dataset_load_mask(const dataset_item *item, size_t max_pixels, size_t height, size_t width, uint8_t **mask,
                       dp_error *err);

#endif
