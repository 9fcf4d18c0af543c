#!/usr/bin/env bash
# On one machine with NVIDIA GPUs: `vllm serve` of a known shape without weights, a completion of each data parallel rank, and
# what the engine says of its memory beside the planner's figures. No root, no network, no weights.
# Usage: tests/gpu/beside_plan.sh PYTHON-WITH-VLLM FOLDER MODEL [--tensor-parallel-size N] [--data-parallel-size N] [--expert-parallel]
#   MODEL          a shape of throughput.py, such as qwen3-30b-a3b
#   READY_SECONDS  how long the engine may take to start, 400 unless given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${1:?a Python that has vLLM} out=${2:?a folder for the results} model=${3:?a shape of throughput.py}
shift 3
ranks=1 port=8099 name=$model${*// /}
[[ " $* " =~ \ --data-parallel-size\ ([0-9]+) ]] && ranks=${BASH_REMATCH[1]}
# NVLink multicast stays off: a virtual machine's GPUs may share their switch with others'.
export NCCL_NVLS_ENABLE=0 TORCH_SYMM_MEM_DISABLE_MULTICAST=1 NVSHMEM_DISABLE_NVLS=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
"$python" -c 'import flashinfer' 2>/dev/null || export VLLM_USE_FLASHINFER_SAMPLER=0
mkdir -p "$out"
log=$out/engine-${name//[^a-z0-9-]/}.log
folder=$(mktemp -d)
"$python" tests/gpu/weights.py "$folder" "$model"
"$python" -m vllm.entrypoints.cli.main serve "$folder" --load-format dummy --served-model-name m --max-model-len 8192 \
  --host 127.0.0.1 --port $port "${@/--expert-parallel/--enable-expert-parallel}" >"$log" 2>&1 &
engine=$!
# shellcheck disable=SC2317 # the trap calls it
leave() {
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  rm -rf "$folder"
}
trap leave EXIT
until curl -fs --noproxy '*' http://127.0.0.1:$port/health >/dev/null; do
  if ((SECONDS > ${READY_SECONDS:-400})) || ! kill -0 "$engine" 2>/dev/null; then
    echo "no answer after $SECONDS s"
    tail -30 "$log"
    exit 1
  fi
  sleep 1
done
echo "ready after $SECONDS s"
for ((rank = 0; rank < ranks; rank++)); do
  curl -sS --noproxy '*' --fail --max-time 60 http://127.0.0.1:$port/v1/completions -H 'Content-Type: application/json' -H "X-data-parallel-rank: $rank" \
    -d '{"model": "m", "prompt": "Say hello.", "max_tokens": 16, "temperature": 0, "ignore_eos": true}' |
    python3 -c 'import json, sys; print("rank", sys.argv[1], json.load(sys.stdin)["usage"])' $rank
done
grep -hoE 'Model loading took [0-9.]+ ?Gi?B|Available KV cache memory: [0-9.]+ ?Gi?B|GPU KV cache size: [0-9,]+ tokens|Maximum concurrency.*|Graph capturing finished.*|Using .*(MoE|All2All).*' "$log" | sort | uniq -c
mib=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits | head -1)
version=$("$python" -c 'import importlib.metadata as m; print(m.version("vllm").split("+")[0])')
.venv/bin/python -m planner memory --config "$folder" --gpu-memory-mib "$mib" "$@" --engine vllm --engine-version "$version" \
  --usage server --set max_model_len=8192 --json | tee "$out/planned-${name//[^a-z0-9-]/}.json"
