/* SPDX-License-Identifier: Apache-2.0 */
/* shim.h - what the preloaded library and the program that drives it tell each other through a mapped file. */
#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#include <stdint.h>

struct fault_report {
    uint64_t calls;  /* that could have failed */
    uint64_t fired;  /* that did */
    char where[240]; /* the first of them: function, module and offset, for addr2line */
};

#endif
