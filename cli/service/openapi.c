/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.c - openapi.json in the read-only data of the program; see src/network/nano.c. */
#include "openapi.h"

#include <stdint.h>

/* clang-format off */
__asm__(".pushsection .rodata.dp_openapi, \"a\", %progbits\n"
        ".globl dp_openapi_begin\n"
        ".hidden dp_openapi_begin\n"
        "dp_openapi_begin:\n"
        ".incbin \"" OPENAPI_FILE "\"\n"
        ".globl dp_openapi_end\n"
        ".hidden dp_openapi_end\n"
        "dp_openapi_end:\n"
        ".byte 0\n"
        ".popsection\n");
/* clang-format on */
extern const char dp_openapi_begin[] __attribute__((visibility("hidden")));
extern const char dp_openapi_end[] __attribute__((visibility("hidden")));

const char *openapi_text(size_t *bytes)
{
    *bytes = (size_t)((uintptr_t)dp_openapi_end - (uintptr_t)dp_openapi_begin);
    return dp_openapi_begin;
}
