#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A fit as docs/scale.md has it on a Slurm cluster of two nodes, all on this machine: an array of 8 shards, a merge that depends on it,
# a node that is killed in the middle.  The bank must be that of one fit, byte for byte.
#
#     slurm.sh DINOPATCH RENDER      needs root, and the packages of the group scale, which it installs where it can
#
# Exit code 77: skipped, with the reason as the last line printed.
set -u
DINOPATCH=$(realpath "$1") RENDER=$(realpath "$2")
skip() {
    echo "$*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip 'skipped: slurmd and munged need root'
if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    "$(dirname "$0")/../../scripts/deps.sh" scale >/dev/null 2>&1
fi
for program in slurmctld slurmd munged sbatch; do
    command -v $program >/dev/null || skip "skipped: $program is not installed (scripts/deps.sh scale)"
done

top=$(mktemp -d "${TMPDIR:-/tmp}/dinopatch-slurm-XXXXXX")
chmod 755 "$top"
export SLURM_CONF="$top/slurm.conf" DINOPATCH
started=
ends() {
    [ ! -f "$top/munged.pid" ] || started="$started $(cat "$top/munged.pid")"
    for pid in $started; do kill "$pid" 2>/dev/null; done
    sleep 1
    for pid in $started; do kill -9 "$pid" 2>/dev/null; done
    rm -rf "$top"
}
trap ends EXIT
trap 'exit 130' INT TERM
fails() {
    echo "FAILED: $*"
    tail -n 20 "$top"/*.log 2>/dev/null
    exit 1
}
begun() {
    printf '\n[ RUN      ] %s\n' "$1"
}
good() {
    printf '[       OK ] %s\n' "$1"
}
wait_for() { # SECONDS COMMAND...: until it succeeds
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

# ---- the cluster
host=$(hostname -s)
head -c 1024 /dev/urandom >"$top/munge.key"
chmod 600 "$top/munge.key"
munged --force --socket="$top/munge.socket" --key-file="$top/munge.key" --pid-file="$top/munged.pid" --log-file="$top/munged.log" \
    --seed-file="$top/munged.seed" >"$top/munged.out" 2>&1 || skip "skipped: munged does not start: $(tail -n 1 "$top/munged.out")"
base=$((20000 + $$ % 10000))
cat >"$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$top/munge.socket
CredType=cred/munge
StateSaveLocation=$top/state
SlurmdSpoolDir=$top/spool-%n
SlurmctldPidFile=$top/slurmctld.pid
SlurmdPidFile=$top/slurmd-%n.pid
SlurmctldLogFile=$top/slurmctld.log
SlurmdLogFile=$top/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_min_interval=100000
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=2
MinJobAge=600
JobRequeue=1
NodeName=node[0-1] NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 1))-$((base + 2)) CPUs=1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$top/state" "$top/spool-node0" "$top/spool-node1"
slurmctld -D >"$top/slurmctld.out" 2>&1 &
started="$started $!"
node() { # N: starts the node
    slurmd -D -N "node$1" >"$top/slurmd-$1.out" 2>&1 &
    eval "node$1=$!"
    started="$started $!"
}
node 0
node 1
idle() { [ "$(sinfo -h -N -o %T | grep -c idle)" = 2 ]; }
wait_for 30 idle || skip "skipped: the nodes do not come up here: $(cat "$top"/slurmd-*.log "$top"/*.out 2>/dev/null | grep -iE 'error|fatal' | tail -n 1)"

# ---- the work
cd "$top" || exit 1
"$RENDER" parts --set pasta --size 200 --train 16 --good 1 --bad 1 >render.log 2>&1 || fails "the pictures: $(tail -n 1 render.log)"
pictures=parts/pasta/train/good
settings="--size 192"

begun slurm-array-and-dependent-merge
# shellcheck disable=SC2086
"$DINOPATCH" fit --quiet --threads 1 $settings --out one.bank "$pictures" >fit.log 2>&1 || fails "one fit: $(tail -n 1 fit.log)"
# shellcheck disable=SC2086
"$DINOPATCH" fit --quiet --settle good.settled $settings "$pictures" >settle.log 2>&1 || fails "settle: $(tail -n 1 settle.log)"
cat >shard.sh <<'JOB'
#!/bin/sh
[ ! -f slow ] || sleep 3
exec "$DINOPATCH" fit --quiet --threads 1 --settled good.settled --shard "$SLURM_ARRAY_TASK_ID/8" --resume --overwrite \
    --out "$1-$SLURM_ARRAY_TASK_ID.shard" "$2"
JOB
cat >merge.sh <<'JOB'
#!/bin/sh
exec "$DINOPATCH" bank merge --quiet --out "$1.bank" "$1"-*.shard
JOB
chmod +x shard.sh merge.sh
array=$(sbatch --parsable --requeue --array=0-7 --output=shard-%a.log shard.sh first "$pictures") || fails 'sbatch of the array'
merge=$(sbatch --parsable --dependency=afterok:"$array" --output=merge.log merge.sh first) || fails 'sbatch of the merge'
ended() { ! squeue -h -j "$1" 2>/dev/null | grep -q .; }
wait_for 400 ended "$merge" || fails "$(squeue)"
cmp one.bank first.bank || fails "$(cat merge.log shard-*.log 2>/dev/null)"
good slurm-array-and-dependent-merge

begun slurm-killed-node-is-requeued
touch slow
array=$(sbatch --parsable --requeue --array=0-7 --output=again-%a.log shard.sh second "$pictures") || fails 'sbatch of the array'
merge=$(sbatch --parsable --dependency=afterok:"$array" --output=again.log merge.sh second) || fails 'sbatch of the merge'
busy() { squeue -h -t RUNNING -w node1 -o %i | grep -q .; }
wait_for 60 busy || fails "node1 has no work: $(squeue)"
# shellcheck disable=SC2154
victims=$(pgrep -f "^slurmstepd: \[.*\]" -P 1 2>/dev/null || true)
echo "killed: node1, which ran $(squeue -h -t RUNNING -w node1 -o %i)"
kill -9 "$node1"
for pid in $victims; do # only those of node1: their spool folder says so
    tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -q "SLURM_CONF=$top" && ls -l "/proc/$pid/fd" 2>/dev/null | grep -q spool-node1 && kill -9 "$pid"
done
scontrol update NodeName=node1 State=DOWN Reason=killed || fails 'the node is not taken out'
rm -f slow
wait_for 400 ended "$merge" || fails "$(squeue)"
cmp one.bank second.bank || fails "$(cat again.log again-*.log 2>/dev/null)"
grep -qE 'requeue|Requeue' slurmctld.log || fails 'no job was requeued'
good slurm-killed-node-is-requeued

begun parallel-shards
if command -v parallel >/dev/null; then
    parallel --will-cite -j 2 "$DINOPATCH fit --quiet --threads 1 --settled good.settled --shard {}/8 --out third-{}.shard $pictures" ::: 7 6 5 4 3 2 1 0 \
        >parallel.log 2>&1 || fails "$(tail -n 3 parallel.log)"
    ./merge.sh third >merge.log 2>&1 && cmp one.bank third.bank || fails "$(cat merge.log)"
    good parallel-shards
else
    printf 'GNU parallel is not installed\n[  SKIPPED ] parallel-shards\n'
fi
