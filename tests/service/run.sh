#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asserts what a user of the service relies on: a started `dinopatch serve` on a free port of this machine.
#
#     run.sh DINOPATCH RENDER [pytest option...]
#
# Each test prints the lines that scripts/count-tests.awk counts.  Needs Python 3 with what requirements.txt names: scripts/test-venv.sh
# makes such an environment, and SERVICE_PYTHON names its interpreter.  Without it the tests with pytest, NumPy, Pillow and requests run
# (Debian packages), and those that need a client from PyPI say that they are skipped.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
export DINOPATCH RENDER
shift 2
for python in ${SERVICE_PYTHON:-"$here/../../.venv-test/bin/python" /usr/bin/python3 python3}; do
    if "$python" -c 'import numpy, PIL, pytest, requests' 2>/dev/null; then
        export ASAN_OPTIONS="${ASAN_OPTIONS:-}:fast_unwind_on_malloc=0"
        export PYTHONDONTWRITEBYTECODE=1
        exec "$python" -m pytest -q -p no:cacheprovider --rootdir "$here" "$@" "$here"
    fi
done
echo 'no Python 3 with pytest, NumPy, Pillow and requests was found (Debian: python3-pytest python3-numpy python3-pil python3-requests)' >&2
exit 1
