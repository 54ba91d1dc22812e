#!/bin/sh
# compare.sh - this engine beside ONNX Runtime on one machine, in alternation, and the ratios of the best and median passes.
#
# usage: bench/compare.sh ARCHITECTURE SIZE [ROUNDS] [THREADS]        e.g. bench/compare.sh vitb14 784
# needs: a build with `ninja -C build bench/bench_vit`; node with onnxruntime-node (NODE_PATH); python3-torch for the export;
#        python3-onnx for ONNX Runtime's int8 form (left out without).
# BUILD names the build folder (build), WORK a folder for the models (/tmp/dinopatch-bench), PYTHON the interpreter.
set -eu
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
    { if (!($1 in best) || $3 < best[$1]) best[$1] = $3; list[$1] = list[$1] " " $2; n[$1]++ }
    function middle(name,   v, k, i, j, t) {
        k = split(list[name], v, " ")
        for (i = 2; i <= k; i++) for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int((k + 1) / 2)]
    }
    END {
        print what
        printf "%-18s %9s %9s %22s\n", "", "best s", "median s", "times ONNX Runtime fp32"
        for (i = split("onnxruntime-fp32 onnxruntime-int8 fp32 int8", order, " "); i >= 1; i--) seen[i] = 1
        for (i = 1; i <= 4; i++) if (order[i] in best)
            printf "%-18s %9.3f %9.3f %10.2f (best) %5.2f\n", order[i], best[order[i]], middle(order[i]),
                   best["onnxruntime-fp32"] / best[order[i]], middle("onnxruntime-fp32") / middle(order[i])
    }' "$results"
