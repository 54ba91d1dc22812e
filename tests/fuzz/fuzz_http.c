/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http.c - what the service reads of strangers: the first line is a header, the rest a body.  Forms, KServe requests, paths, hosts, times;
 * what is found lies within the body, and what is refused is refused with a sentence. */
#include "fuzz.h"

#include "service/guard.h"
#include "service/kserve_request.h"
#include "service/multipart.h"
#include "service/routes.h"
#include "service/store.h"

#include <string.h>

static void says_why(char *fault)
{
    fuzz_must(fault && *fault && !strchr(fault, '\n') && fuzz_is_utf8(fault, strlen(fault)),
              "a fault is one line of UTF-8");
    g_free(fault);
}

static void form(const char *header, const char *body, size_t bytes)
{
    char *fault;
    GPtrArray *parts = multipart_parse(header, body, bytes, &fault);
    if (!parts) {
        says_why(fault);
        return;
    }
    fuzz_must(!fault, "what is read has no fault");
    for (guint i = 0; i < parts->len; i++) {
        const multipart_part *part = parts->pdata[i];
        fuzz_must(part->name && part->data >= body && part->data + part->bytes <= body + bytes,
                  "a part has a name and lies in the body");
    }
    g_ptr_array_unref(parts);
}

static unsigned sum(const void *data, size_t bytes)
{
    const volatile unsigned char *byte = data;
    unsigned all = 0;
    for (size_t i = 0; i < bytes; i++)
        all += byte[i];
    return all;
}

static void tensors(const char *body, size_t bytes, size_t header_bytes)
{
    kserve_request asked;
    char *fault = kserve_parse(body, bytes, header_bytes, &asked);
    if (fault) {
        says_why(fault);
        return;
    }
    if (asked.pixels)
        sum(asked.pixels, asked.height * asked.width * asked.channels);
    else
        sum(asked.file, asked.file_bytes);
    fuzz_must(asked.pixels || asked.file, "there is a picture");
    kserve_request_clear(&asked);
}

static void names(const char *text)
{
    char *parts[REQUEST_PARTS] = {NULL}, *allowed;
    const char *hosts[] = {"line.example", NULL};
    int64_t time_ms;
    const route *found = route_find("GET", text, parts, &allowed);
    fuzz_must(!found || !allowed, "a route that is found allows itself");
    if (found)
        route_knows_query(found, text);
    for (size_t i = 0; i < REQUEST_PARTS; i++)
        g_free(parts[i]);
    g_free(allowed);
    guard_host(text, (char *const *)hosts);
    guard_origin(text, text);
    if (bank_name_is_valid(text))
        fuzz_must(!strchr(text, '/') && *text != '.', "a bank's name is a file name");
    if (fuzz_is_utf8(text, strlen(text)) && store_time_read(text, strlen(text) & 1, &time_ms))
        g_free(store_time_text(time_ms));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *end = bytes ? memchr(data, '\n', bytes) : NULL;
    size_t head = end ? (size_t)(end - data) : bytes, rest = end ? bytes - head - 1 : 0;
    g_autofree char *header = g_strndup((const char *)data, head);
    /* Of its very size, so that a byte beyond it is seen. */
    char *body = g_malloc(rest ? rest : 1);
    if (rest)
        memcpy(body, end + 1, rest);
    form(header, body, rest);
    tensors(body, rest, SIZE_MAX);
    tensors(body, rest, (size_t)g_ascii_strtoull(header, NULL, 10));
    names(header);
    g_free(body);
    return 0;
}
