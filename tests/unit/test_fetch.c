/* SPDX-License-Identifier: Apache-2.0 */
/* Tests fetching checkpoints, against a test server on the loopback address; struct server sets what it does. */
#include "test.h"

#include "base/file.h"
#include "base/hash.h"
#include "fetch/file_digest.h"
#include "fetch/http.h"
#include "fetch/pull.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>

#define FILE_BYTES 1500000u
#define RESOLVE "/facebook/dinov2-small/resolve/main/model.safetensors"
#define STORAGE "/storage/blob"

/* The server's behaviour and what it saw.  Set between requests only. */
static struct server {
    struct MHD_Daemon *daemon;
    char root[64], digest[DP_SHA256_HEX_BYTES];
    unsigned char *file; /* [bytes] */
    size_t bytes;
    bool redirect; /* as the hub does it: digest in the redirect, the file from STORAGE */
    bool no_ranges, no_digest, no_head;
    uint64_t shift;   /* a range begins so many bytes after the one asked for */
    bool wrong_bytes; /* one bit of what is sent is flipped */
    unsigned refuse;  /* status of the answer to the next refusals requests */
    unsigned refusals;
    const char *gate; /* token without which the hub's address refuses, as a repository whose licence nobody accepted */
    bool other_host;  /* redirects to this server by another name */
    atomic_uint tokens, leaks; /* requests with an Authorization: to the hub's address, to the storage */
    uint64_t cut_after;        /* bytes of body after which the next cuts answers break off */
    unsigned cuts;
    atomic_uint heads, gets, ranges;
    uint64_t last_from;
} server;

struct body {
    uint64_t from, cut; /* first byte of the file; bytes before the connection is broken */
};

static ssize_t send_piece(void *user, uint64_t position, char *buffer, size_t most)
{
    struct body *body = user;
    if (position >= body->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (most > body->cut - position)
        most = (size_t)(body->cut - position);
    memcpy(buffer, server.file + body->from + position, most);
    if (server.wrong_bytes && body->from + position == 0)
        buffer[0] ^= 1;
    return (ssize_t)most;
}

static enum MHD_Result answer_status(struct MHD_Connection *connection, unsigned status)
{
    static char text[] = "<html>a page, not a checkpoint</html>";
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_file(struct MHD_Connection *connection, bool stated)
{
    struct body *body = calloc(1, sizeof *body);
    const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
    unsigned status = MHD_HTTP_OK;
    char text[96];
    server.last_from = 0;
    if (range && !server.no_ranges) {
        atomic_fetch_add(&server.ranges, 1);
        body->from = server.last_from = server.shift + strtoull(range + strlen("bytes="), NULL, 10);
        status = MHD_HTTP_PARTIAL_CONTENT;
        if (body->from >= server.bytes) {
            free(body);
            return answer_status(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE);
        }
    }
    body->cut = UINT64_MAX;
    if (server.cuts) {
        server.cuts--;
        body->cut = server.cut_after;
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(server.bytes - body->from, 65536, send_piece, body, free);
    if (status == MHD_HTTP_PARTIAL_CONTENT) {
        snprintf(text, sizeof text, "bytes %llu-%zu/%zu", (unsigned long long)body->from, server.bytes - 1,
                 server.bytes);
        MHD_add_response_header(response, "Content-Range", text);
    }
    if (stated) {
        snprintf(text, sizeof text, "\"%s\"", server.digest);
        MHD_add_response_header(response, "ETag", text);
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_gated(struct MHD_Connection *connection, unsigned status)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "X-Error-Code", "GatedRepo");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_redirect(struct MHD_Connection *connection)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    char text[128] = STORAGE;
    if (server.other_host)
        snprintf(text, sizeof text, "http://localhost%.*s%s", (int)strcspn(server.root + 16, "/"), server.root + 16,
                 STORAGE);
    MHD_add_response_header(response, "Location", text);
    snprintf(text, sizeof text, "\"%s\"", server.digest);
    MHD_add_response_header(response, "X-Linked-ETag", text);
    snprintf(text, sizeof text, "%zu", server.bytes);
    MHD_add_response_header(response, "X-Linked-Size", text);
    MHD_add_response_header(response, "ETag", "\"0123456789abcdef0123456789abcdef\"");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_FOUND, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_bytes, void **seen)
{
    (void)user, (void)version, (void)upload, (void)upload_bytes;
    if (!*seen) { /* headers first, the answer in the second call */
        *seen = &server;
        return MHD_YES;
    }
    bool head = strcmp(method, "HEAD") == 0, storage = strstr(url, STORAGE) != NULL;
    atomic_fetch_add(head ? &server.heads : &server.gets, 1);
    const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (token)
        atomic_fetch_add(storage ? &server.leaks : &server.tokens, 1);
    if (server.gate && !storage && (!token || strcmp(token, server.gate) != 0))
        return answer_gated(connection, token ? MHD_HTTP_FORBIDDEN : MHD_HTTP_UNAUTHORIZED);
    if (server.refusals) {
        server.refusals--;
        return answer_status(connection, server.refuse);
    }
    if (head && server.no_head)
        return answer_status(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
    if (storage && head) /* a signature that covers GET only */
        return answer_status(connection, MHD_HTTP_FORBIDDEN);
    if (!storage && !strstr(url, RESOLVE))
        return answer_status(connection, MHD_HTTP_NOT_FOUND);
    return server.redirect && !storage ? answer_redirect(connection)
                                       : answer_file(connection, !storage && !server.no_digest);
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (const char *const *name = (const char *const[]){"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", NULL};
         *name; name++)
        unsetenv(*name);
    server.file = malloc(FILE_BYTES);
    server.bytes = FILE_BYTES;
    uint32_t random = 1;
    for (size_t i = 0; i < FILE_BYTES; i++)
        server.file[i] = (unsigned char)((random = random * 1664525u + 1013904223u) >> 24);
    assert_ok(dp_sha256(&(dp_bytes){server.file, FILE_BYTES}, 1, server.digest, err));
    server.daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR,
                                     &address, MHD_OPTION_END);
    if (!server.daemon)
        return -1;
    snprintf(server.root, sizeof server.root, "http://127.0.0.1:%u/",
             (unsigned)MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    MHD_stop_daemon(server.daemon);
    free(server.file);
    return 0;
}

static size_t files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

/* A fresh cache folder and an obliging server for each test. */
static char cache[256], target[300];
static fetch_settings settings;

static int fresh(void **state)
{
    (void)state;
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "xdg-%u", number++);
    snprintf(cache, sizeof cache, "%s/dinopatch", temporary_path(name));
    snprintf(target, sizeof target, "%s/vits14.safetensors", cache);
    setenv("XDG_CACHE_HOME", temporary_path(name), 1);
    struct server kept = {.daemon = server.daemon, .file = server.file, .bytes = FILE_BYTES, .redirect = true};
    memcpy(kept.root, server.root, sizeof kept.root);
    memcpy(kept.digest, server.digest, sizeof kept.digest);
    server = kept;
    fetch_settings_init(&settings);
    settings.mirror = server.root;
    settings.retries = 2;
    settings.retry_pause_ms = 1;
    settings.stall_s = 5;
    return 0;
}

/* Transport alone: the server's file is noise, no network. */
static dp_status pull_bytes(const char *name, const char *destination, const fetch_settings *how, const dp_run *run,
                            char *sha256, dp_error *error)
{
    const fetch_checkpoint *checkpoint;
    dp_status status = fetch_registry_find(name, &checkpoint, error);
    return status ? status : fetch_pull_checkpoint(checkpoint, NULL, destination, how, run, sha256, error);
}

/* The part file of vits14 as a pull from the server names it. */
static void part_name(char part[400])
{
    char url[200], source[DP_SHA256_HEX_BYTES];
    snprintf(url, sizeof url, "%.*s%s", (int)strlen(server.root) - 1, server.root, RESOLVE);
    const dp_bytes pieces[] = {{url, strlen(url)}, {server.digest, strlen(server.digest)}};
    assert_ok(dp_sha256(pieces, 2, source, err));
    snprintf(part, 400, "%s.%.12s.part", target, source);
}

static void assert_whole(void)
{
    dp_mapping mapping;
    assert_ok(dp_mapping_open(target, &mapping, err));
    assert_int_equal(mapping.bytes, FILE_BYTES);
    assert_memory_equal(mapping.data, server.file, FILE_BYTES);
    dp_mapping_close(&mapping);
    int known = 0;
    assert_ok(fetch_verify(target, NULL, NULL, NULL, &known, err));
    assert_true(known);
    assert_int_equal(files_in(cache), 2); /* the checkpoint and the note of its digest: no part file */
}

static void assert_pulled(void)
{
    char sha256[DP_SHA256_HEX_BYTES];
    assert_ok(pull_bytes("vits14", NULL, &settings, NULL, sha256, err));
    assert_string_equal(sha256, server.digest);
    assert_whole();
}

static void the_registry(void **state)
{
    (void)state;
    assert_int_equal(fetch_registry_count(), 16);
    assert_null(fetch_registry_at(16));
    const fetch_checkpoint *checkpoint;
    assert_ok(fetch_registry_find("vitb14_reg", &checkpoint, err));
    assert_string_equal(checkpoint->repository, "facebook/dinov2-with-registers-base");
    assert_int_equal(checkpoint->bytes, 4 * checkpoint->parameters);
    assert_ok(fetch_registry_find("facebook/dinov2-giant", &checkpoint, err));
    assert_string_equal(checkpoint->name, "vitg14");
    static const char *const other[][2] = {{"dinov2_vits14", "vits14"},
                                           {"timm/vit_small_patch16_dinov3.lvd1689m", "dinov3_vits16"},
                                           {"vit_huge_plus_patch16_dinov3.lvd1689m", "dinov3_vith16plus"},
                                           {"facebook/dinov3-vitb16-pretrain-lvd1689m", "dinov3_vitb16"},
                                           {"timm/vit_large_patch14_reg4_dinov2.lvd142m", "vitl14_reg"},
                                           {"google/tipsv2-b14", "tipsv2_b14"},
                                           {"vit_giant_patch14_reg1_tipsv2.webli", "tipsv2_g14"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        assert_ok(fetch_registry_find(other[i][0], &checkpoint, err));
        assert_string_equal(checkpoint->name, other[i][1]);
    }
    assert_fails(DP_E_ARGUMENT, "vitl14_reg", fetch_registry_find("resnet50", &checkpoint, err));
    for (size_t i = 0; i < fetch_registry_count(); i++) { /* each is found by its own name */
        assert_ok(fetch_registry_find(fetch_registry_at(i)->name, &checkpoint, err));
        assert_ptr_equal(checkpoint, fetch_registry_at(i));
        dp_architecture architecture; /* what comes is held against it */
        assert_ok(dp_architecture_parse(checkpoint->name, &architecture, err));
    }
}

static void the_cache_path(void **state)
{
    (void)state;
    char *path = NULL, *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    assert_ok(fetch_cache_path("vitl14", "/some/folder", &path, err));
    assert_string_equal(path, "/some/folder/vitl14.safetensors");
    dp_memory_free(path);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    assert_ok(fetch_cache_path("facebook/dinov2-large", NULL, &path, err));
    assert_string_equal(path, "/xdg/dinopatch/vitl14.safetensors");
    dp_memory_free(path);
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says the specification */
    setenv("HOME", "/elsewhere/someone", 1);
    assert_ok(fetch_cache_path("vitl14", NULL, &path, err));
    assert_string_equal(path, "/elsewhere/someone/.cache/dinopatch/vitl14.safetensors");
    dp_memory_free(path);
    unsetenv("HOME");
    assert_fails(DP_E_IO, "HOME", fetch_cache_path("vitl14", NULL, &path, err));
    if (home)
        setenv("HOME", home, 1);
    free(home);
    assert_fails(DP_E_ARGUMENT, "no such checkpoint", fetch_cache_path("../../etc/passwd", NULL, &path, err));
}

static void as_the_hub_does_it(void **state)
{
    (void)state;
    assert_pulled();
    assert_int_equal(server.heads, 1); /* the redirect alone: its target would refuse */
    assert_int_equal(server.gets, 2);  /* the redirect and the file */
}

static void a_mirror_that_serves_at_once(void **state)
{
    (void)state;
    server.redirect = false;
    assert_pulled();
}

static void what_is_there_is_left_alone(void **state)
{
    (void)state;
    assert_pulled();
    unsigned asked = server.heads + server.gets;
    assert_pulled();
    assert_int_equal(server.heads + server.gets, asked); /* works offline */
    settings.force = 1;
    assert_pulled();
    assert_int_equal(server.gets, 4);
}

static void what_was_damaged_is_fetched_again(void **state)
{
    (void)state;
    assert_pulled();
    int fd = open(target, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 700000), 1);
    close(fd);
    char found[DP_SHA256_HEX_BYTES];
    assert_fails(DP_E_CORRUPT, server.digest, fetch_verify(target, NULL, NULL, found, NULL, err));
    assert_string_not_equal(found, server.digest);
    assert_pulled();
}

/* A file that someone copied there by hand is recognised by what the server states. */
static void a_file_put_there_by_hand(void **state)
{
    (void)state;
    assert_pulled();
    char note[320];
    snprintf(note, sizeof note, "%s.sha256", target);
    assert_int_equal(remove(note), 0);
    int known = 1;
    assert_ok(fetch_verify(target, NULL, NULL, NULL, &known, err));
    assert_false(known);
    unsigned gets = server.gets;
    assert_pulled();
    assert_int_equal(server.gets, gets);
}

static void no_such_file(void **state)
{
    (void)state;
    server.refuse = 404;
    server.refusals = 1;
    assert_fails(DP_E_IO, "no such file (HTTP status 404)", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    server.refuse = 401;
    server.refusals = 1;
    assert_fails(DP_E_IO, "refuses access (HTTP status 401)", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_fails(DP_E_IO, "404", pull_bytes("vitb14", NULL, &settings, NULL, NULL, err));
    assert_fails(DP_E_ARGUMENT, "no such checkpoint", pull_bytes("vit", NULL, &settings, NULL, NULL, err));
    settings.sha256 = server.digest; /* no question beforehand: the GET itself is refused */
    server.refuse = 404;
    server.refusals = 1;
    assert_fails(DP_E_IO, "no such file (HTTP status 404)", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
}

/* A gated file needs the token; the token goes to the hub's address and nowhere else. */
static void a_gated_file(void **state)
{
    (void)state;
    server.gate = "Bearer hf_secret";
    const char *said =
        "vits14: gated: accept the licence at https://huggingface.co/facebook/dinov2-small, then set HF_TOKEN";
    assert_fails(DP_E_IO, said, pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    settings.sha256 = server.digest; /* the GET itself is refused */
    assert_fails(DP_E_IO, said, pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    settings.sha256 = NULL;
    assert_int_equal(files_in(cache), 0);
    settings.token = "hf_other";
    assert_fails(DP_E_IO, "gated: the account of HF_TOKEN may not read it (HTTP status 403)",
                 pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    settings.token = "hf secret\nX-Bad: 1";
    assert_fails(DP_E_ARGUMENT, "HF_TOKEN holds a space", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    settings.token = "hf_secret";
    server.tokens = 0;
    server.other_host = true;
    assert_pulled();
    assert_int_equal(server.tokens, 2); /* the question and the fetching */
    assert_int_equal(server.leaks, 0);
    settings.force = 1; /* a part that is continued asks in the same way */
    server.cut_after = 300000;
    server.cuts = 1;
    assert_pulled();
    assert_int_equal(server.ranges, 1);
    assert_int_equal(server.leaks, 0);
}

/* Of no use, and never shown: to an address that has a password, and to one that others can listen to. */
static void a_token_that_stays(void **state)
{
    (void)state;
    char url[320];
    snprintf(url, sizeof url, "http://user:word@%s", server.root + strlen("http://"));
    settings.mirror = url;
    settings.token = "hf_secret";
    server.gate = "Bearer hf_secret";
    dp_error seen = {0};
    assert_int_equal(pull_bytes("vits14", NULL, &settings, NULL, NULL, &seen), DP_E_IO);
    assert_null(strstr(seen.message, "hf_secret"));
    assert_null(strstr(seen.message, "word@"));
    setenv("http_proxy", server.root, 1);
    settings.mirror = "http://models.invalid"; /* over plain http: the proxy would read it */
    server.tokens = 0;
    assert_fails(DP_E_IO, "only over https", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    unsetenv("http_proxy");
    assert_int_equal(server.tokens, 0);
}

static void a_server_out_of_breath(void **state)
{
    (void)state;
    server.refuse = 503;
    server.refusals = 2;
    assert_pulled();
    settings.force = 1;
    server.refusals = 100;
    server.heads = 0;
    assert_fails(DP_E_IO, "answers with HTTP status 503", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(server.heads, 3);
    assert_whole(); /* what was there stays */
}

static void a_cut_connection_is_taken_up_again(void **state)
{
    (void)state;
    server.cut_after = 400000;
    server.cuts = 3;
    assert_pulled();
    assert_int_equal(server.ranges, 3);
    assert_int_equal(server.last_from, 1200000);
}

static void a_later_call_takes_up_the_rest(void **state)
{
    (void)state;
    settings.retries = 0;
    server.cut_after = 900000;
    server.cuts = 1;
    assert_fails(DP_E_IO, "vits14: cannot download it", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 1); /* the part */
    assert_pulled();
    assert_int_equal(server.ranges, 1);
    assert_int_equal(server.last_from, 900000);
}

/* Connections that bring nothing are given up after the tries asked for. */
static void a_connection_that_always_breaks(void **state)
{
    (void)state;
    server.cut_after = 0;
    server.cuts = 1000;
    assert_fails(DP_E_IO, "cannot download it", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(server.gets, 2 * 3);
    assert_int_equal(files_in(cache), 0);
}

static void a_server_without_ranges(void **state)
{
    (void)state;
    server.no_ranges = true;
    server.cut_after = 500000;
    server.cuts = 1;
    assert_pulled();
    assert_int_equal(server.ranges, 0);
}

static void a_range_that_begins_elsewhere(void **state)
{
    (void)state;
    server.shift = 7;
    server.cut_after = 500000;
    server.cuts = 1;
    assert_fails(DP_E_IO, "asked for bytes from 500000, but the server sends from 500007",
                 pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    server.shift = 0;
    assert_pulled();
}

static void a_wrong_digest_leaves_nothing(void **state)
{
    (void)state;
    server.wrong_bytes = true;
    assert_fails(DP_E_CORRUPT, server.digest, pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    server.wrong_bytes = false;
    settings.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    assert_fails(DP_E_CORRUPT, "the one asked for is 0000", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    settings.sha256 = "0000";
    assert_fails(DP_E_ARGUMENT, "64 hexadecimal", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
}

/* With a checkpoint in place, a wrong digest must not cost the user the good one. */
static void a_wrong_digest_spares_the_old_file(void **state)
{
    (void)state;
    assert_pulled();
    settings.force = 1;
    server.wrong_bytes = true;
    assert_fails(DP_E_CORRUPT, "nothing was kept", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_whole();
}

/* A part that is whole but rotten, and one longer than the file. */
static void parts_that_lie(void **state)
{
    (void)state;
    settings.retries = 0;
    server.cut_after = 10;
    server.cuts = 1;
    assert_fails(DP_E_IO, "cannot download", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    char part[400];
    part_name(part);
    assert_int_equal(truncate(part, FILE_BYTES), 0);
    assert_fails(DP_E_CORRUPT, "nothing was kept", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    close(open(part, O_CREAT | O_WRONLY, 0666));
    assert_int_equal(truncate(part, FILE_BYTES + 5), 0);
    assert_pulled();
}

static void a_digest_nobody_states(void **state)
{
    (void)state;
    server.redirect = false;
    server.no_digest = true;
    assert_fails(DP_E_UNSUPPORTED, "--sha256", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    settings.sha256 = server.digest;
    assert_pulled();
    settings.sha256 = NULL;
    settings.force = 1;
    server.no_digest = false;
    server.no_head = true;
    assert_fails(DP_E_UNSUPPORTED, "--sha256", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_whole();
}

static void a_full_disk(void **state)
{
    (void)state;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1000000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    dp_error err = {0};
    dp_status status = pull_bytes("vits14", NULL, &settings, NULL, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, DP_E_IO);
    assert_non_null(strstr(err.message, "vits14.safetensors: cannot write"));
    assert_int_equal(files_in(cache), 0);
    assert_pulled();
}

static void two_at_once(void **state)
{
    (void)state;
    settings.retries = 0;
    server.cut_after = 500;
    server.cuts = 1;
    assert_fails(DP_E_IO, "cannot download", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    char part[400];
    part_name(part);
    int fd = open(part, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_fails(DP_E_IO, "another process", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 1); /* the other's part is left to it */
    close(fd);
    assert_pulled();
}

static void unwritable_places(void **state)
{
    (void)state;
    assert_fails(DP_E_IO, "cannot make its folder",
                 pull_bytes("vits14", "/proc/none/x/vits14.safetensors", &settings, NULL, NULL, err));
    FILE *file = fopen(temporary_path("plain"), "w");
    fclose(file);
    char path[300];
    snprintf(path, sizeof path, "%s/vits14.safetensors", temporary_path("plain"));
    assert_fails(DP_E_IO, "vits14.safetensors", pull_bytes("vits14", path, &settings, NULL, NULL, err));
}

static void nobody_answers(void **state)
{
    (void)state;
    settings.mirror = "http://127.0.0.1:1";
    settings.retry_pause_ms = 60000; /* offline is said at once: this pause would run into the test's time limit */
    assert_fails(DP_E_IO, "on another machine and put it at", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 0);
    settings.mirror = "file:///etc"; /* http and https only */
    assert_fails(DP_E_IO, "file", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
}

/* Through the proxy that the environment names: the server here plays it, for a host that does not exist. */
static void through_a_proxy(void **state)
{
    (void)state;
    setenv("http_proxy", server.root, 1);
    settings.mirror = "http://models.invalid";
    server.redirect = false;
    assert_pulled();
    unsetenv("http_proxy");
}

struct watch {
    size_t calls, last, total, stop_at;
    bool backwards, checked, stand_in, stated;
    unsigned warnings;
};

static int watch_progress(void *user, const char *stage, size_t done, size_t total)
{
    struct watch *watch = user;
    watch->calls++;
    if (strcmp(stage, "check") == 0) {
        watch->checked = true;
        return 0;
    }
    assert_string_equal(stage, "download");
    watch->backwards |= done < watch->last;
    watch->last = done;
    watch->total = total;
    return done >= watch->stop_at;
}

static void watch_log(void *user, dp_log_level level, const char *line)
{
    struct watch *watch = user;
    watch->warnings += level == DP_LOG_WARNING && strstr(line, "trying again");
    watch->stand_in |= level == DP_LOG_WARNING && strstr(line, "stand-in");
    watch->stated |= strstr(line, "only the server states its SHA-256") != NULL;
}

static void progress_and_stop(void **state)
{
    (void)state;
    struct watch watch = {.stop_at = SIZE_MAX};
    dp_run run;
    dp_run_init(&run);
    run.progress = watch_progress;
    run.log = watch_log;
    run.user = &watch;
    server.cut_after = 600000;
    server.cuts = 1;
    assert_ok(pull_bytes("vits14", NULL, &settings, &run, NULL, err));
    assert_whole();
    assert_true(watch.checked && !watch.backwards && watch.calls > 3);
    assert_int_equal(watch.last, FILE_BYTES);
    assert_int_equal(watch.total, FILE_BYTES);
    assert_int_equal(watch.warnings, 1);

    watch = (struct watch){.stop_at = 1};
    settings.force = 1;
    server.cut_after = 300000;
    server.cuts = 1;
    assert_fails(DP_E_CANCELLED, "stopped", pull_bytes("vits14", NULL, &settings, &run, NULL, err));
    assert_int_equal(files_in(cache), 3); /* the old file, its note, and the part that has come */
    watch = (struct watch){.stop_at = SIZE_MAX};
    server.cuts = 0;
    assert_ok(pull_bytes("vits14", NULL, &settings, &run, NULL, err));
    assert_true(server.last_from > 0 && server.last_from <= 300000);
    assert_whole();
}

/* The other mirror here is the same server under another address: it sends the same bytes, and still nothing is continued. */
static void a_part_from_elsewhere(void **state)
{
    (void)state;
    char other[sizeof server.root + 16];
    settings.retries = 0;
    server.cut_after = 900000;
    server.cuts = 1;
    assert_fails(DP_E_IO, "cannot download it", pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    snprintf(other, sizeof other, "%sother", server.root);
    settings.mirror = other;
    assert_ok(pull_bytes("vits14", NULL, &settings, NULL, NULL, err));
    assert_int_equal(server.ranges, 0);
    assert_int_equal(files_in(cache), 2); /* what the first one sent is gone, too */
}

/* The server sends a small network; what is promised under its name must be that. */
static void the_promised_network(void **state)
{
    (void)state;
    unsigned char *noise = server.file;
    char noise_digest[DP_SHA256_HEX_BYTES];
    memcpy(noise_digest, server.digest, sizeof noise_digest);
    dp_architecture small = {.dim = 64, .depth = 2, .heads = 1, .patch_px = 14, .position_side = 4}, other = small;
    const fetch_checkpoint *listed;
    assert_ok(fetch_registry_find("vits14", &listed, err));
    assert_ok(dp_network_synthesise(&small, 1, temporary_path("small.safetensors"), err));
    dp_mapping mapping;
    assert_ok(dp_mapping_open(temporary_path("small.safetensors"), &mapping, err));
    server.file = memcpy(malloc(mapping.bytes), mapping.data, mapping.bytes);
    server.bytes = mapping.bytes;
    dp_mapping_close(&mapping);
    assert_ok(dp_sha256(&(dp_bytes){server.file, server.bytes}, 1, server.digest, err));
    fetch_checkpoint checkpoint = *listed;
    checkpoint.bytes = server.bytes;

    struct watch watch = {.stop_at = SIZE_MAX};
    dp_run run;
    dp_run_init(&run);
    run.log = watch_log;
    run.user = &watch;
    assert_ok(fetch_pull_checkpoint(&checkpoint, &small, NULL, &settings, &run, NULL, err));
    assert_int_equal(files_in(cache), 2);
    assert_true(watch.stand_in && watch.stated); /* both are said */
    unsigned gets = server.gets;
    assert_ok(fetch_pull_checkpoint(&checkpoint, &small, NULL, &settings, NULL, NULL, err));
    assert_int_equal(server.gets, gets); /* it is there */

    other.depth = 3;
    assert_fails(DP_E_CORRUPT, "another network: blocks: 2, but should be 3",
                 fetch_pull_checkpoint(&checkpoint, &other, NULL, &settings, NULL, NULL, err));
    assert_true(server.gets > gets); /* what was there is not it, and so the server was asked */
    other = small;
    other.registers = 4;
    assert_fails(DP_E_CORRUPT, "registers: 0, but should be 4",
                 fetch_pull_checkpoint(&checkpoint, &other, NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 2); /* the old file and its note */

    server.bytes -= 4; /* cut short, with the digest of that */
    assert_ok(dp_sha256(&(dp_bytes){server.file, server.bytes}, 1, server.digest, err));
    settings.force = 1;
    assert_fails(DP_E_CORRUPT, "not this checkpoint",
                 fetch_pull_checkpoint(&checkpoint, &small, NULL, &settings, NULL, NULL, err));
    assert_int_equal(files_in(cache), 2);
    checkpoint.bytes = 1; /* more is announced than that and 1 MiB; whatever is promised */
    server.redirect = false;
    free(server.file);
    server.file = noise;
    server.bytes = FILE_BYTES;
    memcpy(server.digest, noise_digest, sizeof noise_digest);
    assert_fails(DP_E_CORRUPT, "announces 1500000 bytes, but this checkpoint has at most 1048577",
                 fetch_pull_checkpoint(&checkpoint, NULL, NULL, &settings, NULL, NULL, err));
}

static void addresses_as_they_are_shown(void **state)
{
    (void)state;
    const struct {
        const char *url, *shown;
    } cases[] = {
        {"https://host/a/b", "https://host/a/b"},
        {"https://user:pass@host:81/a", "https://***@host:81/a"},
        {"https://token@host/a?x=1", "https://***@host/a?***"},
        {"https://host/a?token=1#f", "https://host/a?***"},
        {"https://host/a#f", "https://host/a?***"},
        {"user:pass@host/a", "***@host/a"},
        {"https://user:p@ss@host/a", "https://***@host/a"},
        {"https://user:p/ss@host/a", "https://***@host/a"},
        {"https://user:p?ss@host/a", "https://***@host/a"},
        {"https://user:p#ss@host/a?t=1", "https://***@host/a?***"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = fetch_url_shown(cases[i].url);
        assert_string_equal(shown, cases[i].shown);
        dp_memory_free(shown);
    }
}

static void digests(void **state)
{
    (void)state;
    char hex[DP_SHA256_HEX_BYTES] = "untouched";
    assert_false(fetch_digest_parse("", hex));
    assert_false(fetch_digest_parse("zz", hex));
    assert_string_equal(hex, "untouched");
    char upper[66] = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    assert_true(fetch_digest_parse(upper, hex));
    const char *empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_string_equal(hex, empty);
    upper[64] = '0';
    assert_false(fetch_digest_parse(upper, hex));
    FILE *file = fopen(temporary_path("empty"), "w");
    fclose(file);
    assert_ok(fetch_verify(temporary_path("empty"), empty, NULL, NULL, NULL, err));
    assert_fails(DP_E_IO, "No such file", fetch_verify(temporary_path("none"), NULL, NULL, NULL, NULL, err));
    assert_fails(DP_E_IO, "regular", fetch_verify("/tmp", NULL, NULL, NULL, NULL, err));
    assert_fails(DP_E_ARGUMENT, "hexadecimal", fetch_verify(temporary_path("empty"), "abc", NULL, NULL, NULL, err));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        CASE(the_registry),
        CASE(the_cache_path),
        CASE(digests),
        CASE(as_the_hub_does_it),
        CASE(a_mirror_that_serves_at_once),
        CASE(what_is_there_is_left_alone),
        CASE(what_was_damaged_is_fetched_again),
        CASE(a_file_put_there_by_hand),
        CASE(no_such_file),
        CASE(a_gated_file),
        CASE(a_token_that_stays),
        CASE(a_server_out_of_breath),
        CASE(a_cut_connection_is_taken_up_again),
        CASE(a_later_call_takes_up_the_rest),
        CASE(a_connection_that_always_breaks),
        CASE(a_server_without_ranges),
        CASE(a_range_that_begins_elsewhere),
        CASE(a_wrong_digest_leaves_nothing),
        CASE(a_wrong_digest_spares_the_old_file),
        CASE(parts_that_lie),
        CASE(a_digest_nobody_states),
        CASE(a_full_disk),
        CASE(two_at_once),
        CASE(unwritable_places),
        CASE(nobody_answers),
        CASE(through_a_proxy),
        CASE(progress_and_stop),
        CASE(a_part_from_elsewhere),
        CASE(the_promised_network),
        CASE(addresses_as_they_are_shown),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
