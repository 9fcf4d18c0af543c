# shellcheck shell=bash
# Packages as every step uses them, by the machine's own manager: apt-get (Debian, Ubuntu) or dnf (Rocky, Alma, Alibaba
# Cloud Linux, openEuler, Fedora). Sourced after lib.sh.
#   add_packages THING...   of docker nfs curl venv git: installs what has it here
#   update_lists, apt       for steps that know apt's own names; hold keeps versions
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
ETC=${ETC:-/etc}

manager=none
if command -v apt-get >/dev/null; then manager=apt; elif command -v dnf >/dev/null; then manager=dnf; fi

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
  local authority=()
  # apt reads no variable for it, as others do (egress.sh).
  if [[ -n ${SSL_CERT_FILE:-} ]]; then authority=(-o "Acquire::https::CAInfo=$SSL_CERT_FILE"); fi
  wait_for_lock
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "${authority[@]}" "$@"
}

# by_dnf WORD...: dnf waits for its own lock.
by_dnf() {
  local authority=()
  if [[ -n ${SSL_CERT_FILE:-} ]]; then authority=("--setopt=sslcacert=$SSL_CERT_FILE"); fi
  dnf --assumeyes --setopt=install_weak_deps=False --setopt=retries=3 "${authority[@]}" "$@"
}

in_words() { # of things, for people
  sed 's/\bdocker\b/Docker,/; s/\bnfs\b/the NFS client (mount.nfs),/; s/\bvenv\b/venv of Python,/; s/,$//' <<<"$1"
}

# update_lists FOR: package lists from the machine's sources. Finishes first what a power cut or a reboot interrupted.
update_lists() {
  status "fetching package lists"
  case $manager in
    apt)
      wait_for_lock
      dpkg --configure -a
      tries 3 apt update || fail "apt-get update failed; see whether the machine reaches its package mirror (/etc/apt/sources.list), and mirrors.httpProxy"
      ;;
    dnf) tries 3 by_dnf makecache || fail "dnf makecache failed; see whether the machine reaches its package mirrors (/etc/yum.repos.d), and mirrors.httpProxy" ;;
    *) fail "this machine has neither apt-get nor dnf; install by hand: $(in_words "$1"); or use Debian, Ubuntu, or a system of Red Hat's kind" ;;
  esac
}

# package_of THING: the package that has it here; nothing where no repository of this machine has one.
package_of() {
  local name
  case $manager:$1 in
    apt:docker) echo docker.io ;;
    apt:nfs) echo nfs-common ;;
    apt:venv) echo python3-venv ;;
    dnf:nfs) echo nfs-utils ;;
    dnf:venv) echo python3-pip ;;
    dnf:docker)
      # Docker's own; openEuler's; Fedora's and openEuler's newer; Amazon's.
      for name in docker-ce docker-engine moby-engine moby docker; do
        if dnf --quiet list --available "$name" >/dev/null 2>&1; then
          echo "$name"
          return
        fi
      done
      ;;
    *) echo "$1" ;;
  esac
}

# signing_key URL FILE FINGERPRINT REMEDY: a repository's key, kept only if it is the pinned one, whichever mirror it is from.
signing_key() {
  undo rm -f "$2"
  mkdir -p "${2%/*}"
  tries 3 python3 "$TANDEM_DIR/signing_key.py" "$1" "$2" "$3" >"$TANDEM_DIR/key.log" 2>&1 ||
    fail "$(tail -n 1 "$TANDEM_DIR/key.log"); $4"
}

# Docker's key for RPM packages (docs.docker.com, "Install Docker Engine on RHEL").
DOCKER_KEY=060A61C51B558A7F742B77AAC52FEB6B621E9F35

# docker_repository: Docker's own packages, for systems of Red Hat's kind whose repositories have none.
docker_repository() {
  local release file=$ETC/yum.repos.d/tandem-docker.repo key=$ETC/pki/rpm-gpg/tandem-docker.asc
  # platform:el9 is Rocky's and Alma's, platform:al8 Alibaba Cloud Linux 3's.
  release=$(sed -nE 's/^PLATFORM_ID="?platform:(el|al)([0-9]+).*/\2/p' "$ETC/os-release")
  [[ -n $release ]] ||
    fail "no repository of this machine has Docker, and Docker's own has none for $(sed -nE 's/^PRETTY_NAME="?([^"]*).*/\1/p' "$ETC/os-release"); install Docker by hand"
  undo rm -f "$file"
  DOCKER_PACKAGES=${DOCKER_PACKAGES:-https://download.docker.com/linux}
  signing_key "$DOCKER_PACKAGES/centos/gpg" "$key" "$DOCKER_KEY" \
    "set mirrors.dockerPackages to a mirror of Docker's own packages, or install Docker by hand"
  # shellcheck disable=SC2016 # $basearch is dnf's
  printf '[tandem-docker]\nname=Docker\nbaseurl=%s/centos/%s/$basearch/stable\nenabled=1\ngpgcheck=1\ngpgkey=file://%s\n' \
    "$DOCKER_PACKAGES" "$release" "$key" >"$file"
  chmod 644 "$file"
}

# add_packages THING...: installs what has them, under the names that this system gives them.
add_packages() {
  local thing name names=()
  update_lists "$*"
  for thing in "$@"; do
    name=$(package_of "$thing")
    if [[ -z $name ]]; then
      docker_repository
      name=docker-ce
    fi
    names+=("$name")
  done
  status "installing ${names[*]}"
  if [[ $manager == apt ]]; then
    tries 2 apt install --yes --no-install-recommends "${names[@]}" || fail "apt-get install ${names[*]} failed; the log says which package and why"
  else
    tries 2 by_dnf install "${names[@]}" || fail "dnf install ${names[*]} failed; the log says which package and why; Docker's packages can come from a mirror, mirrors.dockerPackages"
  fi
  kept "the packages ${names[*]}"
}

# hold PACKAGE...: no upgrade moves these, until the stack is destroyed.
hold() {
  local package held
  if [[ $manager == dnf ]]; then
    held=$(dnf --quiet versionlock list 2>/dev/null) || return 0 # a plugin, which not every system has
    for package in "$@"; do
      if rpm --quiet -q "$package" 2>/dev/null && ! grep -q "^$package-[0-9]" <<<"$held"; then
        undo dnf --quiet versionlock delete "$package"
        by_dnf versionlock add "$package"
      fi
    done
  fi
  have apt-mark || return 0
  held=$(apt-mark showhold)
  for package in "$@"; do
    if dpkg-query -W "$package" >/dev/null 2>&1 && ! grep -qxF "$package" <<<"$held"; then
      undo apt-mark unhold "$package"
      apt-mark hold "$package"
    fi
  done
}
