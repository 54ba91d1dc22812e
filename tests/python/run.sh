#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests of the Python package: its extension module is built here against the library of the build folder.
#
#     run.sh DINOPATCH RENDER LIBRARY [pytest option...]     LIBRARY: libdinopatch.so of the build folder
#
# Needs Python 3 with cffi, NumPy, Pillow, pytest and hypothesis (Debian: python3-cffi python3-dev python3-numpy python3-pil python3-pytest
# python3-hypothesis; python3-sklearn and mypy for what they check); PYTHON names another interpreter.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
source=$(CDPATH='' cd "$here/../.." && pwd)
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2") library=$(realpath "$3")
export DINOPATCH RENDER
shift 3
if nm -D "$library" | grep -qE ' U __(asan|tsan)_'; then
    echo '[ RUN      ] python'
    echo '[  SKIPPED ] python: the library is built for a sanitizer, which must be in the process before Python is'
    exit 0
fi
for python in ${PYTHON:-/usr/bin/python3 python3}; do
    "$python" -c 'import cffi, numpy, PIL, pytest, hypothesis' 2>/dev/null || continue
    stage=$(mktemp -d) || exit 1
    trap 'rm -rf "$stage"' EXIT
    mkdir "$stage/dinopatch"
    cp "$source"/python/dinopatch/* "$stage/dinopatch/"
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    "$python" "$source/python/make_core.py" "$source/python/core.cdef.h" "$stage/_core.c" >"$stage/log" &&
        ${CC:-cc} -O1 -w -shared -fPIC -DPy_LIMITED_API=0x03090000 -I"$headers" -I"$source/include" "$stage/_core.c" \
            "$library" -Wl,-rpath,"$(dirname "$library")" -o "$stage/dinopatch/_core.abi3.so" 2>>"$stage/log" || {
        cat "$stage/log"
        echo 'the extension module cannot be built (Debian: python3-dev)'
        exit 1
    }
    PYTHONPATH=$stage PYTHONDONTWRITEBYTECODE=1
    export PYTHONPATH PYTHONDONTWRITEBYTECODE
    "$python" -m pytest -q -p no:cacheprovider --rootdir "$here" "$@" "$here"
    exit
done
echo 'no Python 3 with cffi, NumPy, Pillow, pytest and hypothesis was found' >&2
echo '(Debian: python3-cffi python3-dev python3-numpy python3-pil python3-pytest python3-hypothesis)' >&2
exit 1
