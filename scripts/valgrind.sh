#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the main job under valgrind's memcheck: draws pictures, makes a checkpoint, then fit, inspect, eval, bank verify.
#
#     scripts/valgrind.sh BUILD          a build folder without sanitizers, with debugging symbols
#
# A read of memory that is not allocated or holds no value, a wrong free or a definite leak is an error: the script prints the report and
# ends with exit code 1.  scripts/valgrind.supp lists the accepted findings of libraries with their reasons.
# VALGRIND_OPTIONS: more options of valgrind, split at spaces.
# Valgrind 3.19 supports AVX2 and tells the program so.  oneDNN asks the processor itself, so a variable limits it.
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
