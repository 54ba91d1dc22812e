#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# methods.sh - the methods beside each other, on the same pictures and networks: one Markdown table.
#
# usage: research/methods.sh DATA MODEL OUT
#     DATA    folder of data sets (train/good, test/good, test/DEFECT..., ground_truth where there are masks); "" : drawn sets alone
#     MODEL   the networks that all of them use, separated by blanks: nano, checkpoints
#     OUT     folder for the evaluations (what is there already is not done again) and for the drawn sets
#
#     SIZE=224    side of the input in pixels, a multiple of the patch, for paper, best, dinopatch, anomalydino and patchcore; AnomalyDINO on nano, whose
#                 cells are half as wide, takes half of it (each of its cells meets those of eight turns of every good picture)
#     SETS        names of the data sets, drawn ones (screw, pasta) included; all by default
#     METHODS     rows by their keys below (auto, padim, subspace, superadd, rad, spade with their own canvas); by default the first four
#     DINOPATCH=build/dinopatch    RENDER=build/demo/dinopatch-demo-render    THREADS= (all)
#
# No setting is tuned on these pictures by this script.  "Best settings" are those that research/defaults.sh favoured (docs/results.md).
# Bank: its features and their tables.  Search: milliseconds from the features of a picture to its distances, median over the test
# pictures and the fastest of them; network: the same of the transformer.
set -eu
[ $# = 3 ] || { sed -n '5,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$1 models=$2 out=$3
program=${DINOPATCH:-build/dinopatch} render=${RENDER:-build/demo/dinopatch-demo-render}
size=${SIZE:-224}
mkdir -p "$out"

drawn=$out/drawn
known=
for folder in ${data:+"$data"/*/}; do
    [ -d "$folder/train/good" ] && known="$known $(basename "$folder")"
done
sets=${SETS:-$known screw pasta}

folder_of() { # SET
    if [ -n "$data" ] && [ -d "$data/$1/train/good" ]; then echo "$data/$1"; else echo "$drawn/$1"; fi
}

for set in $sets; do # what is not there is drawn
    [ -d "$(folder_of "$set")" ] || "$render" "$drawn" --train 24 --good 20 --bad 30 --set "$set"
done

# Of the sets known here only the drawn screws lie at any angle; what is not aligned is compared as photographed.
lying() { # SET -> options of a canvas that suits it
    case $1 in
    screw*) echo "--align pca --canvas ${size}x$((2 * size))" ;;
    *) echo "--align none --canvas ${size}x$size" ;;
    esac
}

options_of() { # METHOD SET NETWORK
    case $1 in
    paper) echo "--align pca --polarity mirror --window 0 --score p99 --canvas ${size}x$size" ;;
    best) echo "$(lying "$2") --polarity rotate --window 0 --score top1p" ;;
    anomalydino) if [ "$3" = nano ]; then echo "--method anomalydino --edge $((size / 2))"; else echo "--method anomalydino --edge $size"; fi ;;
    dinopatch | patchcore) echo "--method $1 --canvas ${size}x$size" ;;
    *) echo "--method $1" ;;
    esac
}

title_of() { # METHOD
    case $1 in
    paper) echo "DinoPatch, the paper's settings" ;;
    best) echo "DinoPatch, best settings" ;;
    anomalydino) echo "AnomalyDINO" ;;
    patchcore) echo "PatchCore" ;;
    padim) echo "PaDiM" ;;
    subspace) echo "SubspaceAD" ;;
    superadd) echo "SuperADD" ;;
    rad) echo "RAD" ;;
    spade) echo "SPADE" ;;
    *) echo "$1" ;;
    esac
}

number() { # KEY FILE FORMAT [FACTOR]
    value=$(sed -n "s/^ *\"$1\": *\([-0-9.e+]*\),*\$/\1/p" "$2" | head -n 1)
    if [ -n "$value" ]; then awk -v x="$value" -v f="${4:-1}" "BEGIN { printf \"$3\", x * f }"; else printf '%s' '–'; fi
}

least() { # TIMING FILE
    sed -n "s/^ *\"$1\": *\([-0-9.e+]*\),*\$/\1/p" "$2" | sort -g | head -n 1
}

both() { # TIMING FORMAT: median and fastest
    printf "%s ($2)" "$(number "$1" "$to/metrics.json" "$2")" "$(least "$1" "$to/run.json")"
}

echo "| set | network | method | image AUROC | pixel AUROC | AU-PRO 0.30 | bank, MB | search, ms (fastest) | network, ms (fastest) |"
echo "|---|---|---|---|---|---|---|---|---|"
for set in $sets; do
    for model in $models; do
        network=$(basename "$model" .safetensors)
        for method in ${METHODS:-paper best anomalydino patchcore}; do
            to=$out/$size/$set/$network/$method
            mkdir -p "$to"
            code=0
            # shellcheck disable=SC2046  # options are several words
            "$program" eval --quiet ${THREADS:+--threads "$THREADS"} --model "$model" --out "$to" $(options_of "$method" "$set" "$network") \
                "$(folder_of "$set")" >"$to/table.txt" 2>"$to/log.txt" || code=$?
            title=$(title_of "$method")
            if [ ! -f "$to/metrics.json" ] || [ $code -gt 1 ]; then
                why=$(sed -n 's/.*not possible: //p' "$to/table.txt" | tail -n 1)
                [ "$why" ] || why=$(grep -v -e '^warning' -e '^Try ' "$to/log.txt" | tail -n 1 | sed 's/^dinopatch eval: //')
                echo "| $set | $network | $title | not possible: $(echo "$why" | tr '|' ' ') | | | | | |"
                continue
            fi
            # Test pictures the alignment refused: they are compared unaligned.
            refused=$(grep -c '"align": "\(few_edges\|round\|cut\)"' "$to/run.json" || true)
            [ "$refused" = 0 ] || title="$title ($refused of $(grep -c '"align": "' "$to/run.json") not aligned)"
            m=$to/metrics.json
            echo "| $set | $network | $title | $(number image_auroc "$m" %.3f) | $(number pixel_auroc "$m" %.3f) | $(number aupro_30 "$m" %.3f) |" \
                "$(number bank_bytes "$m" %.1f 1e-6) | $(both search_ms %.2f) | $(both embed_ms %.0f) |"
        done
    done
done
