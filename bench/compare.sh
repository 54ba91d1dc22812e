#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compare.sh - this engine beside ONNX Runtime on one machine, in alternation, and the ratios of the best and median passes.
#
# usage: bench/compare.sh                                          vitb14 at 784 and 518, vits14 at 448: some four minutes at rest
#        bench/compare.sh ARCHITECTURE SIZE [ROUNDS] [THREADS]     one of them, e.g. bench/compare.sh vitb14 784
# A ratio is of passes of the same round; printed is the median over the rounds, and the ratio of the best passes.
# needs: a build with `ninja -C build bench/bench_vit`; node with onnxruntime-node (NODE_PATH); python3-torch for the export;
#        python3-onnx for ONNX Runtime's int8 form (left out without).
# BUILD names the build folder (build), WORK a folder for the models (/tmp/dinopatch-bench), PYTHON the interpreter.
set -eu
if [ $# -eq 0 ]; then
    echo "load average before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    "$0" vits14 448 5
    "$0" vitb14 518 3
    "$0" vitb14 784 2
    echo "load average after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    exit
fi
architecture=$1 size=$2 rounds=${3:-3} threads=${4:-$(nproc)}
here=$(dirname "$0")
build=${BUILD:-$here/../build} work=${WORK:-/tmp/dinopatch-bench} python=${PYTHON:-python3}
mkdir -p "$work"
bench=$build/bench/bench_vit
onnx=$work/$architecture-$size.onnx
int8=$work/$architecture-$size.int8.onnx
results=$work/$architecture-$size.txt

"$bench" "$architecture" 56x56 fp32 1 "$threads" >/dev/null 2>&1 # writes the stand-in
[ -s "$onnx" ] || "$python" "$here/export_onnx.py" "/tmp/dinopatch-$architecture.safetensors" "$size" "$onnx"
[ -s "$int8" ] || "$python" "$here/quantize_onnx.py" "$onnx" "$int8" 2>/dev/null || rm -f "$int8"

: >"$results"
seconds() { # NAME: reads one JSON line
    sed -n 's/.*"median_s":\([0-9.]*\),"min_s":\([0-9.]*\).*/'"$1"' \1 \2/p' >>"$results"
}
round=0
while [ $round -lt "$rounds" ]; do
    node "$here/bench_onnxruntime.js" "$onnx" "$size" 2 "$threads" | seconds onnxruntime-fp32
    "$bench" "$architecture" "${size}x$size" fp32 2 "$threads" | seconds fp32
    [ ! -s "$int8" ] || node "$here/bench_onnxruntime.js" "$int8" "$size" 2 "$threads" | seconds onnxruntime-int8
    "$bench" "$architecture" "${size}x$size" int8 2 "$threads" | seconds int8
    round=$((round + 1))
done
awk -v what="$architecture at ${size}x$size, $threads threads, $rounds rounds" '
    { if (!($1 in best) || $3 < best[$1]) best[$1] = $3; seconds[$1, ++n[$1]] = $2 }
    function middle(values, count,   i, j, t) {
        for (i = 2; i <= count; i++) for (j = i; j > 1 && values[j - 1] > values[j]; j--) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
        return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
    }
    END {
        print what
        printf "%-18s %9s %9s %28s\n", "", "best s", "median s", "faster than ONNX Runtime fp32"
        count = split("onnxruntime-fp32 onnxruntime-int8 fp32 int8", order, " ")
        for (i = 1; i <= count; i++) if (order[i] in best) {
            for (j = 1; j <= n[order[i]]; j++) { s[j] = seconds[order[i], j]; ratio[j] = seconds["onnxruntime-fp32", j] / s[j] }
            printf "%-18s %9.3f %9.3f %10.2f (median) %5.2f (best)\n", order[i], best[order[i]], middle(s, n[order[i]]),
                   middle(ratio, n[order[i]]), best["onnxruntime-fp32"] / best[order[i]]
        }
    }' "$results"
