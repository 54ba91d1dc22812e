#!/bin/sh
# The main job under valgrind's memcheck: render pictures, make a checkpoint, fit, inspect, eval, bank verify.
#
#     scripts/valgrind.sh BUILD          a build folder without sanitizers, with debugging symbols
#
# Every read of memory that is not allocated or holds no value, every wrong free and every definite leak is an error and
# ends with exit code 1, after its report.  scripts/valgrind.supp says what libraries may do, and why.
# VALGRIND_OPTIONS: more of its options, split at spaces.
# Valgrind 3.19 knows AVX2 and tells the program so; oneDNN asks the processor itself and is told by a variable.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
program=$(realpath "$1/dinopatch") render=$(realpath "$1/demo/dinopatch-demo-render")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cd "$folder" || exit 1
export ONEDNN_MAX_CPU_ISA=AVX2 G_SLICE=always-malloc OMP_NUM_THREADS=1 HOME="$folder"
failures=0

# shellcheck disable=SC2086
check() { # TITLE COMMAND...
    title=$1
    shift
    if valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        --track-origins=yes --num-callers=25 --suppressions="$here/valgrind.supp" ${VALGRIND_OPTIONS:-} \
        "$@" >stdout 2>stderr; then
        printf 'valgrind: %s: clean\n' "$title"
    else
        printf 'valgrind: %s: FAILED\n' "$title"
        cat stdout stderr
        failures=$((failures + 1))
    fi
}

"$render" pictures --set screw --size 160 --train 3 --good 1 --bad 2 || exit 1
"$program" model synth --arch demo --out model.safetensors || exit 1
set -- pictures/screw/train/good
check 'fit' "$program" fit --quiet --model model.safetensors --bank good.bank --canvas 56x112 --threads 2 "$@"
check 'inspect' "$program" inspect --model model.safetensors --bank good.bank --json --out heat --threads 2 pictures/screw/test
check 'eval' "$program" eval --quiet --model model.safetensors --canvas 56x112 --threads 2 --out out --report report.html pictures/screw
check 'bank verify' "$program" bank verify good.bank
[ "$failures" -eq 0 ]
