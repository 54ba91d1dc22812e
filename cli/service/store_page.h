/* SPDX-License-Identifier: Apache-2.0 */
/* store_page.h - results as one HTML page: counts, pictures of those that are not good, a table. */
#ifndef DP_CLI_SERVICE_STORE_PAGE_H
#define DP_CLI_SERVICE_STORE_PAGE_H

#include "store.h"

/* The page of what a filter finds; data: the folder of the service.  *html: g_string_free.  Errors: as store_query. */
dp_status store_page(store *s, const store_filter *filter, const char *data, GString **html, dp_error *err);

#endif
