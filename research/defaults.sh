#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# defaults.sh - which defaults earn their place: blocks, windows and scores compared over several data sets, and what the choice is
# worth on a set that had no say in it.
#
# usage: research/defaults.sh MODEL OUT "NAME|FIT_OPTIONS|CATEGORY_FOLDER"...
#     CATEGORY_FOLDER   as MVTec AD lays it out: train/good, test/good, test/DEFECT...
#     BLOCKS, WINDOWS, SCORES   what is compared (defaults below);  DINOPATCH names the program (build/dinopatch)
#
# Printed: image AUROC of every combination on every set with the mean and the largest loss against the best of that set; then for each
# set the combination that is best on the OTHER sets by mean AUROC, and its AUROC here beside the best there is (leave one set out).
set -eu
model=$1 out=$2
shift 2
program=${DINOPATCH:-build/dinopatch}
blocks=${BLOCKS:--1 7 4}
windows=${WINDOWS:-0 1 global}
scores=${SCORES:-max p99 top1p}
mkdir -p "$out"
table=$out/auroc.txt
: >"$table"

auroc() { # CSV of inspect -> image AUROC
    awk -F, 'NR > 1 && $2 == "ok" { s = s c $3; l = l c ($1 ~ /\/test\/good\// ? 0 : 1); c = "," }
             END { printf "{\"image_level\":{\"case\":{\"scores\":[%s],\"labels\":[%s]}}}", s, l }' "$1" >"$out/scores.json"
    "$program" metrics --json "$out/scores.json" | sed -n 's/.*"auroc": *\([0-9.]*\).*/\1/p' | head -1
}

for entry; do
    name=${entry%%|*} rest=${entry#*|}
    options=${rest%%|*} folder=${rest#*|}
    for block in $blocks; do
        bank=$out/$name.$block.bank
        # shellcheck disable=SC2086  # options are several words
        "$program" fit --quiet --model "$model" --bank "$bank" --layers="$block" $options "$folder/train/good" >/dev/null 2>&1 || true
        for window in $windows; do
            for score in $scores; do
                "$program" inspect --quiet --csv --bank "$bank" --window "$window" --score "$score" --threshold 0 "$folder/test" \
                    >"$out/scores.csv" 2>/dev/null || true
                echo "$name block:$block,window:$window,score:$score $(auroc "$out/scores.csv")" >>"$table"
            done
        done
        rm -f "$bank"
    done
done

awk '{ value[$1, $2] = $3; if (!($1 in seen)) { seen[$1]; set[++sets] = $1 } if (!($2 in known)) { known[$2]; way[++ways] = $2 } }
     END {
        printf "%-34s", ""; for (i = 1; i <= sets; i++) printf " %10s", set[i]; printf " %8s %8s\n", "mean", "loss"
        for (i = 1; i <= sets; i++) for (w = 1; w <= ways; w++) if (value[set[i], way[w]] > best[i]) best[i] = value[set[i], way[w]]
        for (w = 1; w <= ways; w++) {
            sum = 0; loss = 0; printf "%-34s", way[w]
            for (i = 1; i <= sets; i++) {
                v = value[set[i], way[w]]; sum += v; if (best[i] - v > loss) loss = best[i] - v; printf " %10.4f", v
            }
            printf " %8.4f %8.4f\n", sum / sets, loss
        }
        print ""
        for (i = 1; i <= sets && sets > 1; i++) {
            top = -1
            for (w = 1; w <= ways; w++) {
                sum = 0; for (k = 1; k <= sets; k++) if (k != i) sum += value[set[k], way[w]]
                if (sum > top) { top = sum; chosen = way[w] }
            }
            printf "%-12s chosen on the others: %-34s %.4f here, best here %.4f\n", set[i], chosen, value[set[i], chosen], best[i]
        }
     }' "$table"
