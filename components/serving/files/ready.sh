#!/usr/bin/env bash
# Ready means: a chat came back complete. Health pages say yes with a dead rank behind them.
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/room_docker.sh
. "$TANDEM_DIR/room.sh"

body=$TANDEM_DIR/question.json
answer=$TANDEM_DIR/answer.json
printf '{"model": "%s", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4, "temperature": 0}' \
  "$MODEL" >"$body"
began=$SECONDS

log() { room_log "$CONTAINER" "${1:-40}"; }
exits() { room_log "$CONTAINER" | grep -cE '^tandem: (rank [0-9]+: )?engine exited' || true; }
# What a reader needs of an engine's last words: the first error since its last start; the rest follows from it.
# Some errors say what they mean on the next line only.
reason() {
  log 2000 | plain | awk '/^tandem: the group is whole/ {text = head = ""} /(Error|Exception): *$/ {head = $0; next}
    head != "" && NF {sub(/: *$/, ": ", head); sub(/^ */, ""); $0 = head $0; head = ""}
    {text = text $0 "\n"} END {printf "%s", text}' |
    grep -E '^([A-Za-z_.]*(Error|Exception|Interrupt)\b.*: |.*(error: |No available memory|address already in use))' |
    grep -vE 'Engine core initialization failed|EngineDeadError|cancelled' | head -n 1 | cut -c1-400 || true
}

# The engine's log as a reader wants it: no colours, no process names, no time stamps.
plain() {
  tr '\r' '\n' | sed -E 's/\x1b\[[0-9;]*m//g; s/^(\([A-Za-z0-9_]+[^)]*\) *)+//; s/^[A-Z]+ [0-9-]+ [0-9:]+ \[[^]]*\] *//'
}
stage() {
  log 200 | plain | grep -v '^ *File "' |
    grep -E 'Loading|Starting|Initializing|Connecting|Connected|Capturing|[Cc]ompil|KV cache|startup|^tandem:|Resolved' |
    awk 'NF {last = $0} END {print substr(last == "" ? "starting" : last, 1, 80)}' || true
}

before=$(exits)
while :; do
  code=$(curl --silent --max-time 120 --output "$answer" --write-out '%{http_code}' \
    --header 'Content-Type: application/json' --data "@$body" "http://127.0.0.1:$PORT/v1/chat/completions") || code=000
  if [[ $code == 200 ]] && grep -qE '"completion_tokens": ?[1-9]' "$answer"; then
    result "ready_seconds=$((SECONDS - began))"
    exit 0
  fi
  running=$(room_state "$CONTAINER")
  [[ $running == true ]] || { log; fail "the engine ($CONTAINER) is not running: $(log 1)"; }
  if (($(exits) > before)); then
    log 60
    why=$(reason)
    fail "the engine ended before its first completion: ${why:-this machine shows no error, so see $room_log_place of the rank that exited}; change serving.* accordingly and run \`pulumi up\` again"
  fi
  if [[ $code == 500 ]]; then
    # It came up and can't answer: give it a moment to end by itself, then say so.
    for ((n = 0; n < 30 && $(exits) == before; n++)); do sleep 1; done
    log 60
    fail "the engine is up but its first completion failed: $(reason); its health page says ready all the same; a rank on another machine may have failed first: see $room_log_place there"
  fi
  if [[ $code =~ ^4 ]]; then
    fail "the engine refused a chat (HTTP $code): $(head -c 300 "$answer")"
  fi
  ((SECONDS - began < READY_SECONDS)) || fail "no completion within $READY_SECONDS s; raise serving.readyTimeout if the log still moves: $(log 1)"
  status "engine: $(stage)"
  sleep 1
done
