#!/usr/bin/env bash
# Runs one step on its machine. The folder this file is in holds the step (step.sh, lib.sh, env, more
# files) and what became of it: log, status (one line), result, error, exit.
#   arrive   put what was received beside this file into its place, then sync or launch; arguments: HASH sync|launch
#   sync     run now, wait, report          launch   start as a unit and return
#   execute  what runs                      poll     report; start again after a reboot or a failure
#   end      end it, whether it has finished or not
# Whoever executes holds unit.lock: a step whose caller has gone is found again, and never runs beside itself.
# Where runtime native has put its mark (acquire_native.sh), a unit is a session of its own.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"
dir=$PWD
step=$(basename "$(dirname "$dir")")
stack=$(basename "$(dirname "$(dirname "$(dirname "$dir")")")")
home=$(dirname "$(dirname "$(dirname "$dir")")") # what is ours on this machine for this stack
unit="$stack-$step.service"
probing=5 # seconds: who asks whether the step runs holds unit.lock for a moment, see held()

# What a login has in its environment and a unit of systemd has not, and the deployment's own way outside (egress.sh).
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
  # shellcheck source=/dev/null # written by components/host/files/egress.sh
  if [[ -r $home/egress.env ]]; then . "$home/egress.env"; fi
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
  # Where python3 is too old, acquire_common.sh has found a newer one.
  if [[ -d $home/bin ]]; then PATH=$home/bin:$PATH; fi
}

execute() {
  sed 's/.*) //' /proc/$$/stat | cut -d' ' -f4 >unit.session
  rm -f exit error result status
  local code=0
  # The step's own shell sets its traps; its exit code is all that is needed here.
  (
    surroundings
    set -a
    # shellcheck source=/dev/null # written by components/machine/payload.py
    . ./env
    set +a
    export TANDEM_STACK=$stack TANDEM_STEP=$step TANDEM_DIR=$dir TANDEM_HOME=$home
    exec timeout --kill-after=10 "${TANDEM_TIMEOUT:-600}" bash ./step.sh
  ) >>log 2>&1 </dev/null || code=$?
  if ((code == 124 || code == 137)) && [[ ! -s error ]]; then
    local last=
    last=$(tr '\n' ' ' <status 2>/dev/null | sed 's/ *$//') || true
    echo "$step did not finish within its time limit${last:+; last: $last}" >error
  fi
  ((code != 0)) || rm -f env # secrets leave the disk with success; a failure keeps them for the next try
  echo "$code" >exit.new
  mv exit.new exit
}

old_python() { # its version, where it is too old for our steps
  PATH=$home/bin:$PATH python3 -c 'import sys; sys.stdout.write("" if sys.version_info >= (3, 8) else sys.version.split()[0])' 2>/dev/null
}

report() {
  local code old
  if [[ ! -f exit ]]; then
    echo "$step was ended before it had finished: run \`pulumi up\` again" >&2
    return 1
  fi
  code=$(cat exit)
  if ((code == 0)); then
    utf8 result || echo "done=$step"
    return 0
  fi
  {
    if utf8 error; then
      :
    elif old=$(old_python) && [[ -n $old ]]; then # exchanged since the machine was acquired
      echo "$step needs Python 3.8 or newer, and this machine's python3 is $old; install a newer one beside it and run \`pulumi up\` again"
    else
      echo "$step ended with exit code $code and no reason of its own"
    fi
    echo "last lines of $dir/log:"
    tail -n 20 log | cut -c1-400 >log.tail
    utf8 log.tail
  } >&2
  return 1
}

# utf8 FILE: what it holds, without bytes that are no UTF-8, which Pulumi can't take. Fails where it holds nothing.
utf8() {
  [[ -s $1 ]] || return 1
  if command -v iconv >/dev/null; then iconv -c -f UTF-8 -t UTF-8 "$1" || true; else LC_ALL=C tr -cd '\11\12\40-\176' <"$1"; fi
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
  if own_sessions; then
    setsid --fork flock --close --wait "$probing" unit.lock bash "$dir/run.sh" execute </dev/null >/dev/null 2>&1
    for ((n = 0; n < 50; n++)); do # until it holds the lock, or has ended already
      if active || [[ -f exit ]]; then return; fi
      sleep 0.1
    done
  else
    systemd-run --quiet --collect --unit="$unit" --property=Type=exec flock --close "$dir/unit.lock" bash "$dir/run.sh" execute
  fi
}

own_sessions() {
  [[ $(cat "$home/runtime" 2>/dev/null) == native ]]
}

active() {
  held || { ! own_sessions && systemctl is-active --quiet "$unit"; }
}

held() {
  [[ -e unit.lock ]] && ! flock --nonblock --shared unit.lock true
}

# In a session of its own, so that who is cut off leaves it whole.
run_now() {
  setsid flock --close --wait "$probing" --conflict-exit-code 75 unit.lock bash "$dir/run.sh" execute </dev/null >/dev/null 2>&1
}

# what_lies_here: the content as it was delivered, secrets included, which are no part of the folder's name.
what_lies_here() {
  find . -type f -exec sha256sum {} + | sort | sha256sum | cut -d' ' -f1
}

arrive() { # HASH MODE, in the folder that it was received in
  local incoming=$dir delivered
  delivered=$(what_lies_here)
  dir=$(dirname "$dir")/$1
  mkdir -p "$dir"
  cd "$dir"
  drop_other_versions
  if active; then
    # An `up` was cut off and this is its step.
    if [[ $(cat delivered 2>/dev/null) != "$delivered" ]]; then
      end_unit
    elif [[ $2 == launch ]]; then
      rm -rf "$incoming"
      echo "started=$unit"
      return
    else
      flock --shared unit.lock true # until it has ended, which its own time limit sees to
      if [[ $(cat exit 2>/dev/null) == 0 ]]; then
        rm -rf "$incoming"
        report
        return
      fi
    fi
  fi
  rm -rf files # another delivery's
  cp -a "$incoming/." .
  rm -rf "$incoming"
  echo "$delivered" >delivered
  exec bash "$dir/run.sh" "$2"
}

kill_session() { # `timeout` makes a process group of its own, so groups don't do
  local session stat line words
  session=$(cat unit.session 2>/dev/null) || return 0
  for stat in /proc/[0-9]*/stat; do # without a program for each: there may be thousands
    { read -r line <"$stat"; } 2>/dev/null || continue
    read -ra words <<<"${line##*) }"
    if [[ ${words[3]:-} == "$session" ]]; then
      stat=${stat%/stat}
      kill -s "$1" "${stat#/proc/}" 2>/dev/null || true
    fi
  done
}

end_unit() { # of the version in the current folder, with all that it started
  if ! own_sessions; then systemctl stop "$unit" 2>/dev/null || true; fi
  for ((n = 0; n < 100; n++)); do
    held || return 0
    kill_session "$( ((n < 50)) && echo TERM || echo KILL)"
    sleep 0.1
  done
}

case ${1:-} in
  arrive)
    arrive "$2" "$3"
    ;;
  sync)
    drop_other_versions
    code=0
    run_now || code=$?
    if ((code == 75)); then
      flock --shared unit.lock true
      run_now || true
    fi
    report
    ;;
  launch)
    drop_other_versions
    # The same content is running already when an `up` was cut off: leave it and watch it.
    if ! active; then
      rm -f exit exit.reported
      launch
    fi
    echo "started=$unit"
    ;;
  execute)
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
        mv exit exit.reported # reported once: who asks again, the next `up`, has it tried again
      fi
    elif active; then
      echo running
      tail -n 1 status 2>/dev/null | cut -c1-200 || true
    elif [[ -f exit ]]; then # it ended between the two questions
      exec bash "$dir/run.sh" poll
    else
      launch # a reboot took the unit away, or its failure has been reported; steps may be run again
      echo running
      if [[ -f exit.reported ]]; then echo "started again after a failure"; else echo "started again after an interruption"; fi
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
