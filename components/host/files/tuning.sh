#!/usr/bin/env bash
# Kernel and limits as inference hosts want them: deep accept queues, many open files, unlimited locked
# memory for RDMA, and no kernel upgrade under a running driver.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/package_manager.sh
. "$TANDEM_DIR/package_manager.sh"

status "tuning"
sysctls=/etc/sysctl.d/90-tandem.conf
limits=/etc/security/limits.d/90-tandem.conf
undo rm -f "$sysctls" "$limits"
mkdir -p /etc/sysctl.d /etc/security/limits.d

cat >"$sysctls" <<'SYSCTL'
net.core.somaxconn = 65535
net.ipv4.tcp_max_syn_backlog = 65535
SYSCTL
cat >"$limits" <<'LIMITS'
root soft nofile 204800
root hard nofile 204800
* soft nofile 204800
* hard nofile 204800
* soft memlock unlimited
* hard memlock unlimited
LIMITS

for wanted in net.core.somaxconn net.ipv4.tcp_max_syn_backlog; do
  file=/proc/sys/${wanted//./\/}
  [[ $(cat "$file") == 65535 ]] && continue
  # shellcheck disable=SC2016 # the words come later
  undo bash -c 'echo "$1" >"$2"' undo "$(cat "$file")" "$file"
  echo 65535 >"$file" || fail "$wanted can't be set on this machine; is it a container without its own network settings?"
done

hold kernel kernel-core kernel-devel linux-image-generic linux-headers-generic linux-generic linux-image-virtual linux-image-amd64 linux-headers-amd64
result "tuned=yes"
