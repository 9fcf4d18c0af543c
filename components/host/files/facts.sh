#!/usr/bin/env bash
# Reads what the later steps build on, and refuses a machine that can't carry them.
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "reading facts"
[[ $(uname -s) == Linux ]] || fail "this machine runs $(uname -s); Tandem prepares Linux machines"

have ip || fail "this machine lacks ip, by which its network interface is found; install iproute2"
own=$(ip -oneline address show | awk '{print $4}' | cut -d/ -f1)
grep -qxF "$OWN_ADDRESS" <<<"$own" ||
  fail "address $OWN_ADDRESS is not on this machine, which has $(grep -vE '^(127\.|::1$|fe80:)' <<<"$own" | paste -sd' '); set its privateAddress to one of those"

# The interface by which packets to the peers leave. A machine alone talks to itself: any address will do.
if [[ $PEER == "$OWN_ADDRESS" ]]; then
  nic=$(ip -oneline address show | awk -v own="$OWN_ADDRESS" 'index($4, own "/") == 1 {print $2; exit}')
else
  nic=$(ip -oneline route get "$PEER" 2>/dev/null | grep -oP '(?<= dev )\S+' || true)
  [[ -n $nic && $nic != lo ]] ||
    fail "no route to the peer $PEER from this machine; put the machines into one network or correct privateAddress"
fi

memory_mib=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
disk_gib=$(df --output=avail -B1G "$TANDEM_HOME" | tail -1 | tr -d ' ')
((disk_gib >= DISK_MINIMUM_GIB)) ||
  fail "only $disk_gib GiB are free under ${TANDEM_HOME%/*} and $DISK_MINIMUM_GIB are needed for images and logs; free space or give the machine a larger disk"

# What containers may be given: a virtual machine without CAP_SYS_RESOURCE can't go above its own limits.
nofile=204800
prlimit --nofile=$nofile:$nofile true 2>/dev/null || nofile=$(ulimit -Hn)
memlock=-1
prlimit --memlock=unlimited:unlimited true 2>/dev/null || memlock=$(($(ulimit -Hl) * 1024))

result "kernel=$(uname -r) arch=$(uname -m) cpus=$(nproc) memory_mib=$memory_mib disk_gib=$disk_gib nic=$nic nofile=$nofile memlock=$memlock hostname=$(hostname)"
