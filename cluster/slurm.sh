#!/usr/bin/env bash
# A search on the nodes of a Slurm job, which Ray's symmetric-run makes a cluster. README.md here says more.
#
#   sbatch --nodes=4 --gpus-per-node=4 cluster/slurm.sh STORAGE NAME [what is searched] [-- how it runs]
#   sbatch --nodes=4 --gpus-per-node=4 cluster/slurm.sh /mnt/results s11 --space s11 --samples 64 -- --trials-per-gpu 2
#
# Submit it from an environment that has tune-s11, in a folder that all nodes see. If the search is there already, because
# the job was requeued or submitted once more, it is resumed: it keeps what is searched, so only what follows `--` counts.
#SBATCH --job-name=tune-s11
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --open-mode=append
# Nodes of its own (--exclusive): at its end symmetric-run stops every Ray of the same user on each of them.
set -euo pipefail

if (($# < 2)); then
    echo "usage: sbatch --nodes=N $0 STORAGE NAME [what is searched] [-- how it runs]" >&2
    exit 2
fi
storage=$1 name=$2
shift 2
what=(--name "$name")
while (($#)) && [[ $1 != -- ]]; do
    what+=("$1")
    shift
done
how=("${@:2}")
if tune-s11 report trials "$name" --storage "$storage" >/dev/null 2>&1; then # which fails where there is no such search
    what=(--resume "$name")
fi

export RAY_AUTH_MODE=token # without it whoever reaches the ports runs code
ray get-auth-token --generate >/dev/null
export RAY_TMPDIR="/tmp/ray-$SLURM_JOB_USER" # /tmp/ray may belong to another user
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # s; nodes start minutes apart where Python comes from a shared file system

# This runs on the job's first node, the head. By its address, not its name, which gRPC may ask for elsewhere than in
# /etc/hosts; the port is the job's own.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
first=$(scontrol show node --oneliner "$first" | sed 's/.* NodeAddr=\([^ ]*\) .*/\1/')
head=$(getent ahostsv4 "$first" | awk '{print $1; exit}')
port=$((20000 + SLURM_JOB_ID % 10000))

# On each node. symmetric-run fails where the head does not listen within 45 s (Ray 2.60), so the others wait for it first.
start() {
    local head=$1 port=$2 deadline=$((SECONDS + RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT))
    while ((SLURM_PROCID > 0 && SECONDS < deadline)) && ! (: <>"/dev/tcp/$head/$port") 2>/dev/null; do
        sleep 1
    done
    exec ray symmetric-run --address "$head:$port" "${@:3}"
}
export -f start

started=$(mktemp)
trap 'rm -f "$started"' EXIT
srun --ntasks="$SLURM_JOB_NUM_NODES" --cpus-per-task="$SLURM_CPUS_ON_NODE" --cpu-bind=none --kill-on-bad-exit=1 \
    bash -c 'start "$@"' start "$head" "$port" --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_ON_NODE" -- \
    bash -c 'echo started >"$0" && exec "$@"' "$started" \
    tune-s11 search --address auto --storage "$storage" "${what[@]}" "${how[@]}"

if [[ ! -s $started ]]; then # which symmetric-run says in its output alone
    echo "slurm.sh: Ray has not started, nor has the search" >&2
    exit 1
fi
