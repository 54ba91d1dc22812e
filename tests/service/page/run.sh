#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The page of `dinopatch serve` in a real Chromium: the whole story of a product, both themes, a telephone, the keyboard, axe.
#
#     run.sh DINOPATCH RENDER [OUT [option of node...]]     OUT: folder for screenshots and data (default: a new one that goes afterwards)
#
# Needs Node 18 or newer, Chromium (Debian: scripts/deps.sh page), and what package.json names: `npm ci` brings it into page-modules
# beside the program the first time.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
OUT=${3:-}
shift 2 && [ $# -gt 0 ] && shift
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v google-chrome)}
export DINOPATCH RENDER OUT CHROMIUM

skip() {
    printf 'skipped: the page was not tested: %s\n' "$1"
    exit 77
}

command -v node >/dev/null || skip 'there is no node (Debian: nodejs)'
[ -n "$CHROMIUM" ] || skip 'there is no Chromium (Debian: chromium); CHROMIUM names another'
MODULES=$(dirname "$DINOPATCH")/page-modules
export MODULES
if ! cmp -s "$here/package-lock.json" "$MODULES/package-lock.json" || [ ! -d "$MODULES/node_modules/axe-core" ]; then
    mkdir -p "$MODULES" && cp "$here/package.json" "$here/package-lock.json" "$MODULES" \
        && (cd "$MODULES" && npm ci --silent --no-audit --no-fund >&2) || skip "npm ci failed in $MODULES"
fi
if [ -z "$OUT" ]; then
    OUT=$(mktemp -d)
    trap 'rm -rf "$OUT"' EXIT INT TERM
fi
node --test --test-reporter "$here/reporter.mjs" "$@" "$here/page.test.mjs"
