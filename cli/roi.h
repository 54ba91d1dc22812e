/* SPDX-License-Identifier: Apache-2.0 */
/* roi.h - the options of the region to inspect. */
#ifndef DP_CLI_ROI_H
#define DP_CLI_ROI_H

#include "cli.h"

typedef struct cli_roi {
    char *path, *frame, *picture;
} cli_roi;

/* For the table of a command; o: address of a cli_roi that is all zeros. */
#define CLI_ROI_ENTRIES(o)                                                                                             \
    {"roi", 0, 0, CLI_FILE, &(o)->path, "inspect only the pixels where this mask is not black", "MASK"},               \
        {"roi-frame",                                                                                                  \
         0,                                                                                                            \
         0,                                                                                                            \
         CLI_TEXT,                                                                                                     \
         &(o)->frame,                                                                                                  \
         "fixed: the mask covers the same pixels of every picture; object: it follows the part from the picture it "   \
         "was drawn on",                                                                                               \
         "fixed|object"},                                                                                              \
    {                                                                                                                  \
        "roi-picture", 0, 0, CLI_FILE, &(o)->picture,                                                                  \
            "with --roi-frame object: the good picture the mask was drawn on", "PICTURE"                               \
    }

/* Reads the mask. *roi is NULL if none was asked for; free with dp_roi_close. False: *code, complained. */
bool cli_roi_open(const cli_roi *options, const dp_run *run, dp_roi **roi, int *code);

#endif
