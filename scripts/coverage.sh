#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of a build folder that was compiled with -Db_coverage=true and prints the lines and branches of src/, io/ and
# cli/fetch/ that they reach.
#
#     scripts/coverage.sh BUILD [meson test option...]
#
# It needs only gcov, which comes with the compiler, and awk.  First it prints the files below LEAST (90) per cent of their lines, then the
# folders and the total.  The exit code is 1 if the total is below LEAST.  BUILD/coverage/missing.txt lists the lines that were not reached.
# KEEP=1 adds to the existing counts.  The suite `fault` is left out, because killed processes leave half-written counts.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
build=$(CDPATH='' cd "$1" && pwd -P)
shift
[ "${KEEP:-}" = 1 ] || find "$build" -name '*.gcda' -exec rm -f {} +
out=$build/coverage
rm -rf "$out"
mkdir -p "$out"

# If a test limits the size of files or removes the right to write, only the counts of that process are lost, not its messages.
GCOV_ERROR_FILE=/dev/null "$here/test.sh" "$build" --timeout-multiplier 5 --no-suite fault "$@"
tests=$?

# A kernel for an instruction set that this machine lacks cannot run here.  Its objects have no counts and are left out.
flags=$(cat /proc/cpuinfo 2>/dev/null)
for set in avx2 avx512f avx512_vnni asimd; do
    case $flags in *" $set"*) ;; *) printf 'left out: kernels that need %s, which this machine does not have\n' "$set" ;; esac
done
find "$build/src" "$build/io" "$build/cli/libdinopatch_fetch.a.p" -name '*.gcno' | sort >"$out/objects"
while read -r notes; do
    case $notes in
    *_avx2.c.gcno) needs=avx2 ;;
    *_avx512.c.gcno) needs=avx512f ;;
    *_avx512vnni.c.gcno) needs=avx512_vnni ;;
    *_neon.c.gcno) needs=asimd ;;
    *) needs= ;;
    esac
    case $flags in *" $needs"*) ;; *) continue ;; esac
    (cd "$build" && gcov --branch-probabilities --branch-counts --stdout --object-file "$notes" "$notes") >>"$out/all.gcov" 2>>"$out/gcov.log" || {
        printf 'gcov: cannot read %s\n' "$notes"
        exit 1
    }
done <"$out/objects"
awk -v least="${LEAST:-90}" -v lines="$out/missing.unsorted" -f "$here/coverage.awk" "$out/all.gcov"
code=$?
sort -t: -k1,1 -k2,2n "$out/missing.unsorted" >"$out/missing.txt" 2>/dev/null
rm -f "$out/all.gcov" "$out/missing.unsorted"
[ $tests = 0 ] || echo 'coverage: tests failed'
[ $tests = 0 ] && exit $code
exit 1
