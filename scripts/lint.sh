#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the code without running it: gcc -fanalyzer, clang-tidy, cppcheck.
#
#     scripts/lint.sh [gcc] [tidy] [cppcheck]      all three if none is named
#     FILES='REGEX' JOBS=N                         only files whose path matches; N processes (default: one per processor)
#
# Prints the findings and one line for each tool; the exit code is 1 if there are findings.  The configuration is in .clang-tidy,
# scripts/cppcheck.supp and below; each check that is off has its reason there.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build="build-lint"
files=${FILES:-.}
jobs=${JOBS:-$(nproc)}
[ $# -gt 0 ] || set -- gcc tidy cppcheck

CC=clang scripts/configure.sh "$build" -Dwerror=false >/dev/null || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Writes a line for each C file of the build: the compiler arguments, then the file.
sed -n 's/.*"command": "clang \(.*\) -MD .* -c \(.*\)",/\1 \2/p' "$build"/compile_commands.json |
    sed 's/-fcolor-diagnostics//; s/\\"/"/g' | awk -v files="$files" '$NF ~ files && !seen[$0]++' >"$folder/commands" # kernels appear once for each instruction set
sed 's/.* //' "$folder/commands" | sort -u >"$folder/files"

# DP_ANALYSIS: see src/base/error.h.
# A test that gets no memory may crash, because it has failed anyway, so the analyzer does not check its results of malloc().  If a test
# program ends early, the system closes files and frees memory.
# shellcheck disable=SC2317  # called by name
run_gcc() {
    local common='-O1 -fanalyzer -DDP_ANALYSIS -Werror -fdiagnostics-plain-output -S -o /dev/null'
    local in_tests='-Wno-analyzer-possible-null-dereference -Wno-analyzer-possible-null-argument -Wno-analyzer-null-argument'
    in_tests+=' -Wno-analyzer-file-leak -Wno-analyzer-malloc-leak'
    sed -E "s#^(.* \.\./(tests|bench)/.*)\$#$in_tests \1#" "$folder/commands" |
        (cd "$build" && xargs -P "$jobs" -d '\n' -I{} sh -c "gcc $common {}")
}

# shellcheck disable=SC2317
run_tidy() {
    (cd "$build" && xargs -P "$jobs" -n 1 clang-tidy --quiet -p . --extra-arg=-DDP_ANALYSIS 2>"$folder/tidy.err") <"$folder/files"
    local code=$?
    [ "$code" -eq 0 ] || grep -vE '^[0-9]+ warnings?( and [0-9]+ errors?)? (generated|treated)|^Suppressed|^Use -header' "$folder/tidy.err"
    [ "$code" -lt 124 ] || printf 'xargs ended with %d\n' "$code"
    [ "$code" -eq 0 ]
}

# shellcheck disable=SC2317
run_cppcheck() {
    cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,style,performance,portability --inline-suppr \
        --suppressions-list=scripts/cppcheck.supp --library=posix --library=gnu --library=gtk --library=scripts/cppcheck.cfg \
        -D__x86_64__ -DDP_SIMD_AVX2 -D__GNUC__ -D_GNU_SOURCE -DDP_ANALYSIS -I. -Iinclude -Isrc -Iio -Icli -Itests \
        --template='{file}:{line}: {severity}: {message} [{id}]' --error-exitcode=1 \
        --file-list="$folder/own" 2>&1
}
sed 's#^\.\./##' "$folder/files" >"$folder/own"

failed=0
for tool in "$@"; do
    begin=$SECONDS
    case $tool in
    gcc | tidy | cppcheck) ;;
    *) echo "lint: no tool \"$tool\"" >&2 && exit 2 ;;
    esac
    if "run_$tool" >"$folder/$tool.log" 2>&1; then
        printf 'lint: %s: clean (%d files, %ds)\n' "$tool" "$(wc -l <"$folder/files")" $((SECONDS - begin))
    else
        sed -E "s#(/[^ :]*)?$build/\.\./##; s#^\.\./##" "$folder/$tool.log"
        printf 'lint: %s: FINDINGS (%ds)\n' "$tool" $((SECONDS - begin))
        failed=1
    fi
done
exit $failed
