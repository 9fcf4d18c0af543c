#!/usr/bin/env bash
# Reads what the later steps build on, and refuses a machine that can't carry them.
# Environment: PEER OWN_ADDRESS DISK_MINIMUM_GIB; IMAGE and IMAGE_GIB, the engine's image and the disk it takes (0: none comes)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "reading facts"
[[ $(uname -s) == Linux ]] || fail "this machine runs $(uname -s); Tandem prepares Linux machines"

have ip || fail "this machine lacks ip, by which its network interface is found; install iproute2"
own=$(ip -oneline address show | awk '{print $4}' | cut -d/ -f1)
grep -qxF "$OWN_ADDRESS" <<<"$own" ||
  fail "address $OWN_ADDRESS is not on this machine, which has $(grep -vE '^(127\.|::1$|fe80:)' <<<"$own" | paste -sd' '); set its privateAddress to one of those"

# Before anything is installed: a port that somebody else holds would be found when the engine starts, hours later.
if [[ -n ${PORTS:-} ]] && have python3; then
  read -ra ports <<<"$PORTS"
  taken=$(python3 "$TANDEM_DIR/ports.py" "$TANDEM_STACK" "${ports[@]}") || fail "${taken:-the ports of this machine could not be read, see the log}"
fi

# The interface by which packets to the peers leave. A machine alone talks to itself: any address will do.
if [[ -n ${NIC:-} ]]; then
  nic=$NIC
  [[ -e /sys/class/net/$nic ]] ||
    fail "this machine has no network interface $nic, only $(cd /sys/class/net && echo *); correct its nic in machines"
elif [[ $PEER == "$OWN_ADDRESS" ]]; then
  nic=$(ip -oneline address show | awk -v own="$OWN_ADDRESS" 'index($4, own "/") == 1 {print $2; exit}')
else
  nic=$(ip -oneline route get "$PEER" 2>/dev/null | grep -oP '(?<= dev )\S+' || true)
  [[ -n $nic && $nic != lo ]] ||
    fail "no route to the peer $PEER from this machine; put the machines into one network or correct privateAddress"
fi

memory_mib=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
disk_gib=$(df --output=avail -B1G "$TANDEM_HOME" | tail -1 | tr -d ' ')
((disk_gib >= DISK_MINIMUM_GIB)) ||
  fail "only $disk_gib GiB are free under ${TANDEM_HOME%/*} and $DISK_MINIMUM_GIB are needed for logs and what is installed there; free space or give the machine a larger disk"

# images_at: the folder that images go to, by Docker where it is there already, else by what it will be given.
images_at() {
  local root=''
  if docker info --format '{{json .DriverStatus}}' 2>/dev/null | grep -q 'io.containerd.snapshotter'; then
    root=$(containerd config dump 2>/dev/null | sed -nE "s/^root *= *[\"'](.*)[\"']/\1/p" | head -1 || true)
    root=${root:-/var/lib/containerd} # Docker with containerd's own store keeps nothing in its own folder
  else
    root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || true)
    if [[ -z $root && -r ${ETC:-/etc}/docker/daemon.json ]]; then
      root=$(sed -nE 's/.*"data-root" *: *"([^"]+)".*/\1/p' "${ETC:-/etc}/docker/daemon.json" | head -1)
    fi
  fi
  echo "${root:-/var/lib/docker}"
}
IMAGE_GIB=${IMAGE_GIB:-60}
images=none
if ((IMAGE_GIB > 0)) && ! docker image inspect "${IMAGE:-}" >/dev/null 2>&1; then
  images=$(images_at)
  folder=$images
  until [[ -d $folder ]]; do folder=$(dirname "$folder"); done
  free_gib=$(df --output=avail -B1G "$folder" | tail -1 | tr -d ' ')
  ((free_gib >= IMAGE_GIB)) ||
    fail "only $free_gib GiB are free in $images, where Docker keeps images, and ${IMAGE:-the image} takes $IMAGE_GIB, downloaded and unpacked; free space there (docker system prune), move it to a larger disk (data-root in /etc/docker/daemon.json), or say in images.diskGib what your image takes"
fi

# Where its packets to the others may come from; what bridges of containers and virtual machines have is theirs alone.
addresses=$(ip -oneline -4 address show scope global |
  awk '$2 !~ /^(docker|br-|veth|virbr|cni|flannel|cali|kube)/ {print $4}' | cut -d/ -f1 | paste -sd, || true)

# What containers may be given: a virtual machine without CAP_SYS_RESOURCE can't go above its own limits.
nofile=204800
prlimit --nofile=$nofile:$nofile true 2>/dev/null || nofile=$(ulimit -Hn)
memlock=-1
prlimit --memlock=unlimited:unlimited true 2>/dev/null || memlock=$(($(ulimit -Hl) * 1024))

result "kernel=$(uname -r) arch=$(uname -m) cpus=$(nproc) memory_mib=$memory_mib disk_gib=$disk_gib images=$images nic=$nic addresses=$addresses nofile=$nofile memlock=$memlock hostname=$(hostname)"
