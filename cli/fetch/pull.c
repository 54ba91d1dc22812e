/* SPDX-License-Identifier: Apache-2.0 */
/* pull.c - downloads a checkpoint from the hub into the cache.
 *
 *     digest known? --no--> ask the server (HEAD)          file in place with this digest? -> done
 *     part file, locked -> GET from its end, again while bytes keep coming -> SHA-256 -> open as a network -> note ->
 *     rename
 *
 * The name of the part file holds the first digits of a digest of its address and of the SHA-256 that it must have. So
 * a download of another version or from another server never continues it.
 *
 * A server that states a wrong SHA-256 can send any file with that SHA-256. So the file is accepted only if it is the
 * network that the registry promises for the name, and if it has no more bytes than that network. */
#include "pull.h"
#include "cache.h"
#include "file_digest.h"
#include "http.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define HUB "https://huggingface.co"
#define PART_DIGITS 12
#define LONGEST_PAUSE_MS 60000u
#define HEADER_ROOM ((uint64_t)1 << 20)      /* for names and shapes of the tensors, in front of their bytes */
#define UNKNOWN_MOST ((uint64_t)20000000000) /* most bytes if the registry knows no size */

typedef struct pull_job {
    const dp_architecture *promised; /* NULL: any file */
    const char *name, *target, *source;
    const fetch_settings *settings;
    const dp_run *run;
    char *url, *part;
    char *shown;                  /* the address without passwords and tokens */
    char digest[FETCH_HEX_BYTES]; /* the SHA-256 that the file must have; empty: not known yet */
    const char *stated_by;        /* who says so */
    uint64_t most;                /* most bytes that are accepted */
    uint64_t total;               /* size of the file; FETCH_BYTES_UNKNOWN if not known */
    int fd;                       /* the part file; -1: not open */
    uint64_t have;                /* bytes in it */
    bool disk_fault;
    bool chosen;  /* the caller chose the target: a file in place is replaced only with force */
    bool reached; /* the server has answered, so a later failure may pass */
    fetch_http_how how;
} pull_job;

void fetch_settings_init(fetch_settings *pull)
{
    *pull = (fetch_settings){.retries = 5, .retry_pause_ms = 1000, .stall_s = 30};
}

static char *join(const char *a, const char *b, const char *c, const char *d, const char *e, const char *f)
{
    size_t bytes = strlen(a) + strlen(b) + strlen(c) + strlen(d) + strlen(e) + strlen(f) + 1;
    char *text = malloc(bytes);
    if (text)
        snprintf(text, bytes, "%s%s%s%s%s%s", a, b, c, d, e, f);
    return text;
}

static char *checkpoint_url(const fetch_checkpoint *checkpoint, const char *mirror)
{
    char *root = strdup(mirror && mirror[0] ? mirror : HUB);
    if (!root)
        return NULL;
    for (size_t n = strlen(root); n && root[n - 1] == '/'; n--)
        root[n - 1] = 0;
    char *repository = join(root, "/", checkpoint->repository, "/resolve/", checkpoint->revision, "/");
    char *url = repository ? join(repository, checkpoint->file, "", "", "", "") : NULL;
    free(root);
    free(repository);
    return url;
}

/* Adds to the reason what to do if the network cannot be reached. */
static dp_status advise(const pull_job *job, dp_status status, dp_error *err)
{
    if (!err || status != DP_E_IO)
        return status;
    dp_error cause = *err;
    return fetch_fail(err, status,
                      "%s: cannot download it: %.500s; check the connection and the proxy (https_proxy), name a mirror "
                      "(DINOPATCH_MIRROR), or download the file on another machine and put it at %s",
                      job->name, cause.message, job->target);
}

/* Explains what to do if the server refuses access to the file. */
static dp_status refused(const pull_job *job, const fetch_http_facts *facts, dp_error *err)
{
    if (facts->gated && !facts->token_sent)
        return fetch_fail(
            err, DP_E_IO, "%s: gated: accept the licence at %s, then set HF_TOKEN%s", job->name, job->source,
            job->how.token ? " (it is not sent to this address: only over https, without a password)" : "");
    if (facts->gated)
        return fetch_fail(
            err, DP_E_IO,
            "%s: gated: the account of HF_TOKEN may not read it (HTTP status %ld); accept the licence at %s with that "
            "account, or set a token of one that has",
            job->name, facts->status, job->source);
    return fetch_fail(err, DP_E_IO,
                      "%s: cannot download it: %s: the server refuses access (HTTP status %ld)%s; if the file is "
                      "gated, accept the licence at %s, then set HF_TOKEN",
                      job->name, job->shown, facts->status, facts->token_sent ? " to HF_TOKEN" : "", job->source);
}

static bool is_refusal(const fetch_http_facts *facts)
{
    return facts->status == 401 || facts->status == 403;
}

/* Sleeps before another try. Returns early if a stop is asked for. */
static dp_status pause_ms(const pull_job *job, unsigned milliseconds, dp_error *err)
{
    for (unsigned slept = 0; slept < milliseconds;) {
        unsigned slice = milliseconds - slept < 100 ? milliseconds - slept : 100;
        nanosleep(&(struct timespec){.tv_nsec = (long)slice * 1000000L}, NULL);
        slept += slice;
        if (job->run && job->run->progress
            && job->run->progress(job->run->user, "download", (size_t)job->have,
                                  job->total == FETCH_BYTES_UNKNOWN ? 0 : (size_t)job->total))
            return fetch_fail(err, DP_E_CANCELLED, "%s: stopped", job->shown);
    }
    return DP_OK;
}

/* Checks a size that the server announces: more than 0, and no more than the checkpoint can have. */
static dp_status check_size(const pull_job *job, uint64_t bytes, dp_error *err)
{
    if (bytes == 0)
        return fetch_fail(err, DP_E_CORRUPT, "%s: %s announces an empty file", job->name, job->shown);
    if (bytes != FETCH_BYTES_UNKNOWN && bytes > job->most)
        return fetch_fail(err, DP_E_CORRUPT,
                          "%s: %s announces %" PRIu64 " bytes, but this checkpoint has at most %" PRIu64, job->name,
                          job->shown, bytes, job->most);
    return DP_OK;
}

/* Refuses a file that begins like something that servers send in place of a checkpoint. */
static dp_status check_beginning(const pull_job *job, const unsigned char *data, size_t bytes, dp_error *err)
{
    static const char lfs[] = "version https://git-lfs";
    const char *what = NULL;
    if (!job->promised || bytes < 9 || data[8] == '{')
        return DP_OK;
    size_t blank = 0;
    while (blank < bytes && (data[blank] == ' ' || data[blank] == '\n' || data[blank] == '\r' || data[blank] == '\t'))
        blank++;
    if (blank < bytes && data[blank] == '<')
        what = "a web page; it may ask for a login or be made by a proxy";
    else if (bytes >= sizeof lfs - 1 && memcmp(data, lfs, sizeof lfs - 1) == 0)
        what = "a Git LFS pointer, which only names the checkpoint; the mirror must serve the file itself";
    else if (data[0] == 0x1f && data[1] == 0x8b)
        what = "a gzip file; the mirror must serve it uncompressed";
    else
        what = "not a safetensors file";
    return fetch_fail(err, DP_E_CORRUPT, "%s: %s sends %s; nothing was kept", job->name, job->shown, what);
}

/* Counts tries that brought no byte. DP_OK: try again; the pause doubles each time. */
static dp_status before_retry(const pull_job *job, unsigned *tries, dp_status reason, dp_error *err)
{
    if (++*tries > job->settings->retries)
        return reason;
    uint64_t pause = (uint64_t)job->settings->retry_pause_ms << (*tries - 1 < 16 ? *tries - 1 : 16);
    if (job->run && job->run->log && err) {
        char line[DP_ERROR_MESSAGE_BYTES + 32];
        snprintf(line, sizeof line, "%s; trying again", err->message);
        job->run->log(job->run->user, DP_LOG_WARNING, line);
    }
    return pause_ms(job, pause < LONGEST_PAUSE_MS ? (unsigned)pause : LONGEST_PAUSE_MS, err);
}

static dp_status ask_server(pull_job *job, dp_error *err)
{
    fetch_http_facts facts;
    bool again;
    unsigned tries = 0;
    for (;;) {
        dp_status status = fetch_http_head(job->url, &job->how, &facts, &again, err);
        if (!status)
            break;
        job->reached |= facts.status != 0;
        if (status == DP_E_IO && is_refusal(&facts))
            return refused(job, &facts, err);
        if (!again || !job->reached)
            return advise(job, status, err);
        dp_status retry = before_retry(job, &tries, status, err);
        if (retry)
            return advise(job, retry, err);
    }
    if (!facts.sha256[0])
        return fetch_fail(err, DP_E_UNSUPPORTED,
                          "%s: the server states no SHA-256 for %s; pass the one that the file must have with --sha256",
                          job->name, job->shown);
    job->reached = true;
    dp_status status = check_size(job, facts.file_bytes, err);
    if (status)
        return status;
    memcpy(job->digest, facts.sha256, sizeof job->digest);
    job->stated_by = "the server states";
    job->total = facts.file_bytes;
    return DP_OK;
}

/* Opens and locks the part file. Another process may rename it between the two; then the lock holds another file than
 * the name, and the name is opened again. */
static dp_status open_part(pull_job *job, dp_error *err)
{
    for (;;) {
        struct stat by_fd, by_name;
        do
            job->fd = open(job->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        while (job->fd < 0 && errno == EINTR);
        if (job->fd < 0)
            return fetch_fail_errno(err, "%s: cannot create", job->part);
        if (flock(job->fd, LOCK_EX | LOCK_NB) != 0) {
            dp_status status =
                errno == EWOULDBLOCK ? fetch_fail(
                    err, DP_E_IO, "%s: another process is downloading this checkpoint; wait for it", job->part)
                                     : fetch_fail_errno(err, "%s: cannot lock", job->part);
            close(job->fd);
            job->fd = -1; /* the other process owns the file */
            return status;
        }
        if (fstat(job->fd, &by_fd) != 0)
            return fetch_fail_errno(err, "%s: cannot read its size", job->part);
        if (!S_ISREG(by_fd.st_mode))
            return fetch_fail(err, DP_E_IO, "%s: is not a regular file", job->part);
        if (stat(job->part, &by_name) == 0 && by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino) {
            job->have = (uint64_t)by_fd.st_size;
            return DP_OK;
        }
        close(job->fd);
        job->fd = -1;
    }
}

static dp_status start_over(pull_job *job, dp_error *err)
{
    int cut;
    job->have = 0;
    do
        cut = ftruncate(job->fd, 0);
    while (cut != 0 && errno == EINTR);
    if (cut != 0)
        return fetch_fail_errno(err, "%s: cannot empty", job->part);
    return DP_OK;
}

static dp_status begin(void *user, const fetch_http_facts *facts, dp_error *err)
{
    pull_job *job = user;
    dp_status status = check_size(job, facts->file_bytes, err);
    if (status)
        return status;
    if (facts->encoded)
        return fetch_fail(err, DP_E_IO,
                          "%s: %s compresses the file without being asked; the mirror must serve it uncompressed",
                          job->name, job->shown);
    if (job->total == FETCH_BYTES_UNKNOWN)
        job->total = facts->file_bytes;
    if (facts->file_bytes != FETCH_BYTES_UNKNOWN && facts->file_bytes != job->total)
        return fetch_fail(err, DP_E_IO,
                          "%s: the server sends a file of %" PRIu64 " bytes, but %" PRIu64 " were announced",
                          job->shown, facts->file_bytes, job->total);
    if (facts->status == 200) { /* the whole file: the server cannot send a part, or all was asked for */
        status = start_over(job, err);
        if (status)
            return status;
    } else if (facts->range_start != job->have) {
        return fetch_fail(err, DP_E_IO, "%s: asked for bytes from %" PRIu64 ", but the server sends from %" PRIu64,
                          job->shown, job->have, facts->range_start);
    }
    struct statvfs disk;
    uint64_t needed = job->total == FETCH_BYTES_UNKNOWN ? 0 : job->total - job->have;
    if (fstatvfs(job->fd, &disk) == 0 && disk.f_blocks && needed / disk.f_frsize > disk.f_bavail) {
        job->disk_fault = true;
        return fetch_fail(err, DP_E_IO, "%s: %" PRIu64 " MB are needed, but the disk has %" PRIu64 " MB left",
                          job->target, needed / 1000000, (uint64_t)disk.f_bavail * disk.f_frsize / 1000000);
    }
    return DP_OK;
}

static dp_status put(void *user, const void *data, size_t bytes, dp_error *err)
{
    pull_job *job = user;
    const char *from = data;
    if (job->total != FETCH_BYTES_UNKNOWN && bytes > job->total - job->have)
        return fetch_fail(err, DP_E_IO, "%s: the server sends more than the %" PRIu64 " bytes announced", job->shown,
                          job->total);
    if (bytes > job->most || job->have > job->most - bytes)
        return fetch_fail(err, DP_E_CORRUPT,
                          "%s: %s sends more than %" PRIu64 " bytes, which is the most that this checkpoint has",
                          job->name, job->shown, job->most);
    if (job->have == 0) {
        dp_status status = check_beginning(job, data, bytes, err);
        if (status)
            return status;
    }
    while (bytes) {
        ssize_t done = pwrite(job->fd, from, bytes, (off_t)job->have);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            job->disk_fault = true;
            return fetch_fail_errno(err, "%s: cannot write", job->target);
        }
        from += done;
        bytes -= (size_t)done;
        job->have += (uint64_t)done;
    }
    return DP_OK;
}

/* Fills the part file up to the announced size. */
static dp_status download(pull_job *job, dp_error *err)
{
    const fetch_http_sink sink = {begin, put, job};
    unsigned tries = 0;
    for (;;) {
        if (job->total != FETCH_BYTES_UNKNOWN && job->have > job->total) {
            dp_status status = start_over(job, err);
            if (status)
                return status;
        }
        if (job->have && job->have == job->total)
            return DP_OK;
        uint64_t before = job->have;
        fetch_http_facts facts;
        bool again;
        dp_status status = fetch_http_get(job->url, before, &job->how, &sink, &facts, &again, err);
        if (!status && facts.status == 416) { /* the server has no more bytes: the digest decides */
            if (before)
                return DP_OK;
            status = fetch_fail(err, DP_E_IO, "%s: the server answers 416", job->shown);
        }
        if (!status && (job->total == FETCH_BYTES_UNKNOWN || job->have == job->total))
            return DP_OK;
        if (!status) { /* a regular end, but too early */
            again = true;
            status = fetch_fail(err, DP_E_IO, "%s: ended after %" PRIu64 " of %" PRIu64 " bytes", job->shown, job->have,
                                job->total);
        }
        job->reached |= facts.status != 0;
        if (status == DP_E_IO && is_refusal(&facts))
            return refused(job, &facts, err);
        if (!again || !job->reached)
            return job->disk_fault ? status : advise(job, status, err);
        if (job->have > before)
            tries = 0;
        dp_status retry = before_retry(job, &tries, status, err);
        if (retry)
            return advise(job, retry, err);
    }
}

/* Checks that the file is the network that the registry promises. */
static dp_status check_promise(const pull_job *job, const char *path, dp_error *err)
{
    if (!job->promised)
        return DP_OK;
    dp_network *model = NULL;
    dp_error cause = {0};
    dp_status status = dp_network_open(path, &model, &cause);
    if (status == DP_E_MEMORY)
        return fetch_fail(err, status, "%s: not enough memory to open the downloaded file", job->name);
    if (status) { /* the reason names the part file, which will be removed */
        size_t n = strlen(path);
        const char *reason = strncmp(cause.message, path, n) == 0 && strncmp(cause.message + n, ": ", 2) == 0
                                 ? cause.message + n + 2
                                 : cause.message;
        return fetch_fail(err, DP_E_CORRUPT, "%s: the file from %s is not this checkpoint: %.600s; nothing was kept",
                          job->name, job->shown, reason);
    }
    status = dp_architecture_check(job->promised, model, &cause);
    dp_network_info info;
    dp_network_get_info(model, &info);
    if (status)
        fetch_fail(err, DP_E_CORRUPT, "%s: the file from %s is another network: %.600s; nothing was kept", job->name,
                   job->shown, cause.message);
    else if (info.stand_in && job->run && job->run->log)
        job->run->log(job->run->user, DP_LOG_WARNING,
                      "the downloaded file is a stand-in with random weights: it has learned nothing");
    dp_network_close(&model);
    return status ? DP_E_CORRUPT : DP_OK;
}

/* Removes parts of the same file from another source or of another version, if no other process is filling them. */
static void remove_other_parts(const pull_job *job)
{
    const char *slash = strrchr(job->target, '/'), *base = slash ? slash + 1 : job->target;
    size_t n = strlen(base), n_name = n + 1 + PART_DIGITS + strlen(".part");
    char *folder = slash ? join(job->target, "", "", "", "", "") : strdup("."), *path = NULL;
    if (folder && slash)
        folder[slash - job->target + (slash == job->target)] = 0;
    DIR *dir = folder ? opendir(folder) : NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): of a stream of its own, readdir is safe */
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strlen(name) != n_name || strncmp(name, base, n) != 0 || name[n] != '.'
            || strcmp(name + n_name - strlen(".part"), ".part") != 0)
            continue;
        path = join(folder, "/", name, "", "", "");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlink(path);
        if (fd >= 0)
            close(fd);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(folder);
}

static dp_status check_and_place(pull_job *job, dp_error *err)
{
    char found[FETCH_HEX_BYTES];
    dp_status status = fetch_digest_file(job->part, job->run, found, err);
    if (status)
        return status;
    if (strcmp(found, job->digest) != 0) {
        unlink(job->part);
        return fetch_fail(err, DP_E_CORRUPT, "%s: the file from %s has SHA-256 %s, but %s %s; nothing was kept",
                          job->name, job->shown, found, job->stated_by, job->digest);
    }
    status = check_promise(job, job->part, err);
    if (status) {
        unlink(job->part);
        return status;
    }
    int synced;
    do
        synced = fsync(job->fd);
    while (synced != 0 && errno == EINTR);
    if (synced != 0) {
        job->disk_fault = true;
        return fetch_fail_errno(err, "%s: cannot write", job->target);
    }
    status = fetch_digest_note_write(job->target, job->digest, err);
    if (!status && rename(job->part, job->target) != 0)
        status = fetch_fail_errno(err, "%s: cannot rename the finished file to this name", job->target);
    if (!status)
        remove_other_parts(job);
    return status;
}

/* True in *there if the file at the target has the known digest: the caller's, the registry's, or the one in the note
 * beside it. */
static dp_status already_there(pull_job *job, bool *there, dp_error *err)
{
    char expected[FETCH_HEX_BYTES], found[FETCH_HEX_BYTES];
    *there = false;
    if (access(job->target, F_OK) != 0)
        return DP_OK;
    memcpy(expected, job->digest, sizeof expected);
    if (!expected[0] && !fetch_digest_note_read(job->target, expected))
        return DP_OK;
    dp_status status = fetch_digest_file(job->target, job->run, found, err);
    if (status || strcmp(expected, found) != 0)
        return status;
    if (check_promise(job, job->target, NULL))
        return DP_OK; /* will be replaced */
    memcpy(job->digest, found, sizeof found);
    *there = true;
    return DP_OK;
}

static dp_status pull(pull_job *job, dp_error *err)
{
    bool there = false;
    dp_status status = job->settings->force ? DP_OK : already_there(job, &there, err);
    if (status || there)
        return status;
    if (!job->digest[0]) {
        status = ask_server(job, err);
        if (!status && !job->settings->force)
            status = already_there(job, &there, err);
        if (!status && there)
            return fetch_digest_note_write(job->target, job->digest, err);
        if (status)
            return status;
    }
    if (job->chosen && !job->settings->force && access(job->target, F_OK) == 0)
        return fetch_fail(err, DP_E_ARGUMENT,
                          "%s: exists already and is another file; name another file, or pass --force", job->target);
    status = fetch_make_folder_for(job->target, err);
    if (status)
        return status;
    char source[FETCH_HEX_BYTES], digits[PART_DIGITS + 1];
    char *origin = join(job->shown, job->digest, "", "", "", "");
    status = origin ? fetch_digest_text(origin, source, err) : fetch_fail_memory(err, job->target, strlen(job->shown));
    free(origin);
    if (status)
        return status;
    snprintf(digits, sizeof digits, "%.*s", PART_DIGITS, source);
    job->part = join(job->target, ".", digits, ".part", "", "");
    if (!job->part)
        return fetch_fail_memory(err, job->target, strlen(job->target));
    status = open_part(job, err);
    if (!status)
        status = download(job, err);
    if (!status)
        status = check_and_place(job, err);
    if (job->fd >= 0 && (job->disk_fault || (status && job->have == 0)))
        unlink(job->part);
    return status;
}

dp_status fetch_pull_checkpoint(const fetch_checkpoint *checkpoint, const dp_architecture *promised,
                                const char *destination, const fetch_settings *settings, const dp_run *run,
                                char *sha256, dp_error *err)
{
    fetch_settings defaults;
    fetch_settings_init(&defaults);
    dp_error own = {0};
    pull_job job = {.promised = promised,
                    .settings = settings ? settings : &defaults,
                    .run = run,
                    .total = FETCH_BYTES_UNKNOWN,
                    .fd = -1};
    err = err ? err : &own; /* the advice and the log quote the message */

    const char *wanted = job.settings->sha256 ? job.settings->sha256 : checkpoint->sha256;
    if (wanted && !fetch_digest_parse(wanted, job.digest))
        return fetch_fail(err, DP_E_ARGUMENT, "\"%s\" is not a SHA-256; give 64 hexadecimal digits", wanted);
    const char *token = job.settings->token;
    for (const char *at = token; at && *at; at++)
        if (*at <= ' ' || *at > '~')
            return fetch_fail(err, DP_E_ARGUMENT,
                              "HF_TOKEN holds a space or another character that no token has; set it anew");
    job.how = (fetch_http_how){.stall_s = job.settings->stall_s, .token = token && *token ? token : NULL, .run = run};
    job.source = checkpoint->source;
    job.stated_by = job.settings->sha256 ? "the one asked for is" : "the registry pins";
    job.most = checkpoint->bytes ? checkpoint->bytes + HEADER_ROOM : UNKNOWN_MOST;
    char *path = NULL;
    dp_status status = destination ? DP_OK : fetch_cache_path(checkpoint->name, NULL, &path, err);
    if (status)
        return status;
    job.name = checkpoint->name;
    job.target = destination ? destination : path;
    job.chosen = destination != NULL;
    job.url = checkpoint_url(checkpoint, job.settings->mirror);
    job.shown = job.url ? fetch_url_shown(job.url) : NULL;
    status = job.shown ? pull(&job, err) : fetch_fail_memory(err, job.name, strlen(job.name));
    if (!status && run && run->log && strcmp(job.stated_by, "the server states") == 0) {
        char line[256];
        snprintf(line, sizeof line,
                 "%s: only the server states its SHA-256; pass --sha256 to compare it with one that you trust",
                 job.name);
        run->log(run->user, DP_LOG_INFO, line);
    }
    if (!status && sha256)
        memcpy(sha256, job.digest, sizeof job.digest);
    if (job.fd >= 0)
        close(job.fd);
    free(job.url);
    free(job.shown);
    free(job.part);
    free(path);
    return status;
}

dp_status fetch_pull(const char *name, const char *destination, const fetch_settings *settings, const dp_run *run,
                     char *sha256, dp_error *err)
{
    const fetch_checkpoint *checkpoint;
    dp_architecture promised;
    dp_status status = fetch_registry_find(name, &checkpoint, err);
    if (!status)
        status = dp_architecture_parse(checkpoint->name, &promised, err);
    return status ? status : fetch_pull_checkpoint(checkpoint, &promised, destination, settings, run, sha256, err);
}
