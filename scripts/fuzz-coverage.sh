#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints how many lines of its files each fuzz target reaches, with the inputs of tests/fuzz and those learned by fuzzing.
#
#     scripts/fuzz-coverage.sh BUILD [FUZZED] [TARGET...]
#
# BUILD was compiled with -Db_coverage=true.  FUZZED is the folder in which scripts/fuzz.sh left its corpora (build-fuzz/fuzz).  The targets
# run one after another as programs that replay files, and gcov counts.
set -eu
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
source=$(dirname "$here")
build=$(CDPATH='' cd "$1" && pwd -P)
fuzzed=${2:-$source/build-fuzz/fuzz}
shift "$(($# < 2 ? $# : 2))"
[ $# -gt 0 ] || set -- safetensors bank json picture options metrics

about() { # TARGET: prints a pattern of the files that the target is about
    case $1 in
    safetensors) echo '^src/(format/safetensors|network/(checkpoint|network|resnet))[.]c$' ;;
    bank) echo '^src/(bank/.*|reduce/.*|edit/.*|pipeline/compress)[.]c$' ;;
    json) echo '^(src/options/[a-z_]+|cli/json|cli/report/.*|cli/eval/state)[.]c$' ;;
    picture) echo '^(io/picture/(decode|load)|src/align/(canny|contour|pose))[.]c$' ;;
    options) echo '^cli/(options|recipe|inputs|main|models|roi|view|cmd_.*|bank_.*)[.]c$' ;;
    metrics) echo '^(cli/cmd_metrics|src/eval/.*)[.]c$' ;;
    esac
}

for target; do
    find "$build" -name '*.gcda' -exec rm -f {} +
    learned=
    [ ! -d "$fuzzed/$target/corpus" ] || learned=$fuzzed/$target/corpus
    # shellcheck disable=SC2086  # one word, or none
    "$build/tests/fuzz/fuzz_$target" "$source/tests/fuzz/corpus/$target" "$source/tests/fuzz/regressions/$target" $learned \
        >/dev/null 2>"$build/replay.log" || {
        printf '%s: an input broke it; it is the last one named in %s\n' "$target" "$build/replay.log"
        exit 1
    }
    find "$build/src" "$build/tests/fuzz" -name '*.gcda' | sed 's/gcda$/gcno/' | sort >"$build/objects"
    printf '%s, %d inputs\n' "$target" "$(grep -c / "$build/replay.log")"
    while read -r notes; do
        (cd "$build" && gcov --branch-probabilities --branch-counts --stdout --object-file "$notes" "$notes" 2>/dev/null)
    done <"$build/objects" | awk -v only="$(about "$target")" -f "$here/coverage.awk"
done
