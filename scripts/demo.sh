#!/bin/sh
# The demo: draws two data sets (screws at any pose, a box of pasta), learns from the good pictures alone, inspects new
# ones, and prints how well good and defective are told apart.  Everything it writes lies in demo-out/.
#
#     BUILD=build DEMO_OUT=demo-out scripts/demo.sh [renderer options, as --seed 2 --bad 48]
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
out=${DEMO_OUT:-demo-out}
program=$build/dinopatch
began=$(date +%s)

say() { printf '%s\n' "$*"; }

# The smallest DINOv2 checkpoint at hand, or a stand-in.
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/dinopatch
model=${DINOPATCH_MODEL:-}
for name in vits14 vits14_reg vitb14 vitb14_reg vitl14 vitl14_reg vitg14 vitg14_reg; do
    if [ -z "$model" ] && [ -f "$cache/$name.safetensors" ]; then model=$cache/$name.safetensors; fi
done
for file in "$cache"/*.safetensors; do
    if [ -z "$model" ] && [ -f "$file" ]; then model=$file; fi
done

mkdir -p "$out"
rm -rf "$out/data" "$out/screw" "$out/pasta"
if [ -n "$model" ]; then
    say "Weights: $model"
else
    model=$out/stand-in.safetensors
    "$program" model synth --arch demo --out "$model" >/dev/null
    say "Weights: none of DINOv2 found (in DINOPATCH_MODEL or $cache), so a small stand-in"
    say "         of random numbers is used.  It shows how everything works, not how well: for real figures run"
    say "         \"$program model pull vits14\" once, then this demo again."
fi

say "Drawing two data sets into $out/data ..."
"$build/demo/dinopatch-demo-render" "$out/data" --set pasta "$@" &
pasta=$!
"$build/demo/dinopatch-demo-render" "$out/data" --set screw "$@"
wait "$pasta"

exec 3>&1
run() { # shown on the terminal, then run; its output goes where the caller sends it
    printf '\n$ %s\n' "$*" >&3
    "$@"
}

try() { # SET FIT_OPTIONS...: fits on the good pictures, inspects the others into SET/scores.csv
    set_name=$1
    bank=$out/$1/$1.bank pictures=$out/data/$1 maps=$out/$1/maps
    shift
    mkdir -p "$out/$set_name"
    run "$program" fit --quiet --model "$model" --bank "$bank" "$@" "$pictures/train/good"
    run "$program" inspect --quiet --model "$model" --bank "$bank" --csv --out "$maps" "$pictures/test" \
        >"$out/$set_name/scores.csv"
}

# A part lies anywhere: found and turned into one pose, compared place by place.  A texture: compared with all places.
try screw --canvas 224x448 --score top1p
try pasta --canvas 448x448 --score top1p --align none --polarity none --window global

# AUROC: the share of pairs of a good and a defective picture in which the defective one has the higher score.
# shellcheck disable=SC2016
table='
function row(name, kind,    i, j, pairs, won, n, caught, passed, goods) {
    for (i = 1; i <= count; i++) {
        if (defect[i] == "good") {
            goods++
            passed += label[i] == "good"
        } else if (kind == "" || defect[i] == kind) {
            n++
            caught += label[i] == "anomalous"
            for (j = 1; j <= count; j++)
                if (defect[j] == "good") {
                    pairs++
                    won += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0
                }
        }
    }
    printf "%-22s %8s %10d of %-3d", name, pairs ? sprintf("%.3f", won / pairs) : "-", caught, n
    printf kind == "" ? " %12d of %d\n" : "\n", passed, goods
}
{
    input = $0
    sub(/,(ok|error),.*/, "", input)
    n = split(input, path, "/")
    rest = substr($0, length(input) + 2)
    split(rest, field, ",")
    if (field[1] != "ok")
        next
    count++
    defect[count] = path[n - 1]
    score[count] = field[4] + 0 # the columns: dinopatch inspect --help
    label[count] = field[2]
    if (path[n - 1] != "good" && !(path[n - 1] in seen)) {
        seen[path[n - 1]] = 1
        kinds[++n_kinds] = path[n - 1]
    }
}
END {
    row(set_name, "")
    for (k = 1; k <= n_kinds; k++)
        row("  " kinds[k], kinds[k])
}'

printf '\n%-22s %8s %17s %18s\n' '' AUROC 'defects caught' 'good ones passed'
for name in screw pasta; do
    awk -v set_name="$name" "$table" "$out/$name/scores.csv"
done
say ""
say "AUROC: 1 all defective pictures score above all good ones, 0.5 no better than chance."
say "Heat maps to look at: $out/screw/maps/*.heatmap.png and $out/pasta/maps/*.heatmap.png"
say "Done in $(($(date +%s) - began)) s."
