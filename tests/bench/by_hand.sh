#!/usr/bin/env bash
# The notes of somebody who deploys by hand, typed one after the other, with no time lost between two lines:
# machines, weights, images, Ray head, Ray worker, `vllm serve`, until a chat completion comes back.
# by_hand.sh HEAD WORKER; KEY and KNOWN_HOSTS open the machines, DEPOT (host:port) is where they fetch.
set -euo pipefail
head=${1:?} worker=${2:?}
: "${KEY:?}" "${KNOWN_HOSTS:?}" "${DEPOT:?}"
image=$DEPOT/tandem/vllm-cpu:0.32.0
began=$SECONDS
on() { # on MACHINE COMMAND
  ssh -F none -n -i "$KEY" -o UserKnownHostsFile="$KNOWN_HOSTS" -o BatchMode=yes "root@$1" "$2"
}
log() { printf 'by hand %4d s: %s\n' $((SECONDS - began)) "$1"; }
until_ok() { # until_ok SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || { echo "given up: $*" >&2; exit 1; }
    sleep 1
  done
}

for machine in "$head" "$worker"; do
  on "$machine" "export DEBIAN_FRONTEND=noninteractive
    set -e
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends docker.io nfs-common python3-venv rsync >/dev/null
    mkdir -p /etc/docker /mnt/tandem
    echo '{\"insecure-registries\": [\"$DEPOT\"]}' >/etc/docker/daemon.json
    systemctl restart docker
    mount -t nfs -o vers=3,nolock nas:/share /mnt/tandem" >/dev/null 2>&1
  log "$machine has Docker and the share"
done

on "$head" "set -e
  python3 -m venv hub
  hub/bin/pip install -q --index-url http://$DEPOT/pypi/simple --trusted-host ${DEPOT%:*} huggingface_hub==2.4.0
  HF_ENDPOINT=http://$DEPOT/hf HF_HUB_DISABLE_XET=1 hub/bin/hf download tandem/tiny-qwen2 --local-dir ./tiny-qwen2
  rsync -a ./tiny-qwen2 /mnt/tandem/" >/dev/null 2>&1
log "the weights are on the share"

for machine in "$head" "$worker"; do on "$machine" "docker pull -q $image" >/dev/null; done
log "both machines have the image"

node() { # node MACHINE RAY-START-ARGUMENTS
  on "$1" "docker run -d --name node --network host --shm-size 1g -v /mnt/tandem:/models \
    -v /opt/tandem/engine/usr:/usr:ro -v /opt/tandem/engine/opt/vllm:/opt/vllm:ro \
    -e VLLM_HOST_IP=$1 -e GLOO_SOCKET_IFNAME=\$(ip -o -4 addr show to $1 | awk '{print \$2}') \
    -e OMP_NUM_THREADS=1 -e TORCHDYNAMO_DISABLE=1 -e VLLM_CPU_OMP_THREADS_BIND=nobind \
    -e VLLM_NO_USAGE_STATS=1 -e HF_HUB_OFFLINE=1 --entrypoint ray $image \
    start --block --disable-usage-stats --node-ip-address=$1 --num-gpus=1 --num-cpus=1 \
    --object-store-memory=268435456 $2" >/dev/null
}
counted() { on "$head" "docker exec node ray status 2>/dev/null" | grep -q "/2.0 GPU"; }
node "$head" "--head --port=6379 --include-dashboard=false"
until_ok 120 on "$head" "docker exec node ray status >/dev/null 2>&1"
log "the head runs"
node "$worker" "--address=$head:6379"
until_ok 120 counted
log "ray status counts two"

on "$head" "docker exec -d node sh -c 'exec vllm serve /models/tiny-qwen2 --served-model-name tiny-qwen2 \
  --tensor-parallel-size 2 --distributed-executor-backend ray --host 0.0.0.0 --port 8000 --max-model-len 512 \
  --enforce-eager --max-num-seqs 4 --kv-cache-memory-bytes 67108864 --dtype float32 >/tmp/vllm.log 2>&1'"
completes() {
  curl --silent --fail --max-time 60 --noproxy '*' -H 'Content-Type: application/json' -o /dev/null \
    -d '{"model": "tiny-qwen2", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}' \
    "http://$head:8000/v1/chat/completions"
}
until_ok 300 completes
log "a completion came back"
