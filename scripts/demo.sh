#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo: draws two data sets (screws at any pose, a box of pasta), learns from the good pictures alone, inspects new pictures, and
# computes from the output of `inspect --json` how well good and defective pictures are separated.  It writes only into demo-out/.
#
#     BUILD=build DEMO_OUT=demo-out scripts/demo.sh [options of the renderer, for example --seed 2 --bad 48]
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
out=${DEMO_OUT:-demo-out}
program=$build/dinopatch
began=$(date +%s)

say() { printf '%s\n' "$*"; }

mkdir -p "$out"
rm -rf "$out/data" "$out/screw" "$out/pasta"
say "Network: nano, which is built in."
say "Drawing two data sets into $out/data ..."
"$build/demo/dinopatch-demo-render" "$out/data" --set pasta "$@" &
pasta=$!
"$build/demo/dinopatch-demo-render" "$out/data" --set screw "$@"
wait "$pasta"

exec 3>&1
run() { # shows the command on the terminal and runs it; its output goes where the caller sends it
    printf '\n$ %s\n' "$*" >&3
    "$@"
}

try() { # SET: fits on the good pictures, inspects the others into SET/results.jsonl
    set_name=$1
    bank=$out/$1/$1.bank pictures=$out/data/$1 maps=$out/$1/maps
    mkdir -p "$out/$set_name"
    run "$program" fit --out "$bank" --overwrite "$pictures/train/good" 2>"$out/$set_name/fit.log" >&3
    code=0 # 1: some pictures could not be inspected; the table counts them
    run "$program" inspect --quiet --bank "$bank" --json --out "$maps" "$pictures/test" \
        >"$out/$set_name/results.jsonl" || code=$?
    [ "$code" -le 1 ] || exit "$code"
}

# A screw may lie anywhere: fit sees that its pictures are more alike once each screw is turned into one pose.  A box of pasta fills its
# picture: there is nothing to turn.
try screw
try pasta

# Each line is one object; the folder of a picture gives its class.
# AUROC: the share of pairs of a good and a defective picture in which the defective one has the higher score.
# shellcheck disable=SC2016
table='
function field(name,    text) {
    if (!match($0, "\"" name "\": *(null|\"[^\"]*\"|[-+.0-9eE]+)")) {
        print "no " name " in: " $0 >"/dev/stderr"
        failed = 1
        exit
    }
    text = substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3)
    gsub(/^ *"?|"$/, "", text)
    return text
}
function row(name, kind,    i, j, pairs, won, n, caught, passed, goods, skipped) {
    for (i = 1; i <= count; i++) {
        if (kind != "" && defect[i] != kind && defect[i] != "good")
            continue
        if (defect[i] == "good") {
            goods++
            passed += label[i] == "good"
        } else {
            n++
            caught += label[i] == "anomalous"
        }
        if (kind == "" || defect[i] == kind)
            skipped += label[i] != "good" && label[i] != "anomalous"
        if (defect[i] == "good" || score[i] == "null")
            continue
        for (j = 1; j <= count; j++)
            if (defect[j] == "good" && score[j] != "null") {
                pairs++
                won += score[i] + 0 > score[j] + 0 ? 1 : score[i] + 0 == score[j] + 0 ? 0.5 : 0
            }
    }
    printf "%-20s %7s %18s %18s %15d\n", name, pairs ? sprintf("%.3f", won / pairs) : "-", caught + 0 " of " n + 0, \
        kind == "" ? passed + 0 " of " goods + 0 : "", skipped
}
/"input"/ {
    n = split(field("input"), path, "/")
    defect[++count] = path[n - 1]
    score[count] = field("score")
    label[count] = field("label")
    if (path[n - 1] != "good" && !(path[n - 1] in seen)) {
        seen[path[n - 1]] = 1
        kinds[++n_kinds] = path[n - 1]
    }
}
END {
    if (failed)
        exit 1
    row(set_name, "")
    for (k = 1; k <= n_kinds; k++)
        row("  " kinds[k], kinds[k])
}'

printf '\n%-20s %7s %18s %18s %15s\n' '' AUROC 'defects caught' 'good ones passed' 'not inspected'
for name in screw pasta; do
    awk -v set_name="$name" "$table" "$out/$name/results.jsonl"
done
say ""
say "AUROC: 1 all defective pictures score above all good ones, 0.5 no better than chance."
say "Caught and passed: at the threshold that fit found, from the good pictures alone."
say "Heat maps to look at, and the results: $out/screw and $out/pasta"
say "Done in $(($(date +%s) - began)) s."
