#!/usr/bin/env bash
# Docker and the few programs that later steps call. Installs only what is missing.
#   CONTAINERS    no: a machine that only downloads needs no Docker
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

missing=()
[[ $CONTAINERS == no ]] || have docker || missing+=(docker.io)
[[ -x /sbin/mount.nfs ]] || missing+=(nfs-common)
have curl || missing+=(curl)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

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

if ((${#missing[@]})); then
  have apt-get || fail "${missing[*]} missing and this machine has no apt-get; install them by hand, or use Debian or Ubuntu"
  status "fetching package lists"
  tries 3 apt update || fail "apt-get update failed; see whether the machine reaches its package mirror (/etc/apt/sources.list)"
  status "installing ${missing[*]}"
  tries 2 apt install --yes --no-install-recommends "${missing[@]}" ||
    fail "apt-get install ${missing[*]} failed; the log says which package and why"
  kept "the packages ${missing[*]}"
fi

if [[ $CONTAINERS == no ]]; then
  result "docker=none"
  exit 0
fi

status "configuring Docker"
tool=$TANDEM_HOME/daemon_json.py
install -m 600 "$TANDEM_DIR/daemon_json.py" "$tool"
changed=$(python3 "$tool" merge)
if [[ $changed == changed ]]; then undo "python3 $tool restore && systemctl reload docker"; fi
systemctl enable --now docker >/dev/null 2>&1 || true
if [[ $changed == changed ]]; then systemctl reload docker; fi

docker_answers() { docker version --format '{{.Server.Version}}' 2>/dev/null; }
tries 6 docker_answers >/dev/null ||
  fail "Docker was installed but its daemon does not answer: $(journalctl -u docker -n 1 --no-pager -o cat 2>/dev/null || true)"
version=$(docker_answers)
minimum=18.09
[[ $(printf '%s\n%s\n' "$minimum" "$version" | sort -V | head -1) == "$minimum" ]] ||
  fail "Docker $version is too old to be driven over SSH; install $minimum or newer"
result "docker=$version"
