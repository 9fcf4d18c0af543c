#!/usr/bin/env bash
# Ready means: the model has done once what it is for. Health pages say yes with a dead rank behind them.
# Environment: CONTAINER CONTAINERS PORT MODEL FOLDER TASK READY_SECONDS
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/runtime/files/docker.sh
. "$TANDEM_DIR/runtime.sh"

probe=$TANDEM_DIR/inference_probe.py
answer=$TANDEM_DIR/answer.json
group=$TANDEM_DIR/group.json
began=$SECONDS
task=${TASK:-$(python3 "$probe" task "${FOLDER:-/nowhere}" || echo chat)}
call=$(python3 -c 'import json, sys; print(json.dumps(dict(zip(sys.argv[1::2], sys.argv[2::2]))))' \
  url "http://127.0.0.1:$PORT/v1" model "$MODEL" task "$task")

log() { runtime_log "$CONTAINER" "${1:-40}"; }
# How the ranks are, in the supervisor's own file; it looks for stalled ranks while that is requested. All that a look finds
# is read by one start of Python: a machine that loads an engine has better things to do.
declare -A facts
look() {
  local name value
  runtime_exec "$CONTAINER" sh -c 'touch /tandem/status-requested; cat /tandem/group.json' >"$group" 2>/dev/null || true
  while IFS='=' read -r name value; do facts[$name]=$value; done < <(python3 "$TANDEM_DIR/readiness_status.py" "$answer" "$group")
  # Without that file, a supervisor that can't write, its words have to do.
  exits=${facts[exits]:-$(runtime_log "$CONTAINER" | grep -cE '^tandem: (rank [0-9]+: )?engine exited' || true)}
}
# Nothing is asked while nobody listens.
ask() {
  : >"$answer"
  (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || return 0
  python3 "$probe" ask <<<"$call" >"$answer"
}
# The engine's log as a reader wants it: no colours, no process names, no time stamps.
plain() {
  tr '\r' '\n' | sed -E 's/\x1b\[[0-9;]*m//g; s/^(\([A-Za-z0-9_]+[^)]*\) *)+//; s/^[A-Z]+ [0-9-]+ [0-9:]+ \[[^]]*\] *//'
}
# What a reader needs of an engine's last words: the first error since its last start; the rest follows from it.
# Some errors say what they mean on the next line only.
reason() {
  plain | awk '/^tandem: the group is whole/ {text = head = ""} /(Error|Exception): *$/ {head = $0; next}
    head != "" && NF {sub(/: *$/, ": ", head); sub(/^ */, ""); $0 = head $0; head = ""}
    {text = text $0 "\n"} END {printf "%s", text}' |
    grep -E '^([A-Za-z_.]*(Error|Exception|Interrupt)\b.*: |.*(error: |No available memory|address already in use))' |
    grep -vE 'Engine core initialization failed|EngineDeadError|cancelled|RayTaskError\(' | head -n 1 | cut -c1-400 || true
}
words_of_the_exit() {
  python3 -c 'import json, sys
print("\n".join((json.load(open(sys.argv[1])).get("exit") or {}).get("words") or []))' "$group" 2>/dev/null || true
}
stage() {
  log 200 | plain | grep -v '^ *File "' |
    grep -E 'Loading|Starting|Initializing|Connecting|Capturing|[Cc]ompil|KV cache|startup|^tandem:|Resolved' |
    sed -E 's/.*checkpoint shards: *([0-9]+)% Completed \| ([0-9]+)\/([0-9]+) \[[^<]*<([0-9:?]+).*/loading weights: \1 % (\2 of \3 shards), \4 left/' |
    awk 'NF {last = $0} END {print substr(last == "" ? "starting" : last, 1, 80)}' || true
}
look
before=$exits restarts=$(runtime_restarts "$CONTAINER" 2>/dev/null || echo 0)
while :; do
  ask
  look
  if [[ ${facts[good]} == true ]]; then
    result "ready_seconds=$((SECONDS - began)) task=${facts[task]}"
    exit 0
  fi
  running=$(runtime_state "$CONTAINER")
  [[ -z ${facts[error]} ]] || fail "the engine can't be started: ${facts[error]}"
  if ((exits > before)); then
    log 60
    rank=${facts[rank]} why=$(words_of_the_exit | reason)
    [[ -n $why ]] || why=$(log 2000 | reason)
    if [[ -z $why ]]; then
      why=$(words_of_the_exit | plain | grep -v '^ *$' | tail -n 1 | cut -c1-200 || true)
      why="this machine shows no error, so see $runtime_log_place of the rank that exited${why:+, whose last words are: $why}"
    fi
    [[ -z $rank ]] || rank=" (rank $rank on ${facts[machine]}, exit code ${facts[exit]})"
    fail "the engine ended before its first completion$rank: $why; change serving.* accordingly and run \`pulumi up\` again"
  fi
  if [[ $running != true ]] || (($(runtime_restarts "$CONTAINER" 2>/dev/null || echo 0) > restarts + 2)); then
    log
    fail "the engine ($CONTAINER) does not stay up: $(log 20 | grep -v '^tandem: supervisor: the process ended' | tail -n 1)"
  fi
  if [[ ${facts[code]} == 500 ]]; then
    # It came up and can't answer: give it a moment to end by itself, then say so.
    for ((n = 0; n < 30; n++)); do
      look
      ((exits == before)) || break
      sleep 1
    done
    log 60
    why=$(log 2000 | reason)
    fail "the engine is up but its first $task failed: ${why:-${facts[said]}}; its health page says ready all the same; a rank on another machine may have failed first: see $runtime_log_place there"
  fi
  if [[ ${facts[code]} =~ ^4 ]]; then
    code=${facts[code]} said=${facts[said]}
    fail "the engine refused a $task (HTTP $code): $said; $(python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import inference_probe; print(inference_probe.remedy(sys.argv[2], int(sys.argv[3]), sys.argv[4]))' "$TANDEM_DIR" "$task" "$code" "$said")"
  fi
  stalled=${facts[stalled_in_full]}
  status "engine: ${facts[stalled]:-$(stage)}"
  if ((SECONDS - began >= READY_SECONDS)); then
    log 40
    [[ -z $stalled ]] || fail "no $task within $READY_SECONDS s: $stalled"
    [[ ${facts[code]} != 200 ]] || fail "no $task within $READY_SECONDS s, though the engine answers: ${facts[said]}"
    why=$(log 2000 | reason)
    [[ -z $why ]] || fail "no $task within $READY_SECONDS s: $why; change serving.* accordingly and run \`pulumi up\` again"
    fail "no $task within $READY_SECONDS s; raise serving.readyTimeout if the log still moves: $(log 1)"
  fi
  sleep 1
done
