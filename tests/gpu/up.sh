#!/usr/bin/env bash
# On one machine with NVIDIA GPUs and root: `pulumi up` of platform hosts, runtime native, over machines made of it, each
# with its own address, processes, /dev/shm and share of the GPUs, logged into without root. A line for each split: how
# long to its first completion, and the answer; or why not, with the stack of every rank that stands still.
# Needs pulumi with its plugins on PATH, this project's .venv, ip, sshd, caddy, and a Python that has vLLM (and Ray, py-spy).
# Usage: tests/gpu/up.sh PYTHON-WITH-VLLM GPU-NAME [SPLIT...]
#   SPLIT  MACHINESxGPUS:TPxPP:EXECUTOR, such as 2x2:4x1:mp: two machines of two GPUs, TP4 over both, without Ray;
#          TPxPPxDP with data parallel ranks, whose experts are spread where the model has some: 2x1:1x1x2:mp;
#          left out: every one that this machine's GPUs allow, TP over all of them and PP between machines or GPUs.
#   MODEL  small (a model of 0.1 GB, without CUDA graphs: is it right?), 7b (13 GB, as users have it: is it as planned?)
#          or moe (14 GB, 128 experts)
#   SPLIT_SECONDS, SECONDS_IN_ALL  each split's own limit, and after how long none is begun any more.
#   BENCHMARK quick or full: the engine is measured after its first completion, a line a level, and the report kept.
#   FAULTS killed, context, or both: after the last split a process of the engine is killed, or its CUDA context is broken
#          by an access out of bounds while it idles; what its supervisor says, and the next answer, are waited for.
# A split that fails stops no other. Exits with the number of those that failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${1:?a Python that has vLLM} gpu=${2:?the GPUs name as the planner knows it, such as H200-141GB}
shift 2
total=$(nvidia-smi -L | grep -c '^GPU')
if (($# == 0)); then
  for machines in 2 1; do
    ((total % machines == 0 && (machines == 1 || total > 1))) || continue
    each=$((total / machines))
    for executor in mp ray; do
      set -- "$@" "${machines}x$each:${total}x1:$executor"
      if ((total > 1)); then set -- "$@" "${machines}x$each:$((machines > 1 ? each : 1))x$((machines > 1 ? machines : total)):$executor"; fi
    done
  done
fi
model=${MODEL:-small} split_seconds=${SPLIT_SECONDS:-170} all=${SECONDS_IN_ALL:-540}
login=tandem-renter stack=gpu-up folder=/var/tmp/tandem-gpu
mkdir -p $folder/{drive,stacks}
out=${OUT:-$(mktemp -d)}
began=$SECONDS
say() { printf '%4d s  %-14s %s\n' $((SECONDS - began)) "$1" "$2"; }

# broken_context.py is imported by every Python of the engine and does nothing before its signal comes.
hook=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tandem_broken_context.pth
printf 'import sys; sys.path.append("%s"); import broken_context\n' "$PWD/tests/gpu" >"$hook"

id $login >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $login
usermod --password '*' $login # a locked login is refused without PAM
id sshd >/dev/null 2>&1 || useradd --system --home-dir /run/sshd --shell /usr/sbin/nologin sshd
mkdir -p /run/sshd
machines=()
end_machines() {
  ((${#machines[@]})) || return 0
  kill -KILL "${machines[@]}" 2>/dev/null || true # unshare minds no other signal; its machine goes with it
  wait "${machines[@]}" 2>/dev/null || true
  for ((i = 0; i < ${#machines[@]}; i++)); do ip link delete tandemgpu$i 2>/dev/null || true; done
  machines=()
}
# shellcheck disable=SC2317 # the trap calls it
leave() {
  end_machines
  ip link delete tandemgpu 2>/dev/null || true
  userdel --remove --force "$login" >/dev/null 2>&1 || true
  rm -rf "$folder" "$hook" "${PWD:?}/Pulumi.$stack.yaml"
}
trap leave EXIT

rm -f $folder/key* $folder/host_key*
ssh-keygen -q -t ed25519 -N '' -f $folder/key
ssh-keygen -q -t ed25519 -N '' -f $folder/host_key
install -m 644 $folder/key.pub $folder/authorized_keys
# NVLink multicast stays off: a virtual machine's GPUs may share their switch with others'.
cat >$folder/sshd_config <<CONFIG
HostKey $folder/host_key
AuthorizedKeysFile $folder/authorized_keys
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
SetEnv NCCL_NVLS_ENABLE=0 TORCH_SYMM_MEM_DISABLE_MULTICAST=1 NVSHMEM_DISABLE_NVLS=1 PATH=$PATH ${LD_LIBRARY_PATH:+LD_LIBRARY_PATH=$LD_LIBRARY_PATH}
CONFIG
ip link add tandemgpu type bridge
ip address add 10.99.0.1/24 dev tandemgpu
ip link set tandemgpu up

there() { ssh -F none -i $folder/key -o UserKnownHostsFile=$folder/known_hosts -o BatchMode=yes -o ConnectTimeout=2 $login@10.99.0.1$(($1 + 1)) "$2"; }
make_machines() { # COUNT GPUS-EACH
  local i n address gpus
  : >$folder/known_hosts
  for ((i = 0; i < $1; i++)); do
    address=10.99.0.1$((i + 1))
    mapfile -t gpus < <(seq $((i * $2)) $((i * $2 + $2 - 1)))
    unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc \
      bash tests/gpu/machine.sh gpu-$i $address $folder $login "${gpus[@]}" 2>>"$out/gpu-$i.log" &
    machines+=($!)
    until [[ $(readlink /proc/$!/ns/net) != "$(readlink /proc/self/ns/net)" ]]; do sleep 0.05; done
    ip link add tandemgpu$i type veth peer name eth0 netns $!
    ip link set tandemgpu$i master tandemgpu up
    echo "$address $(cut -d' ' -f1,2 $folder/host_key.pub)" >>$folder/known_hosts
  done
  for ((i = 0; i < $1; i++)); do
    for ((n = 0; n < 100; n++)); do
      if there $i true 2>/dev/null; then break; fi
      kill -0 "${machines[i]}" 2>/dev/null || { cat "$out/gpu-$i.log"; return 1; }
      sleep 0.1
    done
    say machine "$(there $i "hostname; id -un; nvidia-smi -L" | sed "s/ (UUID.*//" | paste -sd" ")"
  done
}

ask() { # one completion through the URL; fails unless it came back whole
  curl -sS --noproxy '*' --cacert "$out/ca.pem" --fail --max-time 60 -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' "$url/chat/completions" \
    -d '{"model": "weights", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 24, "temperature": 0}' |
    python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["choices"][0]["message"]["content"]))'
}
stacks() { # MACHINE: where every process of the engine stands
  there "$1" "for p in \$(pgrep -u $login -f 'vllm|VLLM|ray::|collective' || true); do
    echo \"--- \$(hostname) \$p \$(tr '\\0' ' ' </proc/\$p/cmdline | cut -c1-100) state \$(awk '/State/ {print \$2}' /proc/\$p/status)\"
    '$(dirname "$python")/py-spy' dump --nonblocking --pid \$p 2>&1 | head -40
  done" 2>/dev/null || true
}

[[ -f $folder/drive/weights/config.json ]] || "$python" tests/gpu/weights.py $folder/drive/weights "$model"
chown -R $login $folder/drive
say weights "$model, $(du -sh $folder/drive/weights | cut -f1)"

export PULUMI_BACKEND_URL=file://$folder/stacks PULUMI_CONFIG_PASSPHRASE=gpu TANDEM_STATE=$folder/state
{ pulumi --non-interactive stack select --create $stack && pulumi --non-interactive config set --secret tandem:apiKey "$(head -c 24 /dev/urandom | base64 | tr -d '+/=')"; } >/dev/null
mib=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits | head -1)
version=$("$python" -c 'import importlib.metadata as m; print(m.version("vllm").split("+")[0])')
salt=$(grep '^encryptionsalt' Pulumi.$stack.yaml) key=$(grep -A1 apiKey Pulumi.$stack.yaml | tail -1)

settings() { # COUNT EACH TP PP EXECUTOR DP
  local i experts=false
  if [[ $model == moe ]] && (($6 > 1)); then experts=true; fi
  sed -e "s|@FOLDER@|$folder|; s|@LOGIN@|$login|; s|@EACH@|$2|; s|@GPU@|$gpu|; s|@PYTHON@|$python|; s|@CADDY@|$(dirname "$(command -v caddy)")|; s|@TP@|$3|; s|@PP@|$4|; s|@EXECUTOR@|$5|; s|@DP@|$6|; s|@EXPERTS@|$experts|; s|@READY@|$split_seconds|" \
    tests/gpu/stack.yaml | while IFS= read -r line; do
    case $line in
      *@MACHINES@*) for ((i = 0; i < $1; i++)); do printf '    - {name: gpu-%d, address: 10.99.0.1%d}\n' $i $((i + 1)); done ;;
      *@ARGUMENTS@*) [[ $model == small ]] && printf '    arguments: ["--enforce-eager", "--gpu-memory-utilization=0.3"]\n' ;;
      *) printf '%s\n' "$line" ;;
    esac
  done >Pulumi.$stack.yaml
  if [[ -n ${BENCHMARK:-} ]]; then echo "  tandem:benchmark: $BENCHMARK" >>Pulumi.$stack.yaml; fi
  printf '  tandem:apiKey:\n%s\n%s\n' "$key" "$salt" >>Pulumi.$stack.yaml
}

up() { timeout --kill-after=10 "$split_seconds" pulumi --non-interactive --color never up --yes --skip-preview --stack $stack; }

table=() failed=0 shape=''
row() { table+=("$(printf '%-8s %-6s %-5s %7s  %s' "$@")"); say "$1 $2 $3" "$4 s: $5"; }
for split in "$@"; do
  IFS=: read -r parts ranks executor <<<"$split"
  count=${parts%x*} each=${parts#*x} executor=${executor:-mp}
  IFS=x read -r tp pp dp <<<"${ranks}x1"
  dp=${dp%x1} # 1 where the split names none
  name=${split//:/-}
  if ((SECONDS - began > all - 40)); then
    row "$parts" "$ranks" "$executor" - "not run: no time left"
    continue
  fi
  if [[ $shape != "$parts" ]]; then # other machines: what ran on the ones before goes with them
    if [[ -n $shape ]]; then timeout 60 pulumi --non-interactive --color never destroy --yes --skip-preview --stack $stack >"$out/destroy-$shape.log" 2>&1 || true; fi
    end_machines
    rm -rf $folder/stacks/.pulumi/{stacks,history,locks}
    pulumi --non-interactive stack select --create $stack >/dev/null
    make_machines "$count" "$each" || { row "$parts" "$ranks" "$executor" - "the machines did not come up"; failed=$((failed + 1)); continue; }
    shape=$parts
  fi
  settings "$count" "$each" "$tp" "$pp" "$executor" "$dp"
  at=$SECONDS code=0
  up >"$out/up-$name.log" 2>&1 || code=$?
  took=$((SECONDS - at))
  for ((i = 0; i < count; i++)); do there $i "cat .tandem/*/processes/gpu-$i-engine/log" >"$out/engine-$name-$i.log" 2>/dev/null || true; done
  if ((code)); then
    for ((i = 0; i < count; i++)); do stacks $i; done >"$out/stacks-$name.log"
    failed=$((failed + 1))
    row "$parts" "$ranks" "$executor" $took "failed: $(grep -oE 'gpu-[0-9] \([^)]*\): .*' "$out/up-$name.log" | tail -1 | cut -c1-600)"
    tail -12 "$out/up-$name.log"
    grep -vE '^ *$' "$out/stacks-$name.log" | head -120
    pulumi --non-interactive cancel --yes --stack $stack >/dev/null 2>&1 || true
    shape='' # what is left of it is not the next one's ground
    continue
  fi
  pulumi stack output --stack $stack apiCa >"$out/ca.pem"
  url=$(pulumi stack output --stack $stack apiUrl) secret=$(pulumi stack output --stack $stack --show-secrets apiKey)
  answer=$(ask || echo none)
  again=$SECONDS
  up 2>&1 | grep -E '^ +[~+-]|unchanged' | tail -4 >"$out/again-$name.log" || true
  row "$parts" "$ranks" "$executor" $took "vLLM $version, $answer, again $((SECONDS - again)) s ($(paste -sd' ' "$out/again-$name.log" | tr -s ' '))"
  grep -hoE 'Model loading took [0-9.]+ ?Gi?B|Available KV cache memory: [0-9.]+ ?Gi?B|GPU KV cache size: [0-9,]+ tokens|Maximum concurrency.*|via NET/[A-Za-z]+' \
    "$out/engine-$name-0.log" | sort | uniq -c || true
  if [[ -n ${BENCHMARK:-} ]]; then
    pulumi stack output --stack $stack --json measured >"$out/measured-$name.json"
    cp "$(pulumi stack output --stack $stack report)" "$out/report-$name.html"
    grep -oE '(not )?measured( \(|:).*' "$out/up-$name.log" | sort -u || true
  fi
  if [[ $model != small ]]; then
    spread=()
    if [[ $model == moe ]] && ((dp > 1)); then spread=(--expert-parallel); fi
    .venv/bin/python -m planner memory --config $folder/drive/weights --gpu-memory-mib "$mib" --tensor-parallel-size "$tp" \
      --pipeline-parallel-size "$pp" --data-parallel-size "$dp" "${spread[@]}" --engine vllm --engine-version "$version" --usage server --set max_model_len=8192 --json | tee "$out/planned-$name.json"
  fi
done
engine_log() { there $((count - 1)) "cat .tandem/*/processes/gpu-$((count - 1))-engine/log"; }
for fault in ${FAULTS:-}; do
  [[ -n $shape ]] || break
  victim=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader | tail -1) at=$SECONDS lines=$(engine_log | wc -l)
  kill -"$([[ $fault == context ]] && echo USR2 || echo KILL)" "$victim"
  gone=''
  until [[ -n $gone ]] && answer=$(ask 2>/dev/null); do
    if [[ -z $gone ]] && ! kill -0 "$victim" 2>/dev/null; then gone=$((SECONDS - at)); fi
    ((SECONDS - at < split_seconds)) || { answer="no answer"; failed=$((failed + 1)); break; }
    sleep 0.5
  done
  say "$fault" "the engine's process $victim ended ${gone:-never} s later, the next answer came after $((SECONDS - at)) s: $answer"
  engine_log | tail -n +$((lines + 1)) >"$out/fault-$fault.log" || true
  grep -aE '^tandem|out of bounds|CUDA error' "$out/fault-$fault.log" | cut -c1-400 | head -20 || true
done
if [[ -n $shape ]]; then
  timeout 60 pulumi --non-interactive --color never destroy --yes --skip-preview --stack $stack >"$out/destroy.log" 2>&1 || { tail -20 "$out/destroy.log"; failed=$((failed + 1)); }
  for ((i = 0; i < ${#machines[@]}; i++)); do
    say "left gpu-$i" "$(there $i "ls -A; ls /tmp; ps -u $login -o args= | grep -v -e sshd -e 'ps -u' -e grep || true" | paste -sd' ')"
  done
fi
end_machines
say "left" "gpu_processes=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader | wc -l)"
printf '\n%-8s %-6s %-5s %7s  %s\n' machines TPxPP by seconds result
printf '%s\n' "${table[@]}"
exit "$failed"
