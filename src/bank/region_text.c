/* SPDX-License-Identifier: Apache-2.0 */
#include "bank/region_text.h"
#include "base/error.h"
#include "format/json_size.h"
#include "format/json_text.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define VALUES 6 /* of one picture: the list and its numbers */

char *dp_regions_to_json(const dp_bank_pictures *pictures, bool *any)
{
    json_t *list = json_array();
    bool failed = !list;
    *any = false;
    for (size_t p = 0; p < pictures->n && !failed; p++) {
        const dp_box *box = &pictures->regions[p];
        if (isnan(box->x0_px))
            continue;
        *any = true;
        failed = json_array_append_new(
                     list, json_pack("[I,f,f,f,f]", (json_int_t)p, box->x0_px, box->y0_px, box->x1_px, box->y1_px))
                 != 0;
    }
    char *text = failed ? NULL : dp_json_text(list);
    json_decref(list);
    return text;
}

dp_status dp_regions_from_json(const char *text, const char *what, dp_bank_pictures *pictures, dp_error *err)
{
    json_error_t json;
    json_t *list = dp_json_values(text, strlen(text)) > VALUES * pictures->n + 1 ? NULL : json_loads(text, 0, &json);
    const size_t n = json_array_size(list);
    json_int_t before = -1;
    bool good = n > 0;
    for (size_t i = 0; i < n && good; i++) {
        const json_t *item = json_array_get(list, i), *picture = json_array_get(item, 0);
        const json_int_t p = json_is_integer(picture) ? json_integer_value(picture) : -1;
        double side[4];
        good = json_array_size(item) == 5 && p > before && (size_t)p < pictures->n;
        for (size_t s = 0; s < 4 && good; s++) {
            const json_t *value = json_array_get(item, s + 1);
            side[s] = json_number_value(value);
            good = json_is_number(value) && isfinite(side[s]);
        }
        good = good && side[0] <= side[2] && side[1] <= side[3];
        if (good)
            pictures->regions[p] = (dp_box){side[0], side[1], side[2], side[3]};
        before = p;
    }
    json_decref(list);
    return good ? DP_OK : dp_fail(err, DP_E_FORMAT, "%s: metadata 'regions' is damaged", what);
}
