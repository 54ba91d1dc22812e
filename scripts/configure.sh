#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes BUILD a Meson build folder of this source tree with the given options.  BUILD may be missing, half set up, set up with other
# options or another compiler, or moved here with the tree.
#
#     scripts/configure.sh BUILD [meson option...]          CC chooses the compiler
set -eu
source=$(CDPATH='' cd "$(dirname "$0")/.." && pwd -P)
build=$1
shift
wanted="CC=${CC:-} $*"
stamp=$build/.configured

known_folders() { # prints the source and the build folder that BUILD was set up for
    sed -n 's/.*"source": "\([^"]*\)", "build": "\([^"]*\)".*/\1\n\2/p' "$build/meson-info/meson-info.json" 2>/dev/null
}

if [ -f "$build/build.ninja" ] && [ -f "$build/meson-private/coredata.dat" ]; then
    here=$(printf '%s\n%s' "$source" "$(CDPATH='' cd "$build" && pwd -P)")
    if [ "$(known_folders)" = "$here" ]; then
        had=$(cat "$stamp" 2>/dev/null || printf 'CC= ')
        [ "$had" = "$wanted" ] && exit 0
        if [ "${had%% *}" = "${wanted%% *}" ] && meson setup --reconfigure "$@" "$build" "$source" >/dev/null 2>&1; then
            printf '%s\n' "$wanted" >"$stamp"
            exit 0
        fi
    fi
fi

if [ -e "$build" ] && [ -n "$(ls -A "$build" 2>/dev/null)" ]; then
    if [ ! -d "$build/meson-private" ] && [ ! -d "$build/meson-info" ] && [ ! -d "$build/meson-logs" ]; then
        printf '%s: is no build folder of Meson and is not empty; name another one with BUILD=\n' "$build" >&2
        exit 1
    fi
    rm -rf "$build"
fi
meson setup "$@" "$build" "$source"
printf '%s\n' "$wanted" >"$stamp"
