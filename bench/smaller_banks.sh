#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# smaller_banks.sh - what a smaller bank costs: size, search, leave-one-out scores and image AUROC of several compressions.
#
# usage: bench/smaller_banks.sh MODEL OUT "NAME|FIT_OPTIONS|CATEGORY_FOLDER"...
#     CATEGORY_FOLDER   as MVTec AD lays it out: train/good, test/good, test/DEFECT...; few good pictures: see augment.py
#     WAYS              compressions, one a line: options of 'bank compress' (SHARE: of the rows, for --kmeans)
#     DINOPATCH, BENCH_SCORES   the programs (build/dinopatch, build/bench/bench_scores)
#
# All pictures of a set are embedded once, into one bank (alignment and polarity are then the same for all ways); 'bank remove' makes two
# of it, one to learn from and one of the pictures to score.  A markdown table is printed for each set: the search in
# processor time on one thread, AUROC of scores top1p, max, p99.
set -eu
model=$1 out=$2
shift 2
program=${DINOPATCH:-build/dinopatch}
scores=${BENCH_SCORES:-build/bench/bench_scores}
ways=${WAYS:---storage f32
--storage f16
--storage int8
--pca 64 --storage int8
--pca 0.9 --storage int8
--pca 0.95 --storage int8
--pca 0.99 --storage int8
--kmeans 0.4 --storage int8
--pca 0.95 --kmeans 0.6 --storage int8
--pca 0.99 --kmeans 0.45 --storage int8}
mkdir -p "$out"

auroc() { # scores file, column
    tail -n +2 "$1" | awk -F'\t' -v column="$2" '{ s = s c $column; l = l c ($1 ~ /\/test\/good\// ? 0 : 1); c = "," }
        END { printf "{\"image_level\":{\"case\":{\"scores\":[%s],\"labels\":[%s]}}}", s, l }' >"$out/auroc.json"
    "$program" metrics --json "$out/auroc.json" | sed -n 's/.*"auroc": *\([0-9.]*\).*/\1/p' | head -1 | xargs printf '%.4f'
}

for entry; do
    name=${entry%%|*} rest=${entry#*|}
    options=${rest%%|*} folder=${rest#*|}
    if [ ! -e "$out/$name.train.bank" ] || [ ! -e "$out/$name.test.bank" ]; then
        # shellcheck disable=SC2086  # options are several words
        "$program" fit --quiet --model "$model" --bank "$out/$name.all.bank" $options "$folder/train/good" "$folder/test" >/dev/null 2>&1 || true
        "$program" bank info --json "$out/$name.all.bank" | tr ',{' '\n\n' | sed -n 's/.*"name": *"\(.*\)".*/\1/p' >"$out/names"
        grep /test/ "$out/names" | tr '\n' '\0' | xargs -0 "$program" bank remove --quiet --bank "$out/$name.all.bank" --out "$out/$name.train.bank" >/dev/null
        grep /train/ "$out/names" | tr '\n' '\0' | xargs -0 "$program" bank remove --quiet --bank "$out/$name.all.bank" --out "$out/$name.test.bank" >/dev/null
        rm -f "$out/$name.all.bank"
    fi
    rows=$("$program" bank info --json "$out/$name.train.bank" | sed -n 's/.*"n_rows": *\([0-9]*\).*/\1/p' | head -1)
    printf '\n%s: %s rows at each place\n\n' "$name" "$rows"
    echo '| compression | numbers, rows | times smaller | search, processor ms | leave one out, mean change, rank correlation | top1p | max | p99 |'
    echo '|---|---|---|---|---|---|---|---|'
    full=
    echo "$ways" | while read -r way; do
        given=$(echo "$way" | awk -v rows="$rows" '{ for (i = 1; i <= NF; i++) if ($(i - 1) == "--kmeans" && $i < 1) $i = int($i * rows); print }')
        # shellcheck disable=SC2086
        "$program" bank compress --quiet $given "$out/$name.train.bank" --out "$out/small.bank" >"$out/report"
        "$scores" "$out/small.bank" "$out/$name.test.bank" 1 >"$out/scores"
        bytes=$(sed -n '1s/bytes \([0-9]*\),.*/\1/p' "$out/scores")
        full=${full:-$bytes}
        echo "| \`$given\` | $(sed -n '1s/.*rows \([0-9]*\), dim \([0-9]*\),.*/\2, \1/p' "$out/scores") | $(awk "BEGIN { printf \"%.1f\", $full / $bytes }") |" \
             "$(sed -n '1s/.*search_ms //p' "$out/scores") |" \
             "$(sed -n 's/.*change by \([-+0-9.]* %\) on average.*rank correlation \([-0-9.]*\).*/\1, \2/p' "$out/report") |" \
             "$(auroc "$out/scores" 2) | $(auroc "$out/scores" 3) | $(auroc "$out/scores" 4) |"
        rm -f "$out/small.bank"
    done
done
