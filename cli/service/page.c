/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - the web page: the files of page/ in the read-only data of the program; see openapi.c. */
#include "routes.h"

#include <stdint.h>
#include <string.h>

/* clang-format off */
#define FILE_IN_PROGRAM(name, path)                                             \
    __asm__(".pushsection .rodata.dp_page, \"a\", %progbits\n"                  \
            ".globl dp_page_" #name "_begin\n"                                  \
            ".hidden dp_page_" #name "_begin\n"                                 \
            "dp_page_" #name "_begin:\n"                                        \
            ".incbin \"" PAGE_FOLDER "/" path "\"\n"                            \
            ".globl dp_page_" #name "_end\n"                                    \
            ".hidden dp_page_" #name "_end\n"                                   \
            "dp_page_" #name "_end:\n"                                          \
            ".byte 0\n"                                                         \
            ".popsection\n");                                                   \
    extern const char dp_page_##name##_begin[] __attribute__((visibility("hidden"))); \
    extern const char dp_page_##name##_end[] __attribute__((visibility("hidden")));
/* clang-format on */

#define HTML "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define STYLE "text/css; charset=utf-8"

/* Name, path, type. */
#define FILES(X)                                                                                                       \
    X(index, "index.html", HTML)                                                                                       \
    X(style, "page.css", STYLE)                                                                                        \
    X(icon, "icon.svg", "image/svg+xml")                                                                               \
    X(app, "app.js", SCRIPT)                                                                                           \
    X(api, "api.js", SCRIPT)                                                                                           \
    X(dom, "dom.js", SCRIPT)                                                                                           \
    X(files, "files.js", SCRIPT)                                                                                       \
    X(good, "good.js", SCRIPT)                                                                                         \
    X(heat, "heat.js", SCRIPT)                                                                                         \
    X(inspect, "inspect.js", SCRIPT)                                                                                   \
    X(missed, "missed.js", SCRIPT)                                                                                     \
    X(products, "products.js", SCRIPT)                                                                                 \
    X(results, "results.js", SCRIPT)                                                                                   \
    X(strings, "strings.js", SCRIPT)                                                                                   \
    X(text, "text.js", SCRIPT)                                                                                         \
    X(threshold, "threshold.js", SCRIPT)                                                                               \
    X(viewer, "viewer.js", SCRIPT)

#define INCLUDE(name, path, type) FILE_IN_PROGRAM(name, path)
FILES(INCLUDE)

static const struct page_file {
    const char *path, *type, *begin, *end;
} files[] = {
#define ROW(name, path, type) {path, type, dp_page_##name##_begin, dp_page_##name##_end},
    FILES(ROW)};

static void reply_file(request *r, const struct page_file *file)
{
    reply_static(r, file->begin, (size_t)((uintptr_t)file->end - (uintptr_t)file->begin), file->type);
}

void get_page(request *r)
{
    reply_file(r, &files[0]);
}

void get_page_file(request *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        if (!strcmp(files[i].path, r->part[0])) {
            reply_file(r, &files[i]);
            return;
        }
    }
    reply_problem(r, 404, "the page has no file of that name; it begins at /");
}
