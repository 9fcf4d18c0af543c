# shellcheck shell=bash
# What the scripts of a recipe share. They run inside an image while it is built, as root.
# Exit codes tell why a build failed: 41 package index, 42 archive, 43 checksum, 44 compiler, 45 disk, 46 pip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DEBIAN_FRONTEND=noninteractive PIP_CONFIG_FILE=$PWD/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_ROOT_USER_ACTION=ignore PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off

give_up() { # CODE SENTENCE
  echo "error: $2" >&2
  if (($(df --output=avail -k /tmp | tail -n 1) < 1024)); then exit 45; fi
  exit "$1"
}

# archive PACKAGE...: from the system's own archive, or the mirror of it in APT_MIRROR.
archive() {
  local file
  command -v apt-get >/dev/null || give_up 42 "this image has no apt-get for $*"
  if [[ -n ${APT_MIRROR:-} ]]; then
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/{ubuntu,debian}.sources; do
      [[ ! -f $file ]] || sed -i -E "s#https?://[^/ ]*(archive|security|ports)\.ubuntu\.com/ubuntu(-ports)?/?#${APT_MIRROR%/}/#; s#https?://deb\.debian\.org/debian(/| |\$)#${APT_MIRROR%/}\1#" "$file"
    done
  fi
  apt-get -o Acquire::Retries=3 update || give_up 42 "apt-get update failed"
  apt-get -o Dpkg::Use-Pty=0 install --yes --no-install-recommends "$@" || give_up 42 "apt-get install $* failed"
  rm -rf /var/lib/apt/lists/*
}
