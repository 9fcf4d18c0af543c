#!/usr/bin/env bash
# What a stack wrote on this machine: logs.sh STACK TAIL SINCE [FOLDER], as lines of `TIME <tab> SOURCE <tab> TEXT`.
# Containers have a time for each line; processes (runtime native, below FOLDER) have none: `-`.
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

processes() {
  local log source
  for log in "$folder/$stack"/processes/*/log; do
    [ -e "$log" ] || continue
    source=$(basename "$(dirname "$log")")
    tail -n "$tail" "$log" | sed "s/^/-\t$source\t/"
  done
}

case $folder in \~/*) folder=$HOME/${folder#??} ;; esac
if [ -d "$folder/$stack/processes" ]; then processes; else containers; fi
