#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the built program as a user would and compares what it says: one folder below cases/ for each case.
#
#     run.sh DINOPATCH RENDER [CASE...]       DINOPATCH, RENDER: the program and the demo's renderer
#
#     CASE/cmd            a shell script, run in an empty folder, with $DINOPATCH, $RENDER, $RESEARCH (the folder of the programs of
#                         research/), and what fixture.sh makes: $FIXTURE, $MODEL, $BANK, $PICTURES
#     CASE/stdout.expect  what it prints; missing: nothing
#     CASE/stderr.expect  likewise
#     CASE/exit           its exit code; missing: 0
#     CASE/files.expect   the files it leaves, one a line, sorted; missing: not looked at
#
# In an expected line <*> stands for any text, a line <...> for any lines; FIXTURE and HOME stand for the
# paths of those folders.
# Exit code 77 means skipped, with the reason as the last line printed.  ACCEPT=1 writes what came as what is expected.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
export DINOPATCH RENDER RESEARCH="$(dirname "$DINOPATCH")/research"
shift 2
[ $# -gt 0 ] || set -- "$here"/cases/*/

top=$(mktemp -d "${TMPDIR:-/tmp}/dinopatch-cli-XXXXXX")
trap 'chmod -R u+rwX "$top"; rm -rf "$top"' EXIT
trap 'exit 130' INT TERM
export FIXTURE="$top/fixture"
export MODEL="$FIXTURE/model.safetensors" BANK="$FIXTURE/good.bank" PICTURES="$FIXTURE/pictures"

# Nothing of the user's own settings reaches the program.
unset DINOPATCH_MODEL DINOPATCH_ISA DINOPATCH_MIRROR HF_ENDPOINT
export HOME="$top/home" XDG_CACHE_HOME="$top/home/cache" LC_ALL=C.UTF-8 COLUMNS=100
mkdir -p "$HOME" "$FIXTURE"
# In a sanitizer build: full call stacks, by which leaks are known or excused.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:fast_unwind_on_malloc=0"

matches() { # EXPECTED ACTUAL
    awk -v expected="$1" -v actual="$2" -f "$here/match.awk" /dev/null
}

compare() { # CASE_FOLDER NAME ACTUAL: complains and fails where they differ
    if [ "${ACCEPT:-}" = 1 ]; then
        if [ -s "$3" ] || [ "$2" = files ]; then cp "$3" "$1/$2.expect"; else rm -f "$1/$2.expect"; fi
        return 0
    fi
    expected=$1/$2.expect
    [ -f "$expected" ] || expected=/dev/null
    matches "$expected" "$3" && return 0
    printf '%s is not as expected:\n' "$2"
    diff -u --label expected --label actual "$expected" "$3"
    return 1
}

can_run() { # CASE: false where it needs a program that was not built
    case $1 in research-*) [ -x "$RESEARCH/ablation" ] ;; esac
}

run_case() { # CASE_FOLDER; output in $top/NAME.*
    work=$top/work/$1
    mkdir -p "$work"
    for stream in stdout stderr; do : >"$top/$stream"; done
    (cd "$work" && timeout -k 5 "${CASE_SECONDS:-120}" sh -u "$case_folder/cmd" \
        >"$top/stdout.raw" 2>"$top/stderr.raw" </dev/null)
    code=$?
    for stream in stdout stderr; do sed "s|$FIXTURE|FIXTURE|g; s|$HOME|HOME|g" "$top/$stream.raw" >"$top/$stream"; done
    (cd "$work" && find . -mindepth 1 ! -type d | sed 's|^\./||' | LC_ALL=C sort) >"$top/files"
}

if ! (cd "$FIXTURE" && sh -eu "$here/fixture.sh") >"$top/fixture.log" 2>&1; then
    printf '[ RUN      ] fixture\n'
    cat "$top/fixture.log"
    printf '[  FAILED  ] fixture\n'
    exit 1
fi

failures=0
for case_folder in "$@"; do
    case_folder=$here/cases/$(basename "$case_folder")
    name=$(basename "$case_folder")
    printf '[ RUN      ] %s\n' "$name"
    if ! can_run "$name"; then
        printf 'the programs of research/ were not built\n[  SKIPPED ] %s\n' "$name"
        continue
    fi
    run_case "$name"
    if [ "$code" = 77 ]; then
        tail -n 1 "$top/stdout"
        printf '[  SKIPPED ] %s\n' "$name"
        continue
    fi
    good=1
    wanted=0
    [ -f "$case_folder/exit" ] && wanted=$(cat "$case_folder/exit")
    if [ "${ACCEPT:-}" = 1 ]; then
        if [ "$code" = 0 ]; then rm -f "$case_folder/exit"; else echo "$code" >"$case_folder/exit"; fi
    elif [ "$code" != "$wanted" ]; then
        printf 'exit code %s, expected %s\n' "$code" "$wanted"
        good=0
    fi
    compare "$case_folder" stdout "$top/stdout" || good=0
    compare "$case_folder" stderr "$top/stderr" || good=0
    if [ -f "$case_folder/files.expect" ]; then
        compare "$case_folder" files "$top/files" || good=0
    fi
    if [ "$good" = 1 ]; then
        printf '[       OK ] %s\n' "$name"
    else
        printf '[  FAILED  ] %s\n' "$name"
        failures=$((failures + 1))
    fi
done
[ "$failures" = 0 ]
