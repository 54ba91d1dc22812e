/* SPDX-License-Identifier: Apache-2.0 */
/* shim.h - a mapped file through which the preloaded library and its driver talk. */
#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#include <stdint.h>

struct fault_report {
    uint64_t calls;  /* that could have failed */
    uint64_t fired;  /* that did */
    char where[240]; /* the first of them: function, module and offset, for addr2line */
};

#endif
