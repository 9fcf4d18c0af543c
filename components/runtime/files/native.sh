# shellcheck shell=bash disable=SC2034 # what it sets is for who sources it
# What runs, asked of process_supervisor.py on the machine itself. Sourced after lib.sh; see docker.sh.

runtime_log_place="$TANDEM_HOME/processes/*/log"

runtime_log() { # NAME [LINES]
  local log=$TANDEM_HOME/processes/$1/log
  if [[ -f $log ]]; then tail -n "${2:-+1}" "$log"; fi
}

runtime_state() { # NAME: true, false or gone
  local folder=$TANDEM_HOME/processes/$1
  if [[ ! -f $folder/process_supervisor.py ]]; then
    echo gone
  elif [[ $(python3 "$folder/process_supervisor.py" status "$folder") == running* ]]; then
    echo true
  else
    echo false
  fi
}

runtime_reason() { # FILE: why it failed, from what it said
  grep -v '^$' "$1" | tail -1 | cut -c1-500
}

runtime_restarts() { # NAME
  local file=$TANDEM_HOME/processes/$1/restarts
  if [[ -f $file ]]; then wc -l <"$file"; else echo 0; fi
}

runtime_exec() { # NAME WORD...
  local folder=$TANDEM_HOME/processes/$1
  shift
  python3 "$folder/process_supervisor.py" exec "$folder" "$@"
}

runtime_run() { # NAME PATH FILE WORD...; RUN_OPTIONS are a container's and mean nothing here
  local path=$2 file=$3 pairs
  shift 3
  mapfile -t pairs < <(grep . <<<"$RUN_ENVIRONMENT" || true)
  # What it compiles and caches goes with the stack, as process_supervisor.py has it.
  env "PATH=$path:$PATH" "XDG_CACHE_HOME=$TANDEM_HOME/cache" "TRITON_HOME=$TANDEM_HOME/cache" "CUDA_CACHE_PATH=$TANDEM_HOME/cache/nv" "${pairs[@]}" python3 "$file" "$@" --result "${file%.py}.result"
}
