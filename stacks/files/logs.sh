#!/usr/bin/env bash
# What a stack wrote on this machine: logs.sh STACK TAIL SINCE [FOLDER], as lines of `TIME <tab> SOURCE <tab> TEXT`.
# Containers have a time for each line; processes (below FOLDER with runtime native, else beside containers) have none: `-`.
set -euo pipefail
stack=$1 tail=$2 since=$3 folder=${4:-$HOME/.tandem}

rooted() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

containers() {
  local names name
  names=$(rooted docker ps --all --filter "name=^/?$stack-" --format '{{.Names}}')
  for name in $names; do
    # The engine writes to both of its outputs.
    rooted docker logs --timestamps --tail "$tail" ${since:+--since "$since"} "$name" 2>&1 |
      sed -E "s/^([^ ]+) /\1\t${name#"$stack"-}\t/"
  done | sort -s -t $'\t' -k 1,1
}

processes() { # FOLDER [WORD...]: words before a command that reads there
  local folder=$1 log source
  shift
  "$@" find "$folder/$stack/processes" -mindepth 2 -maxdepth 2 -name log 2>/dev/null | sort | while IFS= read -r log; do
    source=$(basename "$(dirname "$log")")
    "$@" tail -n "$tail" "$log" </dev/null | sed "s/^/-\t$source\t/"
  done || true
}

case $folder in \~/*) folder=$HOME/${folder#??} ;; esac
if [ -d "$folder/$stack/processes" ]; then
  processes "$folder"
else
  containers
  processes /var/lib/tandem rooted
fi
