#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the committed tree twice, in folders of other names, at other times, in another locale and time zone, and compares what comes out
# byte for byte: the Debian packages (program, libraries, Python module) and the wheel.  What differs is named, and the exit code is 1.
#
#     scripts/reproducible.sh [deb] [wheel] [install]      default: all three; "install": the files of "make install"
set -eu
source=$(CDPATH='' cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- deb wheel install
commit=$(git -C "$source" rev-parse HEAD) # the same for both, whatever is committed meanwhile
SOURCE_DATE_EPOCH=$(git -C "$source" log -1 --format=%ct "$commit")
CCACHE_DISABLE=1 # it would give the second build what the first one made
export SOURCE_DATE_EPOCH CCACHE_DISABLE
failed=0

build() { # KIND FOLDER: its files lie in FOLDER/out
    tree="$2/dinopatch"
    rm -rf "$tree"
    mkdir -p "$tree" "$2/out"
    git -C "$source" archive "$commit" | tar -x -C "$tree"
    case $1 in
    deb) OUT="$2/out" TMPDIR="$2" "$tree/scripts/deb.sh" ;;
    wheel) OUT="$2/out" TMPDIR="$2" "$tree/scripts/wheel.sh" ;;
    install)
        (cd "$tree" && scripts/configure.sh build --buildtype=release -Dtests=false -Dresearch=false && ninja -C build) &&
            DESTDIR="$2/out" meson install -C "$tree/build" --no-rebuild
        ;;
    *) echo "reproducible: $1: give deb, wheel or install" >&2 && exit 2 ;;
    esac >"$2/log" 2>&1 || { tail -n 30 "$2/log" && exit 1; }
}

for kind in "$@"; do
    first=$work/$kind/one second=$work/$kind/'another, longer name'
    [ "$kind" = install ] || second=$work/$kind/another-longer-name # dpkg knows no blanks
    build "$kind" "$first"
    (umask 027 && LC_ALL=C.UTF-8 TZ=Pacific/Kiritimati build "$kind" "$second")
    for folder in "$first" "$second"; do
        (cd "$folder/out" && find . ! -type d | LC_ALL=C sort | while read -r file; do
            printf '%s  %s\n' "$([ -L "$file" ] && readlink "$file" || sha256sum <"$file" | cut -d ' ' -f 1)" "$file"
        done) >"$folder/sums"
    done
    if cmp -s "$first/sums" "$second/sums"; then
        printf 'reproducible: %s: %d files, each the same bytes\n' "$kind" "$(wc -l <"$first/sums")"
    else
        printf 'reproducible: %s: these differ:\n' "$kind"
        diff "$first/sums" "$second/sums" | sed -n 's/^[<>] [^ ]*  /    /p' | sort -u
        failed=1
        if [ -n "${KEEP:-}" ]; then
            mkdir -p "$KEEP" && cp -r "$work/$kind" "$KEEP/"
        fi
    fi
done
exit $failed
