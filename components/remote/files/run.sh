#!/usr/bin/env bash
# Runs one step on its machine. The folder this file is in holds the step (step.sh, lib.sh, env, more
# files) and what became of it: log, status (one line), result, error, exit.
#   sync     run now, wait, report          launch   start as a unit and return
#   execute  what the unit runs             poll     report; start again after a reboot or a failure
#   end      end it, whether it has finished or not
# Where no systemd is ours to use (take_native.sh), a unit is a session of its own that holds a lock.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"
dir=$PWD
step=$(basename "$(dirname "$dir")")
stack=$(basename "$(dirname "$(dirname "$(dirname "$dir")")")")
home=$(dirname "$(dirname "$(dirname "$dir")")") # what is ours on this machine for this stack
unit="$stack-$step.service"

# What a login has in its environment and a unit of systemd has not, and the deployment's own way outside (outside.sh).
# Never a proxy to this machine itself.
surroundings() {
  local line name value proxies=''
  if [[ -r ${ETC_ENVIRONMENT:-/etc/environment} ]]; then
    while read -r line || [[ -n $line ]]; do # as pam_env reads it
      [[ ${line#export } =~ ^([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
      name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
      if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
      if [[ $name == PATH ]]; then
        PATH=$PATH:$value
      elif [[ -z ${!name+set} ]]; then
        export "$name=$value" || true
      fi
    done <"${ETC_ENVIRONMENT:-/etc/environment}"
  fi
  set -a
  # shellcheck source=/dev/null # written by components/host/files/outside.sh
  if [[ -r $home/outside.env ]]; then . "$home/outside.env"; fi
  set +a
  for name in http_proxy https_proxy no_proxy; do # curl and apt don't know the name in capitals
    value=${name^^}
    if [[ -z ${!name:-} && -n ${!value:-} ]]; then export "$name=${!value}"; fi
    proxies+=${!name:-}
  done
  if [[ -n $proxies ]]; then
    value=localhost,127.0.0.1,::1,$(hostname -I 2>/dev/null | tr -s ' ' ',' || true)
    export no_proxy=${no_proxy:+${no_proxy%,},}${value%,}
    export NO_PROXY=$no_proxy
  fi
  # Where python3 is too old, take.sh has found a newer one.
  if [[ -d $home/bin ]]; then PATH=$home/bin:$PATH; fi
}

execute() {
  rm -f exit error result
  local code=0
  # The step's own shell sets its traps; its exit code is all that is needed here.
  (
    surroundings
    set -a
    # shellcheck source=/dev/null # written by components/remote/payload.py
    . ./env
    set +a
    export TANDEM_STACK=$stack TANDEM_STEP=$step TANDEM_DIR=$dir TANDEM_HOME=$home
    exec timeout --kill-after=10 "${TANDEM_TIMEOUT:-600}" bash ./step.sh
  ) >>log 2>&1 </dev/null || code=$?
  if ((code == 124 || code == 137)) && [[ ! -s error ]]; then
    echo "$step did not finish within its time limit; look at what it waited for in the log" >error
  fi
  ((code != 0)) || rm -f env # secrets leave the disk with success; a failure keeps them for the next try
  echo "$code" >exit.new
  mv exit.new exit
}

report() {
  local code
  code=$(cat exit)
  if ((code == 0)); then
    cat result 2>/dev/null || echo "done=$step"
    return 0
  fi
  {
    if [[ -s error ]]; then cat error; else echo "$step ended with exit code $code and no reason of its own"; fi
    echo "last lines of $dir/log:"
    tail -n 20 log | cut -c1-400
  } >&2
  return 1
}

drop_other_versions() {
  local other
  for other in ../*/; do
    [[ $(basename "$other") == $(basename "$dir") ]] && continue
    (cd "$other" && end_unit)
    rm -rf "$other"
  done
}

launch() {
  if [[ -e $home/detached ]]; then
    setsid --fork flock --nonblock unit.lock bash "$dir/run.sh" execute </dev/null >/dev/null 2>&1
    for ((n = 0; n < 50; n++)); do # until it holds the lock, or has ended already
      if active || [[ -f exit ]]; then return; fi
      sleep 0.1
    done
  else
    systemd-run --quiet --collect --unit="$unit" --property=Type=exec bash "$dir/run.sh" execute
  fi
}

active() {
  if [[ -e $home/detached ]]; then
    [[ -e unit.lock ]] && ! flock --nonblock --shared unit.lock true
  else
    systemctl is-active --quiet "$unit"
  fi
}

kill_session() { # `timeout` makes a process group of its own, so groups don't do
  local stat words
  for stat in /proc/[0-9]*/stat; do
    words=$(sed 's/.*) //' "$stat" 2>/dev/null) || continue
    read -ra words <<<"$words"
    if [[ ${words[3]} == "$(cat unit.session 2>/dev/null)" ]]; then
      stat=${stat%/stat}
      kill -s "$1" "${stat#/proc/}" 2>/dev/null || true
    fi
  done
}

end_unit() { # of the version in the current folder
  if [[ -e $home/detached ]]; then
    for ((n = 0; n < 100; n++)); do
      active || return 0
      kill_session "$( ((n < 50)) && echo TERM || echo KILL)"
      sleep 0.1
    done
  else
    systemctl stop "$unit" 2>/dev/null || true
  fi
}

case ${1:-} in
  sync)
    drop_other_versions
    execute
    report
    ;;
  launch)
    drop_other_versions
    # The same content is running already when an `up` was cut off: leave it and watch it.
    if ! active; then
      rm -f exit exit.told
      launch
    fi
    echo "started=$unit"
    ;;
  execute)
    sed 's/.*) //' /proc/$$/stat | cut -d' ' -f4 >unit.session
    execute
    ;;
  poll)
    if [[ -f exit ]]; then
      if report 2>report.txt >answer.txt; then
        echo finished
        cat answer.txt
      else
        echo failed
        cat report.txt
        mv exit exit.told # told once: who asks again, the next `up`, has it tried again
      fi
    elif active; then
      echo running
      tail -n 1 status 2>/dev/null || true
    elif [[ -f exit ]]; then # it ended between the two questions
      exec bash "$dir/run.sh" poll
    else
      launch # a reboot took the unit away, or its failure has been told; steps may be run again
      echo running
      if [[ -f exit.told ]]; then echo "started again after a failure"; else echo "started again after an interruption"; fi
    fi
    ;;
  end)
    end_unit
    ;;
  *)
    echo "run.sh: unknown call '${1:-}'; use sync, launch, execute, poll or end" >&2
    exit 2
    ;;
esac
