/* SPDX-License-Identifier: Apache-2.0 */
/* bank_json.h - a bank as the service tells it. */
#ifndef DP_CLI_SERVICE_BANK_JSON_H
#define DP_CLI_SERVICE_BANK_JSON_H

#include "banks.h"

json_t *bank_json(const served_bank *bank);

#endif
