#!/usr/bin/env bash
# Puts load on the engine by its own client, level by level. Whatever goes wrong stands in the result and is no failure.
# Environment: CONTAINER CONTAINERS ENGINE MODE LEVELS (words STREAMS:INPUT:OUTPUT:REQUESTS) LEVEL_SECONDS ARGUMENTS_KNOWN
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/runtime/files/docker.sh
. "$TANDEM_DIR/runtime.sh"
trap - ERR

benchmark_result() { python3 "$TANDEM_DIR/benchmark_result.py" "$@"; }
inside() { runtime_exec "$CONTAINER" "$@" </dev/null; }
finish() { # [WHY]
  benchmark_result result "$TANDEM_DIR/levels" "${1:-}" >"$TANDEM_DIR/result"
  exit 0
}

rm -rf "$TANDEM_DIR/levels"
mkdir "$TANDEM_DIR/levels"
benchmark_result facts "$ENGINE" "$MODE" >"$TANDEM_DIR/levels/facts.json"
case $ENGINE in
  vllm | vllm-ascend) ;;
  *) finish "$ENGINE is not measured: it has no load generator of its own that is used here; vLLM and vllm-ascend have one, \`vllm bench serve\`" ;;
esac
inside cat /tandem/liveness.json >"$TANDEM_DIR/levels/liveness.json" || finish "the engine ($CONTAINER) does not run"
found=$(python3 "$TANDEM_DIR/inference_probe.py" task "$(benchmark_result engine "$TANDEM_DIR/levels" folder)")
task=$(benchmark_result engine "$TANDEM_DIR/levels" task)
[[ ${task:-$found} =~ ^(chat|completion)$ ]] || finish "a model for ${task:-$found} is not measured: only those that make text are"
port=$(benchmark_result engine "$TANDEM_DIR/levels" port)
inside python3 -c 'import importlib.metadata as m; print(m.version("vllm"))' >"$TANDEM_DIR/levels/version" 2>/dev/null || true
docker inspect --format '{{.Image}}' "$CONTAINER" >"$TANDEM_DIR/levels/image" 2>/dev/null || true
folder=$(inside mktemp -d) || finish "no folder can be made in $CONTAINER"
trap 'inside rm -rf "$folder"' EXIT

number=0 count=$(wc -w <<<"$LEVELS")
seed=$(($(date +%s) % 1000000)) # other prompts each time: the engine remembers those it has read
for level in $LEVELS; do
  number=$((number + 1))
  IFS=: read -r streams input output most <<<"$level"
  name="${streams}x$input+$output"
  # Fewer and shorter where the engine is slow, and none that is longer than it takes.
  if ! planned=$(benchmark_result requests "$TANDEM_DIR/levels" "$streams" "$input" "$output" "$most" "$LEVEL_SECONDS" 2>"$TANDEM_DIR/levels/$name.why"); then continue; fi
  read -r requests input output words <<<"$planned"
  name="${streams}x$input+$output"
  # shellcheck disable=SC2086 # words of the engine's own, without blanks
  inside timeout --kill-after=10 $((4 * LEVEL_SECONDS)) vllm bench serve --model="$(benchmark_result engine "$TANDEM_DIR/levels" folder)" \
    --served-model-name="$(benchmark_result engine "$TANDEM_DIR/levels" model)" --host=127.0.0.1 --port="$port" \
    --dataset-name=random --random-input-len="$input" --random-output-len="$output" --ignore-eos --temperature=0 \
    --num-prompts="$requests" --max-concurrency="$streams" --seed=$((seed + number)) \
    --percentile-metrics=ttft,itl --metric-percentiles=50,99 \
    --save-result --result-dir="$folder" --result-filename="$name.json" $words >"$TANDEM_DIR/levels/$name.log" 2>&1 &
  client=$!
  while kill -0 "$client" 2>/dev/null; do
    status "benchmark: $streams x $input + $output tokens, level $number of $count$(benchmark_result progress "$TANDEM_DIR/levels/$name.log")"
    sleep 1
  done
  code=0
  wait "$client" || code=$?
  if ((code == 0)) && inside cat "$folder/$name.json" >"$TANDEM_DIR/levels/$name.json"; then continue; fi
  rm -f "$TANDEM_DIR/levels/$name.json"
  if ((code == 124 || code == 137)); then
    echo "$requests requests were not finished in $((4 * LEVEL_SECONDS)) s" >"$TANDEM_DIR/levels/$name.why"
  else
    benchmark_result reason "$TANDEM_DIR/levels/$name.log" >"$TANDEM_DIR/levels/$name.why"
  fi
done
finish
