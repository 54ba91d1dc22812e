/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c - the table of endpoints; openapi.json describes each. */
#include "routes.h"

#include <string.h>

static const route routes[] = {
    {"GET", "/", get_page, NULL, ROUTE_OPEN},
    {"GET", "/page/{}", get_page_file, NULL, ROUTE_OPEN},
    {"GET", "/healthz", get_healthz, NULL, ROUTE_OPEN},
    {"GET", "/openapi.json", get_openapi, NULL, ROUTE_OPEN},
    {"GET", "/metrics", get_metrics, NULL, 0},
    {"GET", "/v1/server", get_server, NULL, 0},
    {"GET", "/v1/options", get_options, NULL, 0},
    {"GET", "/v1/banks", get_banks, NULL, 0},
    {"GET", "/v1/banks/{}", get_bank, NULL, 0},
    {"POST", "/v1/banks/{}", post_bank, " overwrite ", ROUTE_UPLOAD},
    {"DELETE", "/v1/banks/{}", delete_bank, NULL, 0},
    {"POST", "/v1/banks/{}/inspect", post_inspect, " name record map explain keep ", ROUTE_BODY},
    {"GET", "/v1/banks/{}/pictures", get_pictures, NULL, 0},
    {"POST", "/v1/banks/{}/pictures", post_pictures, NULL, ROUTE_UPLOAD},
    {"GET", "/v1/banks/{}/pictures/{}", get_picture, NULL, 0},
    {"DELETE", "/v1/banks/{}/pictures/{}", delete_picture, NULL, 0},
    {"GET", "/v1/banks/{}/pictures/{}/thumbnail", get_thumbnail, " size ", 0},
    {"GET", "/v1/banks/{}/thresholds", get_thresholds, NULL, 0},
    {"PUT", "/v1/banks/{}/threshold", put_threshold, NULL, ROUTE_BODY},
    {"POST", "/v1/banks/{}/quarantine", post_quarantine, NULL, ROUTE_BODY},
    {"GET", "/v1/banks/{}/changes", get_changes, NULL, 0},
    {"POST", "/v1/changes/{}/undo", post_undo, NULL, 0},
    {"GET", "/v1/jobs", get_jobs, " limit ", 0},
    {"GET", "/v1/jobs/{}", get_job, NULL, 0},
    {"DELETE", "/v1/jobs/{}", delete_job, NULL, 0},
    {"GET", "/v1/jobs/{}/events", get_job_events, NULL, 0},
    {"GET", "/v1/alarms", get_alarms, " since until bank limit ", 0},
    {"GET", "/v1/results", get_results, " since until bank label verdict limit before format ", 0},
    {"GET", "/v1/results/counts", get_result_counts, " since until bank ", 0},
    {"GET", "/v1/results/{}", get_result, NULL, 0},
    {"GET", "/v1/results/{}/picture", get_result_picture, NULL, 0},
    {"POST", "/v1/results/{}/verdict", post_verdict, NULL, ROUTE_BODY},
    {"POST", "/v1/results/{}/add", post_result_add, NULL, ROUTE_BODY},
    {"POST", "/v1/results/{}/excuses", post_excuses, NULL, ROUTE_BODY},
    {"GET", "/v2", kserve_server, NULL, ROUTE_OPEN},
    {"GET", "/v2/health/live", kserve_live, NULL, ROUTE_OPEN},
    {"GET", "/v2/health/ready", kserve_ready, NULL, ROUTE_OPEN},
    {"GET", "/v2/models/{}", kserve_model, NULL, 0},
    {"GET", "/v2/models/{}/ready", kserve_model_ready, NULL, 0},
    {"POST", "/v2/models/{}/infer", kserve_infer, NULL, ROUTE_BODY},
    {"GET", "/v2/models/{}/versions/{}", kserve_model, NULL, 0},
    {"GET", "/v2/models/{}/versions/{}/ready", kserve_model_ready, NULL, 0},
    {"POST", "/v2/models/{}/versions/{}/infer", kserve_infer, NULL, ROUTE_BODY},
};

/* Whether a path has the pattern's form; parts as route_find. */
static bool matches(const char *pattern, const char *path, char **parts)
{
    size_t n = 0;
    while (*pattern) {
        if (!strncmp(pattern, "{}", 2)) {
            size_t length = strcspn(path, "/");
            if (!length || n == REQUEST_PARTS)
                return false;
            g_free(parts[n]);
            parts[n++] = g_strndup(path, length);
            path += length;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*path;
}

static void allow(char **allowed, const char *method)
{
    if (*allowed && strstr(*allowed, method))
        return;
    char *more = *allowed ? g_strconcat(*allowed, ", ", method, NULL) : g_strdup(method);
    g_free(*allowed);
    *allowed = more;
}

const route *route_find(const char *method, const char *path, char **parts, char **allowed)
{
    *allowed = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
        if (!matches(routes[i].pattern, path, parts))
            continue;
        if (!strcmp(routes[i].method, !strcmp(method, "HEAD") ? "GET" : method)) {
            g_clear_pointer(allowed, g_free);
            return &routes[i];
        }
        allow(allowed, routes[i].method);
    }
    return NULL;
}

bool route_knows_query(const route *found, const char *name)
{
    g_autofree char *word = g_strdup_printf(" %s ", name);
    return found->queries && !strchr(name, ' ') && strstr(found->queries, word);
}
