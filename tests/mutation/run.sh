#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Mutation check: changes one operator, constant or statement of the code that scores and measures, and looks whether the unit tests notice.
#
#     run.sh [MUTANTS [SEED [FILE...]]]      300, 1, all files of the table below
#
# A seeded sample of all places (sites.awk) is taken.  Of each only the one object is compiled and linked before the library into the tests that
# are about it; a mutant that compiles to the same code cannot be told apart and counts as equivalent.  Survivors are printed with their
# line, and in build-mutation/survivors.txt.  BUILD (build): a release build with its tests.  NICE (19): priority.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
cd "$here/../.." || exit 1
build=${BUILD:-build}
mutants=${1:-300}
seed=${2:-1}
[ $# -gt 2 ] && shift 2 && only=$* || only=

# The code, and the tests that are about it, the quick ones first.
table='
src/eval/aupro.c metrics golden
src/eval/bootstrap.c metrics golden
src/eval/confusion.c metrics golden tune
src/score/conformal.c tune
src/eval/pixels.c metrics golden
src/eval/precision_recall.c metrics golden
src/eval/roc.c metrics golden
src/eval/sparse_map.c tune
src/eval/steps.c metrics golden tune
src/eval/tune.c tune
src/score/connected.c map post
src/score/defects.c map run
src/score/postprocess.c post score
src/geometry/project.c map
src/geometry/spaces.c spaces
src/score/smooth.c map patchcore
src/score/cell_score.c score
src/search/distance.c bank distance leave_one_out patchcore compress
src/search/distance_c.c distance
src/search/searcher.c components
src/search/distance_scales.c components
src/search/global.c global distance
src/search/part.c components
src/bank/builder.c rows bank
src/bank/bank_pictures.c rows background
src/bank/rows.c rows bank
src/bank/scoring.c rows
src/score/calibrate.c leave_one_out run
src/score/good_scorer.c leave_one_out compress masks
src/score/map_scorer.c leave_one_out patchcore run
src/score/leave_one_out.c leave_one_out patchcore compress edit run
src/search/reweight.c patchcore run
'
flags='-std=c11 -O1 -w -ffp-contract=off -fvisibility=hidden -fno-math-errno -D_GNU_SOURCE -fPIC -pthread -Iinclude -Isrc'
ninja -C "$build" src/libdinopatch.a io/libdinopatch-io.a $(printf '%s' "$table" | tr ' ' '\n' | grep -v / | sort -u |
    sed '/^$/d; s|^|tests/unit/test_|; s|tests/unit/test_golden$|tests/golden/test_golden_metrics|') >/dev/null ||
    exit 1
libraries=$(pkg-config --libs vips glib-2.0 jansson libcrypto cairo cmocka)
out=build-mutation
rm -rf "$out"
mkdir -p "$out/src"

for file in $(printf '%s' "$table" | awk 'NF { print $1 }'); do
    case " $only " in "  " | *" $file "*) awk -f "$here/sites.awk" "$file" ;; esac
done >"$out/sites"
awk -v seed="$seed" 'BEGIN { srand(seed) } { printf "%.9f\t%s\n", rand(), $0 }' "$out/sites" | sort -n | head -n "$mutants" | cut -f2- |
    sort -t "$(printf '\t')" -k1,1 -k2,2n -k3,3n >"$out/sample"
printf '%d places, %d of them tried (seed %s)\n' "$(wc -l <"$out/sites")" "$(wc -l <"$out/sample")" "$seed"

killed=0 survived=0 broken=0 same=0
: >"$out/survivors.txt"
: >"$out/all.txt"
last=
tab=$(printf '\t')
while IFS="$tab" read -r file line column old new; do
    if [ "$file" != "$last" ]; then
        # shellcheck disable=SC2086
        ${CC:-cc} $flags -c "$file" -o "$out/original.o" || exit 1
        last=$file
    fi
    awk -v line="$line" -v column="$column" -v old="$old" -v new="$new" '
        NR != line { print; next }
        old == "statement" { print ";"; next }
        { print substr($0, 1, column - 1) new substr($0, column + length(old)) }' "$file" >"$out/src/$(basename "$file")"
    # shellcheck disable=SC2086
    if ! ${CC:-cc} $flags -I"$(dirname "$file")" -c "$out/src/$(basename "$file")" -o "$out/mutant.o" 2>/dev/null; then
        verdict=broken broken=$((broken + 1))
    elif cmp -s "$out/original.o" "$out/mutant.o"; then
        verdict=same same=$((same + 1))
    else
        verdict=survived
        for name in $(printf '%s' "$table" | awk -v file="$file" '$1 == file { $1 = ""; print }'); do
            object=$build/tests/unit/test_$name.p/test_$name.c.o
            [ "$name" = golden ] && object=$build/tests/golden/test_golden_metrics.p/test_metrics.c.o
            # shellcheck disable=SC2086
            ${CC:-cc} -o "$out/test" "$object" "$out/mutant.o" "$build/io/libdinopatch-io.a" "$build/src/libdinopatch.a" $libraries -ldnnl -lgomp \
                -llapacke -lm -pthread 2>"$out/link.log" || { cat "$out/link.log"; exit 1; }
            # A mutant that runs for ever or asks for all memory is noticed as well.
            { (ulimit -v 8000000; export CMOCKA_TEST_ABORT=1; exec nice -n "${NICE:-19}" timeout -k 1 "${SECONDS_EACH:-60}" "$out/test" >/dev/null 2>&1); } 2>/dev/null || { verdict=killed; break; }
        done
        [ $verdict = killed ] && killed=$((killed + 1)) || survived=$((survived + 1))
    fi
    printf '%s\t%s:%s:%s\t%s -> %s\n' "$verdict" "$file" "$line" "$column" "$old" "$new" >>"$out/all.txt"
    [ $verdict = survived ] && printf '%s:%s:%s: %s -> %s\n    %s\n' "$file" "$line" "$column" "$old" "$new" "$(sed -n "${line}p" "$file" | sed 's/^ *//')" |
        tee -a "$out/survivors.txt"
done <"$out/sample"
printf '\n%-34s %6s %9s %6s %14s\n' file killed survived same 'not compiling'
awk -F '\t' '{ split($2, at, ":"); n[at[1]]; c[at[1], $1]++ }
    END { for (f in n) printf "%-34s %6d %9d %6d %14d\n", f, c[f, "killed"], c[f, "survived"], c[f, "same"], c[f, "broken"] }' "$out/all.txt" | sort
printf '%-34s %6d %9d %6d %14d\n' all $killed $survived $same $broken
