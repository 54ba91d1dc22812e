/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_server.c - of the service itself: health, metrics, its description, what it takes. */
#include "exposition.h"
#include "openapi.h"
#include "routes.h"

void get_healthz(request *r)
{
    bool draining = g_atomic_int_get(&r->service->draining) != 0;
    reply_json(r, draining ? 503 : 200,
               cli_json_pack("{s:s, s:s}", "status", draining ? "draining" : "ok", "version", dp_version()));
}

void get_metrics(request *r)
{
    reply_text(r, 200, exposition(r->service), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

void get_openapi(request *r)
{
    size_t bytes;
    const char *text = openapi_text(&bytes);
    GString *described = g_string_new_len(text, (gssize)bytes);
    g_string_replace(described, "@VERSION@", dp_version(), 1);
    reply_text(r, 200, described, "application/json");
}

void get_server(request *r)
{
    const service_settings *settings = &r->service->settings;
    workers_state state = workers_look(r->service->workers);
    static const char *const keep[] = {"none", "anomalous", "all"};
    reply_json(r, 200,
               cli_json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "version", dp_version(), "workers",
                             (json_int_t)state.n_workers, "waiting", (json_int_t)state.n_waiting, "most_waiting",
                             (json_int_t)state.most_waiting, "most_body_bytes", (json_int_t)settings->most_body_bytes,
                             "most_upload_bytes", (json_int_t)settings->most_upload_bytes, "most_pixels",
                             (json_int_t)settings->run.max_picture_pixels, "keep", keep[settings->keep]));
}

void get_options(request *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dp_option_count(); i++) {
        const dp_option *o = dp_option_at(i);
        json_t *choices = o->choices ? json_array() : json_null();
        for (size_t k = 0; o->choices && o->choices[k]; k++)
            cli_json_append(choices, json_string(o->choices[k]));
        cli_json_append(list, cli_json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o}", "key", o->key, "takes", o->takes,
                                            "help", o->help, "unit", o->unit, "needs", o->needs, "choices", choices));
    }
    reply_json(r, 200, cli_json_pack("{s:o}", "options", list));
}
