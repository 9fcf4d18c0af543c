# shellcheck shell=bash
# apt as every step uses it. Sourced after lib.sh.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

lock_holder() { # the process that holds apt's or dpkg's lock, if any
  local file number
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
    [[ -e $file ]] || continue
    number=$(stat -c %i "$file")
    awk -v inode=":$number" '$6 ~ inode "$" {print $5; exit}' /proc/locks
  done | head -1
}

wait_for_lock() {
  local holder waited=0
  while holder=$(lock_holder) && [[ -n $holder ]]; do
    ((waited < 900)) || fail "apt's lock has been held for 15 minutes by process $holder ($(tr '\0' ' ' <"/proc/$holder/cmdline" 2>/dev/null || echo gone)); let it finish or end it, then run \`pulumi up\` again"
    status "waiting for apt's lock (process $holder, ${waited} s)"
    sleep 2
    waited=$((waited + 2))
  done
}

apt() {
  wait_for_lock
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

# update_lists: package lists from the machine's sources. Finishes first what a power cut or a reboot interrupted.
update_lists() {
  have apt-get || fail "this machine has no apt-get; install $1 by hand, or use Debian or Ubuntu"
  status "fetching package lists"
  wait_for_lock
  dpkg --configure -a
  tries 3 apt update || fail "apt-get update failed; see whether the machine reaches its package mirror (/etc/apt/sources.list)"
}

# hold PACKAGE...: no upgrade moves these, until the stack is destroyed.
hold() {
  local package held
  have apt-mark || return 0
  held=$(apt-mark showhold)
  for package in "$@"; do
    if dpkg-query -W "$package" >/dev/null 2>&1 && ! grep -qxF "$package" <<<"$held"; then
      undo apt-mark unhold "$package"
      apt-mark hold "$package"
    fi
  done
}
