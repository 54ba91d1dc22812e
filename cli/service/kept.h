/* SPDX-License-Identifier: Apache-2.0 */
/* kept.h - pictures of results, kept as they came, the oldest making room. */
#ifndef DP_CLI_SERVICE_KEPT_H
#define DP_CLI_SERVICE_KEPT_H

#include "service.h"

/* Counts what lies there. */
void kept_begin(service *s);
/* Keeps the bytes of a picture file; its name below DIR/pictures/results, g_free; NULL: it could not be written, which is logged. */
char *kept_add(service *s, const void *data, size_t bytes);
/* Takes one back whose result was not kept. */
void kept_take_back(service *s, const char *file, size_t bytes);
/* Results of a label whose pictures are kept. */
bool kept_wants(const service *s, dp_label label);
/* DIR/pictures/results/FILE; g_free. */
char *kept_path(const service *s, const char *file);

#endif
