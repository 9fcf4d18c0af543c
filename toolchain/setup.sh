#!/usr/bin/env bash
# Everything a fresh machine needs to run and test Tandem: Debian's packages, a Python environment from
# requirements.lock, and Pulumi with its plugins. Does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${TANDEM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tandem}
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' toolchain/setup.lock) # makes and fills the environment, writes lock files

say() { echo "setup: $*"; }
die() {
  echo "setup: $*" >&2
  exit 1
}

# Machines on this computer need these (localcloud/), and `make check` needs shellcheck.
packages=(systemd-container mmdebstrap iproute2 nftables openssh-client shellcheck procps curl ca-certificates)
packages+=(python3-venv dpkg-dev apt-utils)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
  else
    say "without ${missing[*]} only your own machines or the cloud can be used (apt-get install ${missing[*]})"
  fi
fi

python=python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  die "needs Python 3.11 or newer as python3; install it (apt-get install python3 python3-venv)"

uv=$cache/uv/$uv_version/bin/uv
if [[ ! -x $uv ]]; then
  say "fetching uv $uv_version"
  rm -rf "$cache/uv/$uv_version.new"
  "$python" -m venv "$cache/uv/$uv_version.new" || die "python3 -m venv failed; install python3-venv"
  "$cache/uv/$uv_version.new/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement toolchain/setup.lock ||
    die "the Python package index was not reached; set PIP_INDEX_URL to one that is"
  mv "$cache/uv/$uv_version.new" "$cache/uv/$uv_version"
fi

wanted=$(sha256sum requirements.lock | cut -d' ' -f1)-$("$python" -c 'import sys; print(sys.version)' | sha256sum | cut -c1-8)
# Pulumi's own Python language host runs `python -m pip list`, and a `.venv` that uv made has a pip only by the lock.
if [[ $(cat .venv/tandem-lock 2>/dev/null) != "$wanted" ]] || ! compgen -G '.venv/lib/python3*/site-packages/pip/__main__.py' >/dev/null; then
  say "making .venv from requirements.lock"
  [[ -x .venv/bin/python ]] || "$uv" venv --quiet --python "$python" .venv
  "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock
  echo "$wanted" >.venv/tandem-lock
fi
if [[ $(cat .venv/tandem-compiled 2>/dev/null) != "$wanted" ]]; then
  # What the program imports is compiled once; where PYTHONDONTWRITEBYTECODE is set, each run would do it again.
  env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m toolchain.imports
  echo "$wanted" >.venv/tandem-compiled
fi

.venv/bin/python -m toolchain ensure
