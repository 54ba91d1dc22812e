/* SPDX-License-Identifier: Apache-2.0 */
/* region_text.h - the regions of which pictures were added alone, as the file of a bank records them. */
#ifndef DP_BANK_REGION_TEXT_H
#define DP_BANK_REGION_TEXT_H

#include "bank/bank_pictures.h"

/* Returns [[picture, x0, y0, x1, y1], ..], the pictures ascending; free with dp_memory_free. *any: there is one. NULL: no memory. */
char *dp_regions_to_json(const dp_bank_pictures *pictures, bool *any);
/* Converts back. what: the file for messages. Errors: DP_E_FORMAT. */
dp_status dp_regions_from_json(const char *text, const char *what, dp_bank_pictures *pictures, dp_error *err);

#endif
