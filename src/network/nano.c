/* SPDX-License-Identifier: Apache-2.0 */
/* nano.c - the file of the built-in network, in the read-only data of the library.
 *
 * The assembler copies the file (.incbin); meson.build names it. The symbols are hidden, so a shared library does not
 * export them. This is C and not a .S file, so that the compiler adds the usual notes of an object (no executable
 * stack, control flow). */
#include "network/nano.h"

#include <string.h>

/* clang-format off */
__asm__(".pushsection .rodata.dp_nano, \"a\", %progbits\n"
        ".balign 64\n"
        ".globl dp_nano_begin\n"
        ".hidden dp_nano_begin\n"
        ".type dp_nano_begin, %object\n"
        "dp_nano_begin:\n"
        ".incbin \"" DP_NANO_FILE "\"\n"
        ".size dp_nano_begin, . - dp_nano_begin\n"
        ".globl dp_nano_end\n"
        ".hidden dp_nano_end\n"
        ".type dp_nano_end, %object\n"
        "dp_nano_end:\n"
        ".byte 0\n"
        ".size dp_nano_end, 1\n"
        ".popsection\n");
/* clang-format on */
extern const unsigned char dp_nano_begin[] __attribute__((visibility("hidden")));
extern const unsigned char dp_nano_end[] __attribute__((visibility("hidden")));

bool dp_is_nano(const char *name)
{
    return !strcmp(name, DP_NETWORK_NANO);
}

dp_status dp_nano_open(dp_safetensors **file, dp_error *err)
{
    return dp_safetensors_parse(dp_nano_begin, (size_t)((uintptr_t)dp_nano_end - (uintptr_t)dp_nano_begin),
                                DP_NETWORK_NANO, file, err);
}
