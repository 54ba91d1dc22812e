#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets of a build folder that was set up with -Dfuzzing=true, all at once at nice 19, and continues after a finding.
#
#     scripts/fuzz.sh BUILD SECONDS [TARGET...]       TARGET: safetensors bank json picture tar options metrics http
#
# Learned inputs stay in BUILD/fuzz/TARGET/corpus, and the next run uses them; findings are in BUILD/fuzz/TARGET/findings, beside the log.
# The last lines give one line for each target.  The exit code is 0 only without findings.
set -u
source=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
build=$(CDPATH='' cd "$1" && pwd)
seconds=$2
shift 2
[ $# -gt 0 ] || set -- safetensors bank json picture tar options metrics http

export ASAN_OPTIONS="${ASAN_OPTIONS:-allocator_may_return_null=1:max_allocation_size_mb=1024}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
export LSAN_OPTIONS="${LSAN_OPTIONS:-print_suppressions=0}"
# Each run processes one small input, so more threads would only wait.
export OMP_NUM_THREADS=1 VIPS_CONCURRENCY=1

longest() { # TARGET: prints the largest size of an input in bytes
    case $1 in options) echo 600 ;; metrics) echo 4096 ;; picture) echo 8192 ;; *) echo 16384 ;; esac
}

leaks() { # TARGET: prints whether to look for leaks; the values of the command line live as long as the program
    case $1 in options | metrics) echo 0 ;; *) echo 1 ;; esac
}

run_target() { # TARGET
    place=$build/fuzz/$1
    mkdir -p "$place/corpus" "$place/findings"
    end=$(($(date +%s) + seconds))
    while left=$((end - $(date +%s))) && [ "$left" -gt 0 ]; do
        ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=$(leaks "$1")" nice -n 19 "$build/tests/fuzz/fuzz_$1" -max_total_time="$left" -max_len="$(longest "$1")" -timeout=60 -rss_limit_mb=2048 -detect_leaks="$(leaks "$1")" \
            -malloc_limit_mb=1024 -close_fd_mask=2 -print_final_stats=1 -artifact_prefix="$place/findings/" \
            "$place/corpus" "$source/tests/fuzz/corpus/$1" "$source/tests/fuzz/regressions/$1" </dev/null >>"$place/log" 2>&1
        if [ "$(find "$place/findings" -type f | wc -l)" -ge 50 ]; then break; fi # the same fault again and again
    done
}

for target; do
    run_target "$target" &
done
wait

failed=0
for target; do
    place=$build/fuzz/$target
    findings=$(find "$place/findings" -type f | wc -l)
    [ "$findings" -eq 0 ] || failed=1
    awk -v target="$target" -v findings="$findings" '
        /stat::number_of_executed_units/ { runs += $2 }
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "ft:") ft = $(i + 1) } }
        END { printf "%-12s %12d executions, %6d edges, %6d features, %d findings\n", target, runs, cov, ft, findings }' "$place/log"
done
exit $failed
