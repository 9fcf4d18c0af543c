#!/usr/bin/env bash
# Docker and the few programs that later steps call. Installs only what is missing.
#   CONTAINERS    no: a machine that only downloads needs no Docker
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/apt.sh
. "$TANDEM_DIR/apt.sh"

missing=()
[[ $CONTAINERS == no ]] || have docker || missing+=(docker.io)
[[ -x /sbin/mount.nfs ]] || missing+=(nfs-common)
have curl || missing+=(curl)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
  update_lists "${missing[*]}"
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
if [[ $changed == changed ]]; then
  undo systemctl reload docker
  undo python3 "$tool" restore
fi
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
