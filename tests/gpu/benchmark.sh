#!/usr/bin/env bash
# On one machine with an NVIDIA GPU and root: `pulumi up` with `benchmark: quick` of a model on one GPU, measured beside its
# plan, in ten minutes at most. What is needed is what up.sh needs. Into $OUT: measured-*.json, report-*.html, logs.
# Usage: tests/gpu/benchmark.sh PYTHON-WITH-VLLM GPU-NAME [SPLIT]
#   SPLIT  as of up.sh; 1x1:1x1:mp when left out
#   MODEL  7b (13 GB, the default) or small
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export BENCHMARK=${BENCHMARK:-quick} MODEL=${MODEL:-7b} SPLIT_SECONDS=${SPLIT_SECONDS:-440} SECONDS_IN_ALL=${SECONDS_IN_ALL:-560}
exec ./up.sh "${1:?a Python that has vLLM}" "${2:?the GPUs name as the planner knows it, such as H200-141GB}" "${3:-1x1:1x1:mp}"
