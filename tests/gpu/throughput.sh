#!/usr/bin/env bash
# On a machine with one NVIDIA GPU: tokens a second of vLLM itself at 1, 16, 64 and 256 streams, and its memory, for three
# models' shapes with random weights. Needs a Python that has vLLM; no root, no network, no weights. A model takes two to
# three minutes; each one's result is written as it comes.
# Usage: tests/gpu/throughput.sh PYTHON-WITH-VLLM FOLDER [MODEL...]
#   SECONDS_IN_ALL  after how long it is ended, 480 unless given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${1:?a Python that has vLLM} out=${2:?a folder for the results}
shift 2
# NVLink multicast stays off: a virtual machine's GPUs may share their switch with others'.
export NCCL_NVLS_ENABLE=0 TORCH_SYMM_MEM_DISABLE_MULTICAST=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
"$python" -c 'import flashinfer' 2>/dev/null || export VLLM_USE_FLASHINFER_SAMPLER=0
nvidia-smi --query-gpu=name,memory.total,clocks.max.sm,power.limit --format=csv,noheader
timeout --kill-after=10 "${SECONDS_IN_ALL:-480}" "$python" tests/gpu/throughput.py "$out" "$@"
