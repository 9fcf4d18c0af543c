#!/usr/bin/env bash
# On one machine with NVIDIA GPUs and root: `pulumi up` of platform hosts, runtime native, over two machines made of it
# (over one where there is one GPU), each with its own address, processes and share of the GPUs, logged into without
# root. For each split: the real engine answers through the URL, its log beside the planner's figures. Then its process is
# killed and it answers again,
# `pulumi destroy`, and a look at what is left.
# Needs pulumi with its plugins on PATH, this project's .venv, ip, sshd, and a Python that has vLLM.
# Ends within ten minutes. Usage: tests/gpu/up.sh PYTHON-WITH-VLLM GPU-NAME [SPLIT...], such as ... H200-141GB 1x2 2x1 (TP x PP; 1x1 for one GPU)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${1:?a Python that has vLLM} gpu=${2:?the GPUs name as the planner knows it, such as H200-141GB}
shift 2
total=$(nvidia-smi -L | grep -c '^GPU')
count=$((total > 1 ? 2 : 1))
splits=("${@:-1x$count}")
each=$((total / count)) login=tandem-renter stack=gpu-up
folder=/var/tmp/tandem-gpu
mkdir -p $folder/{drive,stacks}
out=${OUT:-$(mktemp -d)}
began=$SECONDS
say() { printf '%4d s  %-12s %s\n' $((SECONDS - began)) "$1" "$2"; }

id $login >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $login
usermod --password '*' $login # a locked login is refused without PAM
id sshd >/dev/null 2>&1 || useradd --system --home-dir /run/sshd --shell /usr/sbin/nologin sshd
mkdir -p /run/sshd
machines=()
leave() {
  kill -KILL "${machines[@]}" 2>/dev/null || true # unshare minds no other signal; its machine goes with it
  wait "${machines[@]}" 2>/dev/null || true
  for link in tandemgpu tandemgpu0 tandemgpu1; do ip link delete $link 2>/dev/null || true; done
  userdel --remove --force $login >/dev/null 2>&1 || true
  rm -rf $folder "${PWD:?}/Pulumi.$stack.yaml"
}
trap leave EXIT

rm -f $folder/key* $folder/host_key*
ssh-keygen -q -t ed25519 -N '' -f $folder/key
ssh-keygen -q -t ed25519 -N '' -f $folder/host_key
install -m 644 $folder/key.pub $folder/authorized_keys
cat >$folder/sshd_config <<CONFIG
HostKey $folder/host_key
AuthorizedKeysFile $folder/authorized_keys
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
SetEnv PATH=$PATH ${LD_LIBRARY_PATH:+LD_LIBRARY_PATH=$LD_LIBRARY_PATH}
CONFIG
ip link add tandemgpu type bridge
ip address add 10.99.0.1/24 dev tandemgpu
ip link set tandemgpu up
: >$folder/known_hosts
for ((i = 0; i < count; i++)); do
  address=10.99.0.1$((i + 1))
  mapfile -t gpus < <(seq $((i * each)) $((i * each + each - 1)))
  unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc \
    bash tests/gpu/machine.sh gpu-$i $address $folder $login "${gpus[@]}" 2>"$out/gpu-$i.log" &
  machines+=($!)
  until [[ $(readlink /proc/$!/ns/net) != "$(readlink /proc/self/ns/net)" ]]; do sleep 0.05; done
  ip link add tandemgpu$i type veth peer name eth0 netns $!
  ip link set tandemgpu$i master tandemgpu up
  echo "$address $(cut -d' ' -f1,2 $folder/host_key.pub)" >>$folder/known_hosts
done
there() { ssh -F none -i $folder/key -o UserKnownHostsFile=$folder/known_hosts -o BatchMode=yes -o ConnectTimeout=2 $login@10.99.0.1$(($1 + 1)) "$2"; }
for ((i = 0; i < count; i++)); do
  for ((n = 0; n < 100; n++)); do
    if there $i true 2>/dev/null; then break; fi
    kill -0 "${machines[i]}" 2>/dev/null || { cat "$out/gpu-$i.log"; exit 1; }
    sleep 0.1
  done
  say machine "$(there $i "hostname; id -un; nvidia-smi -L" | sed "s/ (UUID.*//" | paste -sd" ")"
done

ask() { # one completion through the URL; fails unless it came back whole
  curl -sS --fail --max-time 60 -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' "$url/chat/completions" \
    -d '{"model": "weights", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 24, "temperature": 0}' |
    python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["choices"][0]["message"]["content"]))'
}

[[ -f $folder/drive/weights/config.json ]] || "$python" tests/gpu/weights.py $folder/drive/weights
chown -R $login $folder/drive
say weights "$(du -sh $folder/drive/weights | cut -f1)"

export PULUMI_BACKEND_URL=file://$folder/stacks PULUMI_CONFIG_PASSPHRASE=gpu
{ pulumi --non-interactive stack select --create $stack && pulumi --non-interactive config set --secret tandem:apiKey "$(head -c 24 /dev/urandom | base64 | tr -d '+/=')"; } >/dev/null
mib=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits | head -1)
version=$("$python" -c 'import importlib.metadata as m; print(m.version("vllm").split("+")[0])')
salt=$(grep '^encryptionsalt' Pulumi.$stack.yaml) key=$(grep -A1 apiKey Pulumi.$stack.yaml | tail -1)
for split in "${splits[@]}"; do
  tp=${split%x*} pp=${split#*x}
  ((count > 1)) && others='' || others='/name: gpu-1/,+1d;'
  sed -e "$others s|@FOLDER@|$folder|; s|@LOGIN@|$login|; s|@EACH@|$each|; s|@GPU@|$gpu|; s|@PYTHON@|$python|; s|@TP@|$tp|; s|@PP@|$pp|" \
    tests/gpu/stack.yaml >Pulumi.$stack.yaml
  printf '  tandem:apiKey:\n%s\n%s\n' "$key" "$salt" >>Pulumi.$stack.yaml
  at=$SECONDS code=0
  pulumi --non-interactive --color never up --yes --skip-preview --stack $stack >"$out/up-$split.log" 2>&1 || code=$?
  there 0 "cat .tandem/*/processes/gpu-0-engine/log" >"$out/engine-$split.log" 2>&1 || true
  if ((code)); then
    tail -40 "$out/up-$split.log"
    exit 1
  fi
  say "up $split" "$((SECONDS - at)) s, vLLM $version"
  url=$(pulumi stack output --stack $stack apiUrl) secret=$(pulumi stack output --stack $stack --show-secrets apiKey)
  say answer "$(ask)"
  for ((i = 0; i < count; i++)); do say "gpu-$i" "$(there $i 'nvidia-smi --query-gpu=name,memory.used --format=csv,noheader' | paste -sd' ')"; done
  grep -hoE 'Model loading took [0-9.]+ ?Gi?B|Available KV cache memory: [0-9.]+ ?Gi?B|GPU KV cache size: [0-9,]+ tokens|Maximum concurrency.*|via NET/[A-Za-z]+' \
    "$out/engine-$split.log" | sort | uniq -c || true
  .venv/bin/python -m planner memory --config $folder/drive/weights --gpu-memory-mib "$mib" --tensor-parallel-size "$tp" \
    --pipeline-parallel-size "$pp" --engine vllm --engine-version "$version" --usage server --set max_model_len=8192 --json | tee "$out/planned-$split.json"
  at=$SECONDS
  pulumi --non-interactive --color never up --yes --skip-preview --stack $stack 2>&1 | grep -E '^ +[~+-]|unchanged' | tail -4
  say "again" "$((SECONDS - at)) s"
done
victim=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader | head -1) at=$SECONDS
kill -KILL "$victim"
until answer=$(ask 2>/dev/null) && ! kill -0 "$victim" 2>/dev/null; do
  ((SECONDS - at < 180)) || { say killed "the engine's process $victim, and no answer in 180 s"; exit 1; }
  sleep 0.5
done
say killed "the engine's process $victim; $((SECONDS - at)) s later $answer"
pulumi --non-interactive --color never destroy --yes --skip-preview --stack $stack >"$out/destroy.log" 2>&1 || { tail -20 "$out/destroy.log"; exit 1; }
for ((i = 0; i < count; i++)); do
  say "left gpu-$i" "$(there $i "ls -A; ls /tmp; ps -u $login -o args= | grep -v -e sshd -e 'ps -u' -e grep || true" | paste -sd' ')"
done
say "left" "gpu_processes=$(nvidia-smi --query-compute-apps=pid --format=csv,noheader | wc -l)"
