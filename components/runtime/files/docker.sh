# shellcheck shell=bash disable=SC2034 # what it sets is for who sources it
# What runs, asked of Docker. Sourced after lib.sh; native.sh has the same functions.

runtime_log_place="docker logs" # where a reader finds what a workload said

runtime_log() { # NAME [LINES]
  docker logs ${2:+--tail "$2"} "$1" 2>&1 || true
}

runtime_state() { # NAME: true, false or gone
  docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null || echo gone
}

# runtime_reason FILE: why it failed, from what it said; Docker ends its own reason with a hint for people at a keyboard.
runtime_reason() {
  local said
  said=$(sed -nE 's/.*nvidia-container-cli: (.*)/\1/p' "$1" | tail -1)
  if [[ -n $said ]]; then
    echo "Docker could not start it on these GPUs: ${said%: unknown.}"
  else
    grep -vE "^$|Run 'docker [a-z]* ?--help'|^See 'docker" "$1" | tail -1 | cut -c1-500
  fi
}

runtime_restarts() { # NAME
  docker inspect --format '{{.RestartCount}}' "$1"
}

runtime_exec() { # NAME WORD...
  local name=$1
  shift
  docker exec -i "$name" "$@"
}

# runtime_run NAME IMAGE FILE WORD...: FILE by the image's python3, once, to its end. It gets --result FILE.result, in the
# folder of FILE. Environment: RUN_ENVIRONMENT, a NAME=VALUE a line; RUN_OPTIONS, a word of `docker run` a line
runtime_run() {
  local name=$1 image=$2 file=$3 line options=()
  shift 3
  while IFS= read -r line; do [[ -z $line ]] || options+=("$line"); done <<<"$RUN_OPTIONS"
  while IFS= read -r line; do [[ -z $line ]] || options+=(--env "$line"); done <<<"$RUN_ENVIRONMENT"
  docker rm --force "$name" >/dev/null 2>&1 || true
  docker run --rm --name "$name" --label "tandem.stack=$TANDEM_STACK" --network host --ipc host \
    --volume "$(dirname "$file"):/tandem" "${options[@]}" \
    --entrypoint python3 "$image" "/tandem/$(basename "$file")" "$@" --result "/tandem/$(basename "$file" .py).result"
}
