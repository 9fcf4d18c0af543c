#!/usr/bin/env bash
# On a rented GPU machine (a container without Docker will do): what runtime native does there, as a login without root.
# Acquires the machine, proves its GPUs, supervises a process on one, kills it, sees it come back, cleans up, and looks for what is
# left. Needs root to make the login, python3, curl; torch is used where PYTHON has it. Ends within two minutes.
# Usage: tests/gpu/native.sh COUNT [PYTHON]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
count=${1:?how many GPUs} python=${2:-python3}
login=tandem-renter
id "$login" >/dev/null 2>&1 || useradd --create-home "$login"
trap 'userdel --remove --force "$login" >/dev/null 2>&1 || true' EXIT
home=$(getent passwd "$login" | cut -d: -f6) stack=gpu-native
ours=$home/.tandem/$stack
as() { setpriv --reuid "$login" --regid "$login" --init-groups env HOME="$home" "$@"; }
say() { printf '%-10s %s\n' "$1" "$2"; }

# step NAME MODE SCRIPT FILE...: a step as run.sh has it; its environment is standard input.
step() {
  local folder=$ours/steps/$1/0123 mode=$2
  as mkdir -p "$folder/files"
  install -o "$login" -m 600 "$3" "$folder/step.sh"
  install -o "$login" -m 600 components/machine/files/{run.sh,lib.sh,process_supervisor.py} components/host/files/{nvidia_state.sh,drivers.py,rails.py,pci.py} "$folder/"
  shift 3
  for file in "$@"; do
    if [[ $file == *.json ]]; then install -o "$login" -m 600 "$file" "$folder/spec.json"; else install -o "$login" -m 600 "$file" "$folder/files/"; fi
  done
  as tee "$folder/env" >/dev/null
  as bash "$folder/run.sh" "$mode"
}

command -v docker >/dev/null && docker=there || docker=none
[[ -d /run/systemd/system ]] && systemd=there || systemd=none
say machine "docker=$docker systemd=$systemd login=$(as id -un) $("$python" --version 2>&1)"
# shellcheck disable=SC2088 # the script makes it the login's own
say acquire "$(as bash <(cat components/machine/files/acquire_{common,native}.sh) "$stack" "$(date +%s)" '~/.tandem')"
step proof launch components/host/files/nvidia_driver_proof.sh <<<"COUNT=$count CUDA=12.0 HCAS=" >/dev/null
until said=$(as bash "$ours/steps/proof/0123/run.sh" poll) && [[ $said != running* ]]; do sleep 0.2; done
say proof "$(paste -sd' ' <<<"$said")"

spec=$(mktemp --suffix=.json)
cat >"$spec" <<JSON
{"argv": ["$python", "-u", "/tandem/hold.py"], "environment": {}, "path": [], "owner": "$stack", "renames": {"/tandem": "./files"}}
JSON
step process-hold sync components/machine/files/process.sh "$spec" tests/gpu/hold.py <<<"PROCESS=hold" >/dev/null
rm -f "$spec"
process=$ours/processes/hold
wait_for() { for ((n = 0; n < 600; n++)); do grep -q "$1" "$process/log" 2>/dev/null && return; sleep 0.1; done; tail -5 "$process/log"; return 1; }
wait_for '^holding'
say holds "$(grep '^holding' "$process/log" | tail -1)"
pid=$(grep '^holding' "$process/log" | tail -1 | grep -oP '(?<=pid )\d+')
kill -9 "$pid"
wait_for 'the process ended with -9'
for ((n = 0; n < 300 && $(grep -c '^holding' "$process/log") < 2; n++)); do sleep 0.1; done
say returns "$(grep '^holding' "$process/log" | tail -1)"
# shellcheck disable=SC2088
say cleanup "$(as bash <(cat components/machine/files/cleanup_{common,native}.sh) "$stack" '~/.tandem')"
left=$(grep -lsxzF "TANDEM_OWNER=$stack" /proc/[0-9]*/environ | wc -l || true)
say left "processes=$left files=$(as ls -A "$home" | grep -c '^.tandem' || true) gpu_processes=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader | wc -l)"
