#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a build folder and counts their cases.
#
#     scripts/test.sh BUILD [meson test option...]
#
# Prints the output of failed tests and the reasons of skipped ones, then one line, "N passed, N failed, N skipped", over the cases of
# all test programs.  The exit code is 0 only if nothing failed and something passed.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
build=$1
shift
log=$build/meson-logs/testlog.txt
rm -f "$log"

# Sanitizers, if the build has them: stop at the first finding and print its position.
# Not detect_stack_use_after_return: gcc misaligns vectors on its stack (GCC bug 110027).
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=0:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
export LSAN_OPTIONS="${LSAN_OPTIONS:-suppressions=$here/lsan.supp:print_suppressions=0}"
# libvips, GLib, curl and OpenMP are not built for the thread sanitizer.  It ignores what they do themselves and watches this code
# (tests/races proves both).  Tests that ask for more memory than there is get NULL, not an abort.
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1:allocator_may_return_null=1}"

meson test -C "$build" --no-rebuild --print-errorlogs "$@"
code=$?
if [ ! -f "$log" ]; then
    echo "the tests did not run"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
LC_ALL=C awk -v code=$code -f "$here/count-tests.awk" "$log"
