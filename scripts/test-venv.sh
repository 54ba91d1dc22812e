#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes .venv-test, an environment of Debian's Python with the clients from PyPI that tests/service uses (requirements.txt there).  It does
# nothing where the environment is there and as new as that list; without a package index the tests that need it say that they are skipped.
set -u
here=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
list=$here/tests/service/requirements.txt
folder=$here/.venv-test
[ "$folder/made" -nt "$list" ] && exit 0
/usr/bin/python3 -m venv --system-site-packages "$folder" || { echo "test-venv: python3-venv is missing" >&2; exit 0; }
if "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"; then
    touch "$folder/made"
else
    echo "test-venv: the packages of $list cannot be installed; tests that need them are skipped" >&2
fi
