/* SPDX-License-Identifier: Apache-2.0 */
/* roi.h - the options that say where to inspect. */
#ifndef DP_CLI_ROI_H
#define DP_CLI_ROI_H

#include "cli.h"

typedef struct cli_roi {
    char *path, *frame, *picture;
} cli_roi;

/* To stand among a command's own entries; o: address of a cli_roi that is all zeros. */
#define CLI_ROI_ENTRIES(o)                                                                                             \
    {"roi", 0, 0, CLI_FILE, &(o)->path, "inspect only where this mask is not black", "MASK"},                          \
        {"roi-frame",                                                                                                  \
         0,                                                                                                            \
         0,                                                                                                            \
         CLI_TEXT,                                                                                                     \
         &(o)->frame,                                                                                                  \
         "the mask lies over every picture (fixed), or follows the object from the picture it was drawn on",           \
         "fixed|object"},                                                                                              \
    {                                                                                                                  \
        "roi-picture", 0, 0, CLI_FILE, &(o)->picture,                                                                  \
            "with --roi-frame object: the good picture the mask was drawn on", "PICTURE"                               \
    }

/* *roi NULL where none was asked for; dp_roi_close.  False: *code, complained. */
bool cli_roi_open(const cli_roi *options, const dp_run *run, dp_roi **roi, int *code);

#endif
