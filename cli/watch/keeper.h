/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.h - what `watch` writes below --out: DAY/TIME_NAME.heat.png and .map.tiff, of frames .png as well; the oldest make room. */
#ifndef DP_CLI_WATCH_KEEPER_H
#define DP_CLI_WATCH_KEEPER_H

#include "bank_inspector.h"

typedef enum keeper_which { KEEPER_NONE = 0, KEEPER_ANOMALOUS, KEEPER_ALL } keeper_which;

typedef struct keeper_settings {
    const char *out; /* folder */
    keeper_which which;
    double days;  /* kept so long; 0: for ever */
    double bytes; /* at most so much; 0: no limit */
} keeper_settings;

typedef struct keeper keeper;

/* Makes the folder where it is not there, and takes over what an earlier run left in it.  Errors: DP_E_IO. */
dp_status keeper_open(const keeper_settings *settings, keeper **opened, dp_error *err);
void keeper_close(keeper **opened);
/* Writes what belongs to a picture whose files are kept; below: its name.  *map_path: the map's, g_free; NULL: not kept.  Errors:
 * DP_E_IO. */
dp_status keeper_add(keeper *k, const bank_inspector *b, const bank_inspection *made, const char *below,
                     int64_t time_ms, char **map_path, dp_error *err);

#endif
