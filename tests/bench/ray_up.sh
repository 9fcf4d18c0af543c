#!/usr/bin/env bash
# The same deployment by Ray's own cluster launcher and one `vllm serve`, until a chat completion comes back.
# ray_up.sh HEAD WORKER FOLDER; KEY and KNOWN_HOSTS open the machines, DEPOT (host:port) is where they fetch.
# RAY holds the launcher's packages for PYTHON.
set -euo pipefail
head=${1:?} worker=${2:?} folder=${3:?}
: "${KEY:?}" "${KNOWN_HOSTS:?}" "${DEPOT:?}" "${RAY:?}" "${PYTHON:?}"
began=$SECONDS
ray() { PYTHONPATH=$RAY "$PYTHON" -m ray.scripts.scripts "$@"; }
log() { printf 'ray up  %4d s: %s\n' $((SECONDS - began)) "$1"; }
until_ok() { # until_ok SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || { echo "given up: $*" >&2; exit 1; }
    sleep 1
  done
}
cluster=$folder/cluster.yaml
sed "s#@HEAD@#$head#g; s#@WORKER@#$worker#g; s#@KEY@#$KEY#g; s#@DEPOT@#$DEPOT#g
  s#@IMAGE@#$DEPOT/tandem/vllm-cpu:0.32.0#g" "$(dirname "${BASH_SOURCE[0]}")/ray_up.yaml" >"$cluster"
# The second autoscaler of Ray 2.60 asks for a machine of one's own again and again and never starts it.
export RAY_USAGE_STATS_ENABLED=0 RAY_UP_enable_autoscaler_v2=0
on() { # on MACHINE COMMAND
  ssh -F none -n -i "$KEY" -o UserKnownHostsFile="$KNOWN_HOSTS" -o BatchMode=yes "root@$1" "$2"
}
bare() { # what the launcher calls before its first command of ours
  on "$1" "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends rsync" \
    >/dev/null 2>&1
}
bare "$head" & first=$!
bare "$worker"
wait $first
log "both machines have rsync"

ray up --yes --no-config-cache --disable-usage-stats "$cluster" >"$folder/up.log" 2>&1 || { tail -n 60 "$folder/up.log" >&2; exit 1; }
log "ray up came back: the head runs"
counted() { on "$head" "docker exec node ray status 2>/dev/null" | grep -q "/2.0 GPU"; }
until_ok 240 counted
log "ray status counts two"

ray exec --no-config-cache "$cluster" "setsid --fork vllm serve /models/tiny-qwen2 --served-model-name tiny-qwen2 \
  --tensor-parallel-size 2 --distributed-executor-backend ray --host 0.0.0.0 --port 8000 --max-model-len 512 \
  --enforce-eager --max-num-seqs 4 --kv-cache-memory-bytes 67108864 --dtype float32 >/tmp/vllm.log 2>&1 </dev/null" \
  >"$folder/serve.log" 2>&1
completes() {
  curl --silent --fail --max-time 60 --noproxy '*' -H 'Content-Type: application/json' -o /dev/null \
    -d '{"model": "tiny-qwen2", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}' \
    "http://$head:8000/v1/chat/completions"
}
until_ok 300 completes
log "a completion came back"
