#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asserts what a user relies on, through the program: commands, files and JSON, no header of this project.
#
#     run.sh DINOPATCH RENDER [pytest option...]     DINOPATCH, RENDER: the program and the demo's renderer
#
# Each test prints the lines that scripts/count-tests.awk counts.  Needs Python 3 with pytest, NumPy and Pillow (Debian:
# python3-pytest python3-numpy python3-pil; python3-pytest-xdist for two at once); PYTHON names another interpreter.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
export DINOPATCH RENDER
shift 2
for python in ${PYTHON:-/usr/bin/python3 python3}; do
    if "$python" -c 'import numpy, PIL, pytest' 2>/dev/null; then
        # In a sanitizer build: full call stacks, by which leaks of other libraries are known.
        export ASAN_OPTIONS="${ASAN_OPTIONS:-}:fast_unwind_on_malloc=0"
        export PYTHONDONTWRITEBYTECODE=1
        # Two tests side by side where pytest-xdist is there.
        "$python" -c 'import xdist' 2>/dev/null && set -- -n 2 "$@"
        exec "$python" -m pytest -q -p no:cacheprovider --rootdir "$here" "$@" "$here"
    fi
done
echo 'no Python 3 with pytest, NumPy and Pillow was found (Debian: python3-pytest python3-numpy python3-pil)' >&2
exit 1
