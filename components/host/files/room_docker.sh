# shellcheck shell=bash disable=SC2034 # what it sets is for who sources it
# The room that workloads run in: Docker. Sourced after lib.sh; room_native.sh has the same functions.

room_log_place="docker logs" # where a reader finds what a workload said

room_log() { # NAME [LINES]
  docker logs ${2:+--tail "$2"} "$1" 2>&1 || true
}

room_state() { # NAME: true, false or gone
  docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null || echo gone
}

# room_reason FILE: why it failed, from what it said; Docker ends its own reason with a hint for people at a keyboard.
room_reason() {
  local said
  said=$(sed -nE 's/.*nvidia-container-cli: (.*)/\1/p' "$1" | tail -1)
  if [[ -n $said ]]; then
    echo "Docker could not start it on these GPUs: ${said%: unknown.}"
  else
    grep -vE "^$|Run 'docker [a-z]* ?--help'|^See 'docker" "$1" | tail -1 | cut -c1-500
  fi
}

room_restarts() { # NAME
  docker inspect --format '{{.RestartCount}}' "$1"
}

room_exec() { # NAME WORD...
  local name=$1
  shift
  docker exec -i "$name" "$@"
}

# room_run NAME IMAGE "NAME=VALUE LINES" "OPTION ..." FILE WORD...: FILE by the image's python3, once, to its end. It is
# told --result FILE.result, in the folder of FILE.
room_run() {
  local name=$1 image=$2 file=$5 options pair
  read -ra options <<<"$4"
  while IFS= read -r pair; do [[ -z $pair ]] || options+=(--env "$pair"); done <<<"$3"
  shift 5
  docker rm --force "$name" >/dev/null 2>&1 || true
  docker run --rm --name "$name" --label "tandem.stack=$TANDEM_STACK" --network host --ipc host \
    --volume "$(dirname "$file"):/tandem" "${options[@]}" \
    --entrypoint python3 "$image" "/tandem/$(basename "$file")" "$@" --result "/tandem/$(basename "$file" .py).result"
}
