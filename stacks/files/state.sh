#!/usr/bin/env bash
# How a stack's workloads are on this machine: state.sh STACK BASE [FOLDER], as lines with tabs between
#   lease      SECONDS-SINCE-1970
#   workload   NAME STATUS RESTARTS STARTED IMAGE
#   group      NAME JSON      what rank_supervisor.py keeps of its group
set -euo pipefail
stack=$1 base=$2 folder=${3:-$HOME/.tandem}

rooted() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

containers() {
  local name
  printf 'lease\t%s\n' "$(rooted stat --format %Y "$base/$stack/runtime" 2>/dev/null || true)"
  for name in $(rooted docker ps --all --filter "name=^/?$stack-" --format '{{.Names}}'); do
    rooted docker inspect --format $'workload\t{{.Name}}\t{{.State.Status}}\t{{.RestartCount}}\t{{.State.StartedAt}}\t{{.Image}}' "$name" |
      sed "s|\t/$stack-|\t|"
    group "${name#"$stack"-}" rooted docker exec "$name" cat /tandem/group.json
  done
  beside "$base" rooted
}

processes() {
  printf 'lease\t%s\n' "$(stat --format %Y "$folder/$stack/runtime")"
  beside "$folder"
}

beside() { # FOLDER [WORD...]: processes of the machine itself; words before a command that reads there
  local folder=$1 own name restarts status
  shift
  "$@" find "$folder/$stack/processes" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort | while IFS= read -r own; do
    name=$(basename "$own")
    restarts=$("$@" cat "$own/restarts" 2>/dev/null </dev/null | wc -l) || restarts=0
    status=$("$@" env "PATH=$folder/$stack/bin:$PATH" python3 "$own/process_supervisor.py" status "$own" </dev/null | cut -d' ' -f1)
    printf 'workload\t%s\t%s\t%s\t\t\n' "$name" "$status" "$restarts"
    group "$name" "$@" cat "$own/files/group.json"
  done || true
}

group() { # NAME COMMAND...
  local name=$1 found
  shift
  if found=$("$@" 2>/dev/null </dev/null); then printf 'group\t%s\t%s\n' "$name" "$found"; fi
}

case $folder in \~/*) folder=$HOME/${folder#??} ;; esac
if [ -d "$folder/$stack/processes" ]; then processes; else containers; fi
