# SPDX-License-Identifier: Apache-2.0
"""Writes the C source of the extension module `dinopatch._core`.

    make_core.py CDEF OUTPUT
"""

import re
import sys

import cffi

SOURCE = """
#include "dinopatch.h"
#include "dinopatch/edit.h"
#include "dinopatch/eval.h"

static void close_bank(void *bank) { dp_bank *it = bank; dp_bank_close(&it); }
static void close_network(void *network) { dp_network *it = network; dp_network_close(&it); }
static void close_session(void *session) { dp_session *it = session; dp_session_close(&it); }
static void close_drift(void *drift) { dp_drift *it = drift; dp_drift_close(&it); }
static void close_roi(void *roi) { dp_roi *it = roi; dp_roi_close(&it); }
static void close_inspector(void *inspector) { dp_inspector *it = inspector; dp_inspector_close(&it); }
"""

cdef, output = sys.argv[1:]
with open(cdef, encoding="utf-8") as file:
    declarations = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
ffi = cffi.FFI()
ffi.cdef(declarations)
ffi.set_source("dinopatch._core", SOURCE)
ffi.emit_c_code(output)
