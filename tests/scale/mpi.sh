#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An inspection by 1 to 4 processes that mpirun starts, each with a part of the bank's rows, as docs/scale.md has it. Lines and maps must be
# those of one process with the whole bank, byte for byte; a rank that dies ends the job.
#
#     mpi.sh DINOPATCH RENDER
#
# Exit code 77: skipped, with the reason as the last line printed.
set -u
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
skip() {
    echo "$*"
    exit 77
}
[ -f "$(dirname "$DINOPATCH")/cli/dinopatch-mpi.so" ] || skip 'skipped: built without -Dmpi=enabled'
command -v mpirun >/dev/null || "$(dirname "$0")/../../scripts/deps.sh" scale >/dev/null 2>&1
command -v mpirun >/dev/null || skip 'skipped: mpirun is not installed (scripts/deps.sh scale)'

top=$(mktemp -d "${TMPDIR:-/tmp}/dinopatch-mpi-XXXXXX")
trap 'rm -rf "$top"' EXIT
trap 'exit 130' INT TERM
cd "$top" || exit 1
fails() {
    echo "FAILED: $*"
    exit 1
}
begun() {
    printf '\n[ RUN      ] %s\n' "$1"
}
good() {
    printf '[       OK ] %s\n' "$1"
}
# Processes of one machine speak by memory; more of them than processors is no fault here.
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_plm_rsh_agent=
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { # N COMMAND...
    n=$1
    shift
    mpirun --oversubscribe --bind-to none -n "$n" "$@"
}
same() { # OUT LINES: is that of one process
    cmp one.jsonl "$2" && diff -r one "$1"
}

"$RENDER" parts --set pasta --size 160 --train 9 --good 2 --bad 3 >render.log 2>&1 || fails "the pictures: $(tail -n 1 render.log)"
train=parts/pasta/train/good new=parts/pasta/test

method() { # NAME OPTIONS...: a bank by these options of fit
    name=$1
    shift
    begun "mpi-$name"
    rm -rf one ./*.bank out
    "$DINOPATCH" fit --quiet --threads 1 --size 96 "$@" --out whole.bank "$train" >fit.log 2>&1 || fails "fit: $(tail -n 1 fit.log)"
    "$DINOPATCH" inspect --quiet --threads 1 --no-times --json --bank whole.bank --out one "$new" >one.jsonl 2>one.log ||
        fails "one process: $(tail -n 1 one.log)"
    sed 's|"one/|"out/|g' one.jsonl >asked && mv asked one.jsonl
    [ "$(wc -l <one.jsonl)" = 5 ] || fails "$(wc -l <one.jsonl) lines"
    "$DINOPATCH" bank split --shares 4 --out part whole.bank >split.log 2>&1 || fails "split: $(tail -n 1 split.log)"
    for n in 1 2 3 4; do
        for bank in whole.bank 'part-*.bank'; do
            rm -rf out
            ranks $n "$DINOPATCH" inspect --quiet --threads 1 --no-times --json --bank "$bank" --out out "$new" >many.jsonl 2>many.log ||
                fails "$n ranks, $bank: $(cat many.log)"
            same out many.jsonl || fails "$n ranks, $bank: not the bytes of one process"
        done
    done
    good "mpi-$name"
}
method window
method dinopatch --method dinopatch --align none
method global --window global --knn 3
method order --set search.order=4
method int8 --storage int8
method patchcore --method patchcore
method patchcore-coreset --method patchcore --coreset 0.2
method anomalydino --method anomalydino
method rad --method rad

begun mpi-wrong-shares
"$DINOPATCH" fit --quiet --threads 1 --size 96 --out whole.bank --overwrite "$train" >fit.log 2>&1 || fails "fit: $(tail -n 1 fit.log)"
rm -f part-*
"$DINOPATCH" bank split --shares 3 --out part whole.bank >/dev/null || fails split
mv part-2.bank away
ranks 2 "$DINOPATCH" inspect --bank 'part-*.bank' "$new" >out.txt 2>err.txt && fails 'a missing share'
grep -q 'share 2 of 3 of this bank is missing' err.txt || fails "a missing share: $(cat err.txt)"
[ ! -s out.txt ] || fails 'a missing share, and results'
"$DINOPATCH" inspect --bank part-1.bank "$new" >out.txt 2>err.txt && fails 'one share alone'
grep -q 'is share 1 of 3 of a bank' err.txt || fails "one share alone: $(cat err.txt)"
good mpi-wrong-shares

# The rank is stopped by a signal in the middle of the pictures: the job ends with a sentence, soon; what was written is whole.
begun mpi-killed-rank
mv away part-2.bank
rm -rf out
i=0
while [ $i -lt 40 ]; do
    cp -r "$new" "many-$i"
    i=$((i + 1))
done
: >killed.jsonl
ranks 3 "$DINOPATCH" inspect --quiet --threads 1 --no-times --json --bank 'part-*.bank' --out out many-* >killed.jsonl 2>killed.log &
job=$!
i=0
while [ "$(wc -l <killed.jsonl)" -lt 5 ]; do
    i=$((i + 1))
    [ $i -lt 300 ] || fails "no lines: $(cat killed.log)"
    sleep 0.2
done
victim=
for pid in $(pgrep -x dinopatch); do
    [ "$(readlink "/proc/$pid/cwd")" = "$(pwd -P)" ] || continue
    tr '\0' '\n' <"/proc/$pid/environ" | grep -qx OMPI_COMM_WORLD_RANK=2 && victim=$pid
done
[ -n "$victim" ] || fails "rank 2 is not found"
kill -9 "$victim"
wait $job
code=$?
[ $code -ne 0 ] || fails 'a killed rank, and exit code 0'
[ "$(wc -l <killed.jsonl)" -lt 200 ] || fails 'it had ended before'
grep -q 'rank 2' killed.log || fails "nobody says that rank 2 died: $(cat killed.log)"
/usr/bin/python3 - <<'PY' || fails 'a line or a file is not whole'
import json, os
lines = open('killed.jsonl').read()
assert lines.endswith('\n'), lines[-80:]
for line in lines.splitlines():
    found = json.loads(line)
    assert found['status'] == 'ok' and os.path.getsize(found['map']['path']) > 0
for folder, _, names in os.walk('out'):
    for name in set(names) - {'.dinopatch-outputs'}:
        assert name.endswith(('.heat.png', '.map.tiff')), name
        data = open(os.path.join(folder, name), 'rb').read()
        assert data[-8:-4] == b'IEND' if name.endswith('png') else data[:2] in (b'II', b'MM'), name
PY
good mpi-killed-rank
