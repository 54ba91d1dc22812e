#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is the thread sanitizer awake?  Planted races must be reported, each at its line; the same work without a race must not.
#
#     run.sh PLANTED_PROGRAM PICTURE          with the TSAN_OPTIONS that the tests run under
set -u
program=$1 picture=$2
failures=0
report=$(mktemp)
trap 'rm -f "$report"' EXIT

look() { # PLACE PATTERN     no pattern: nothing may be reported
    printf '[ RUN      ] %s\n' "$1"
    "$program" "$1" "$picture" >"$report" 2>&1
    code=$?
    good=no
    if [ -n "$2" ]; then
        [ $code -ne 0 ] && grep -q 'WARNING: ThreadSanitizer: data race' "$report" && grep -Eq "$2" "$report" && good=yes
    else
        [ $code -eq 0 ] && ! grep -q ThreadSanitizer "$report" && good=yes
    fi
    if [ "$good" = yes ]; then
        printf '[       OK ] %s\n' "$1"
    else
        cat "$report"
        printf '[  FAILED  ] %s\n' "$1"
        failures=$((failures + 1))
    fi
}

look pool 'SUMMARY: .* in add$'
look picture 'SUMMARY: .* in add$'
look product 'SUMMARY: .* in add$'
look hand-over 'SUMMARY: .* in (lend|hand_over_too_early)$'
look none ''
[ "$failures" -eq 0 ]
