/* SPDX-License-Identifier: Apache-2.0 */
/* routes.h - the table of endpoints. */
#ifndef DP_CLI_SERVICE_ROUTES_H
#define DP_CLI_SERVICE_ROUTES_H

#include "request.h"

enum {
    ROUTE_OPEN = 1,  /* needs no token: says nothing of banks or results */
    ROUTE_BODY = 2,  /* takes a body of at most most_body_bytes */
    ROUTE_UPLOAD = 4 /* takes a body of at most most_upload_bytes */
};

typedef struct route {
    const char *method;
    const char *pattern; /* {} stands for one part of the path */
    void (*handle)(request *r);
    const char *queries; /* those it knows, between spaces; NULL: none */
    unsigned flags;
} route;

/* The route of a path; NULL: *allowed, g_free, holds the methods that the path has, or NULL where there is no such path.  parts [REQUEST_PARTS]
 * receive what stands for {}, g_free. */
const route *route_find(const char *method, const char *path, char **parts, char **allowed);
/* Whether a route knows a query. */
bool route_knows_query(const route *found, const char *name);

/* ----- endpoints, by the file that holds them */
void get_banks(request *r); /* endpoint_banks.c */
void get_bank(request *r);
void delete_bank(request *r);
void post_bank(request *r); /* endpoint_uploads.c */
void post_pictures(request *r);
void post_result_add(request *r);
void post_excuses(request *r); /* endpoint_changes.c */
void post_quarantine(request *r);
void get_changes(request *r);
void post_undo(request *r);
/* The part of a picture that "region" of a body names; *given: it does.  False: answered. */
bool request_region(request *r, const json_t *body, dp_box *box, bool *given);
void get_pictures(request *r); /* endpoint_pictures.c */
void get_picture(request *r);
void get_thumbnail(request *r);
void delete_picture(request *r);
void get_thresholds(request *r); /* endpoint_thresholds.c */
void put_threshold(request *r);
void post_inspect(request *r); /* endpoint_inspect.c */
void get_jobs(request *r);     /* endpoint_jobs.c */
void get_job(request *r);
void delete_job(request *r);
void get_job_events(request *r);
void reply_job(request *r, int64_t id); /* 202: a job was taken */
void get_results(request *r);           /* endpoint_results.c */
void get_result_counts(request *r);
void get_result(request *r);
void get_result_picture(request *r);
void post_verdict(request *r);
void get_alarms(request *r);
void get_page(request *r); /* page.c */
void get_page_file(request *r);
void get_healthz(request *r); /* endpoint_server.c */
void get_metrics(request *r);
void get_openapi(request *r);
void get_server(request *r);
void get_options(request *r);
void kserve_server(request *r); /* kserve.c */
void kserve_live(request *r);
void kserve_ready(request *r);
void kserve_model(request *r);
void kserve_model_ready(request *r);
void kserve_infer(request *r);

#endif
