#!/usr/bin/env bash
# Ollama with one model made from a GGUF file: ollama.sh NAME PORT FILE [PARAMETER=VALUE]...
# The model is taken in behind a port that nobody asks, so that the API never answers without it.
set -euo pipefail
name=${1:?} port=${2:?} file=${3:?}
shift 3
if [[ $file =~ -00001-of-[0-9]{5}\.gguf$ ]]; then
  echo "error: Ollama reads no model in parts: merge it on the storage (llama-gguf-split --merge $file WHOLE.gguf) and keep only the whole one in the folder of model.id"
  exit 1
fi
modelfile=$(mktemp)
trap 'rm -f "$modelfile"' EXIT
printf 'FROM %s\n' "$file" >"$modelfile"
for parameter in "$@"; do
  [[ $parameter == *=* ]] || { echo "error: serving.arguments: $parameter is no parameter of Ollama; write num_gpu=20"; exit 1; }
  printf 'PARAMETER %s %s\n' "${parameter%%=*}" "${parameter#*=}" >>"$modelfile"
done

up() { OLLAMA_HOST=127.0.0.1:$1 ollama ls >/dev/null 2>&1; }
wait_for() {
  for ((n = 0; n < 300; n++)); do
    up "$2" && return
    kill -0 "$1" 2>/dev/null || { echo "error: ollama serve ended while starting"; exit 1; }
    sleep 0.2
  done
  echo "error: ollama serve did not answer on port $2 within 60 s"
  exit 1
}

inner=$((port + 1))
OLLAMA_HOST=127.0.0.1:$inner ollama serve &
taking=$!
wait_for "$taking" "$inner"
OLLAMA_HOST=127.0.0.1:$inner ollama create "$name" -f "$modelfile"
kill "$taking"
wait "$taking" || true

OLLAMA_HOST=127.0.0.1:$port ollama serve &
serving=$!
trap 'kill "$serving" 2>/dev/null || true' TERM
wait_for "$serving" "$port"
OLLAMA_HOST=127.0.0.1:$port ollama run "$name" "" & # loads it now rather than with the first request
wait "$serving"
