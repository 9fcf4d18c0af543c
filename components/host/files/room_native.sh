# shellcheck shell=bash disable=SC2034 # what it sets is for who sources it
# The room that workloads run in: the machine itself, under process_supervisor.py. Sourced after lib.sh; see room_docker.sh.

room_log_place="$TANDEM_HOME/processes/*/log"

room_log() { # NAME [LINES]
  local log=$TANDEM_HOME/processes/$1/log
  if [[ -f $log ]]; then tail -n "${2:-+1}" "$log"; fi
}

room_state() { # NAME: true, false or gone
  local folder=$TANDEM_HOME/processes/$1
  if [[ ! -f $folder/process_supervisor.py ]]; then
    echo gone
  elif [[ $(python3 "$folder/process_supervisor.py" status "$folder") == running* ]]; then
    echo true
  else
    echo false
  fi
}

room_reason() { # FILE: why it failed, from what it said
  grep -v '^$' "$1" | tail -1 | cut -c1-500
}

room_restarts() { # NAME
  local file=$TANDEM_HOME/processes/$1/restarts
  if [[ -f $file ]]; then wc -l <"$file"; else echo 0; fi
}

room_exec() { # NAME WORD...
  local folder=$TANDEM_HOME/processes/$1
  shift
  python3 "$folder/process_supervisor.py" exec "$folder" "$@"
}

room_run() { # NAME PATH "NAME=VALUE LINES" "OPTION ..." FILE WORD...; options are a container's and mean nothing here
  local path=$2 file=$5 pairs
  mapfile -t pairs < <(grep . <<<"$3" || true)
  shift 5
  # What it compiles and caches goes with the stack, as process_supervisor.py has it.
  env "PATH=$path:$PATH" "XDG_CACHE_HOME=$TANDEM_HOME/cache" "TRITON_HOME=$TANDEM_HOME/cache" "CUDA_CACHE_PATH=$TANDEM_HOME/cache/nv" "${pairs[@]}" python3 "$file" "$@" --result "${file%.py}.result"
}
