/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_banks.c - which banks there are. */
#include "banks.h"
#include "routes.h"

#include <math.h>

static json_t *choices_of(const dp_bank *bank)
{
    size_t n;
    const dp_choice *choices = dp_bank_choices(bank, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        cli_json_append(list,
                        cli_json_pack("{s:o, s:o, s:o}", "option", cli_json_text(choices[i].option), "value",
                                      cli_json_text(choices[i].value), "reason", cli_json_text(choices[i].reason)));
    return list;
}

/* A height and a width; null where there is none. */
static json_t *json_size(size_t height, size_t width)
{
    return height ? cli_json_pack("[I,I]", (json_int_t)height, (json_int_t)width) : json_null();
}

static json_t *bank_json(const served_bank *bank)
{
    json_t *object = json_object();
    cli_json_set(object, "name", cli_json_text(bank->name));
    cli_json_set(object, "state", json_string(bank->broken ? "broken" : "ready"));
    cli_json_set(object, "error", cli_json_text(bank->broken));
    cli_json_set(object, "bytes", json_integer(bank->bytes));
    if (bank->broken)
        return object;
    const dp_bank_details *d = &bank->details;
    dp_bank_info info = {.size = sizeof info};
    dp_bank_get_info(bank->bank, &info);
    g_autofree char *network = g_path_get_basename(d->model_path);
    cli_json_set(object, "sha256", cli_json_text(bank->sha256));
    cli_json_set(object, "network", cli_json_text(network));
    cli_json_set(object, "network_sha256", cli_json_text(d->model_sha256));
    cli_json_set(object, "n_pictures", json_integer((json_int_t)d->n_pictures));
    cli_json_set(object, "n_scored", json_integer((json_int_t)d->n_scored));
    cli_json_set(object, "threshold", cli_json_real(bank->view.view.threshold));
    cli_json_set(object, "cell_threshold", cli_json_real(bank->view.view.cell_threshold));
    cli_json_set(object, "threshold_by", json_string(dp_origin_name(d->threshold_origin.by)));
    cli_json_set(object, "fpr", cli_json_real(info.fpr));
    cli_json_set(object, "fpr_promised", cli_json_real(info.fpr_promised));
    cli_json_set(object, "canvas_px", json_size(info.canvas_height_px, info.canvas_width_px));
    cli_json_set(object, "grid", json_size(d->grid_rows, d->grid_cols));
    cli_json_set(object, "drift", cli_json_real(d->drift));
    cli_json_set(object, "choices", choices_of(bank->bank));
    return object;
}

void get_banks(request *r)
{
    g_autoptr(GPtrArray) all = banks_list(r->service->banks);
    json_t *list = json_array();
    for (guint i = 0; i < all->len; i++)
        cli_json_append(list, bank_json(all->pdata[i]));
    reply_json(r, 200, cli_json_pack("{s:o}", "banks", list));
}

void get_bank(request *r)
{
    served_bank *bank = bank_name_is_valid(r->part[0]) ? banks_get(r->service->banks, r->part[0]) : NULL;
    if (bank)
        reply_json(r, 200, bank_json(bank));
    else
        reply_problem(r, 404, "there is no bank of that name; GET /v1/banks lists those that there are");
    served_bank_drop(bank);
}

void delete_bank(request *r)
{
    served_bank *bank = bank_name_is_valid(r->part[0]) ? banks_get(r->service->banks, r->part[0]) : NULL;
    dp_error err;
    if (!bank)
        reply_problem(r, 404, "there is no bank of that name; GET /v1/banks lists those that there are");
    else if (banks_remove(r->service->banks, r->part[0], &err))
        reply_fault(r, &err);
    else
        reply_empty(r, 204);
    served_bank_drop(bank);
}
