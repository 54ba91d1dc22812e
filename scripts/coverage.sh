#!/bin/sh
# Runs the tests of a build folder that was compiled with -Db_coverage=true and says which lines and branches of src/ and cli/fetch/ they reach.
#
#     scripts/coverage.sh BUILD [meson test option...]
#
# Only gcov, which comes with the compiler, and awk are needed.  First come the files below LEAST (90) per cent of their lines, then the
# folders and the total; below LEAST in total the exit code is 1.  The lines that were not reached: BUILD/coverage/missing.txt.
# KEEP=1 adds to the counts that are there.  Processes that are killed on purpose would leave half-written counts: the suite `fault` takes no part.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
build=$(CDPATH='' cd "$1" && pwd -P)
shift
[ "${KEEP:-}" = 1 ] || find "$build" -name '*.gcda' -exec rm -f {} +
out=$build/coverage
rm -rf "$out"
mkdir -p "$out"

# Where a test limits the size of files, or takes away the right to write, the counts of that process are lost, not its messages.
GCOV_ERROR_FILE=/dev/null "$here/test.sh" "$build" --timeout-multiplier 5 --no-suite fault "$@"
tests=$?

# A kernel for an instruction set that this machine lacks cannot run here: its objects have no counts and are left out.
flags=$(cat /proc/cpuinfo 2>/dev/null)
for set in avx2 avx512f avx512_vnni asimd; do
    case $flags in *" $set"*) ;; *) printf 'left out: kernels that need %s, which this machine does not have\n' "$set" ;; esac
done
find "$build/src" "$build/cli/libdinopatch_fetch.a.p" -name '*.gcno' | sort >"$out/objects"
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
