/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_jobs.c - how far jobs have come. */
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_US (15 * G_USEC_PER_SEC) /* then a comment keeps proxies patient */

void get_jobs(request *r)
{
    int64_t limit = 50;
    if (request_number(r, "limit", 1, 1000, &limit))
        reply_json(r, 200, cli_json_pack("{s:o}", "jobs", jobs_list(r->service->jobs, (size_t)limit)));
}

void get_job(request *r)
{
    int64_t id = request_id(r, 0, "job");
    json_t *job = id ? jobs_json(r->service->jobs, id, NULL) : NULL;
    if (job)
        reply_json(r, 200, job);
    else if (id)
        reply_problem(r, 404, "there is no job of that number");
}

void delete_job(request *r)
{
    int64_t id = request_id(r, 0, "job");
    json_t *job = id ? jobs_json(r->service->jobs, id, NULL) : NULL;
    if (!id)
        return;
    if (!job)
        reply_problem(r, 404, "there is no job of that number");
    else if (!jobs_cancel(r->service->jobs, id))
        reply_problem(r, 409, "this job has ended already");
    else
        reply_json(r, 202, jobs_json(r->service->jobs, id, NULL));
    json_decref(job);
}

void reply_job(request *r, int64_t id)
{
    g_autofree char *location = g_strdup_printf("/v1/jobs/%" G_GINT64_FORMAT, id);
    jobs_wake(r->service->jobs);
    json_t *job = jobs_json(r->service->jobs, id, NULL);
    if (!job) {
        reply_problem(r, 503, "the job was taken and cannot be read; ask for %s", location);
        return;
    }
    reply_json(r, 202, job);
    reply_header(r, "Location", location);
}

/* -------------------------------------------------------------------------------------------- server-sent events */

struct stream {
    service *service;
    int64_t id;
    guint64 seen;
    char *last;    /* what was told last */
    GString *text; /* what is to go out */
    gsize gone;    /* of it */
    bool ended;
};

/* Waits for news and writes them into text. */
static void next_event(struct stream *stream)
{
    bool ended = true;
    json_t *job = jobs_json(stream->service->jobs, stream->id, &ended);
    char *line = job ? cli_json_dumped(job, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(job);
    g_string_truncate(stream->text, 0);
    stream->gone = 0;
    stream->ended = ended || !line || g_atomic_int_get(&stream->service->draining);
    if (line && g_strcmp0(line, stream->last) != 0) {
        g_string_append_printf(stream->text, "event: %s\ndata: %s\n\n", ended ? "end" : "progress", line);
        g_free(stream->last);
        stream->last = g_strdup(line);
    } else if (!stream->ended) {
        guint64 seen = jobs_wait(stream->service->jobs, stream->seen, SILENCE_US);
        if (seen == stream->seen)
            g_string_append(stream->text, ": waiting\n\n");
        stream->seen = seen;
    }
    free(line);
}

static ssize_t read_stream(void *user, uint64_t position, char *buffer, size_t most)
{
    struct stream *stream = user;
    while (stream->gone == stream->text->len) {
        if (stream->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        next_event(stream);
    }
    size_t n = MIN(most, stream->text->len - stream->gone);
    memcpy(buffer, stream->text->str + stream->gone, n);
    stream->gone += n;
    return (ssize_t)n;
}

static void free_stream(void *user)
{
    struct stream *stream = user;
    g_string_free(stream->text, TRUE);
    g_free(stream->last);
    g_free(stream);
}

void get_job_events(request *r)
{
    int64_t id = request_id(r, 0, "job");
    json_t *job = id ? jobs_json(r->service->jobs, id, NULL) : NULL;
    if (!job) {
        if (id)
            reply_problem(r, 404, "there is no job of that number");
        return;
    }
    json_decref(job);
    struct stream *stream = g_new0(struct stream, 1);
    stream->service = r->service;
    stream->id = id;
    stream->text = g_string_new("retry: 2000\n\n");
    reply_stream(r, read_stream, stream, free_stream, "text/event-stream");
    r->streams = true;
}
