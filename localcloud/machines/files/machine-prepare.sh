#!/bin/bash
# Runs inside a machine, early at every boot. Each part looks first and acts only where it must.
set -euo pipefail

# Docker makes control groups of its own: below the machine's, where its limits hold.
# Under cgroup v1 the machine gets them read-only; under v2 they are writable already.
for group in /sys/fs/cgroup/*; do
  if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then break; fi
  if [ ! -d "$group" ] || [ -L "$group" ]; then continue; fi
  name=${group##*/}
  case $name in systemd | unified) continue ;; esac # these two are systemd's, and writable
  if mountpoint -q "$group"; then
    mount -o remount,rw,bind "$group"
  else
    mount -t cgroup -o "$name" cgroup "$group" || true # a controller the host has in its v2 tree
  fi
done

# Half of the memory, as with a kernel of its own.
mount -o remount,size=50% /dev/shm

# The kernel is shared with the host, so these values are not the machine's to change. Each machine gets a note of
# its own in their place: it can be read and written and changes nothing. Values of net.* are truly the machine's.
shadow() {
  local real=/proc/sys/$1 own=/run/machine/sysctl/$1
  if [ ! -e "$real" ] || mountpoint -q "$real"; then return 0; fi
  mkdir -p "${own%/*}"
  cat "$real" > "$own"
  mount --bind "$own" "$real"
  mount -o remount,rw,bind "$real"
}
for key in vm/{dirty_background_ratio,dirty_ratio,max_map_count,min_free_kbytes,nr_hugepages,overcommit_memory} \
  vm/{overcommit_ratio,swappiness,vfs_cache_pressure,zone_reclaim_mode} \
  kernel/{numa_balancing,panic,panic_on_oops,perf_event_paranoid,pid_max,sched_autogroup_enabled,shmall,shmmax,threads-max} \
  fs/{aio-max-nr,file-max,nr_open} fs/inotify/{max_queued_events,max_user_instances,max_user_watches}; do
  shadow "$key" || echo "sysctl $key stays the host's" >&2
done
