#!/usr/bin/env bash
# Docker and the few programs that later steps call. Installs only what is missing.
#   CONTAINERS    no: a machine that only downloads needs no Docker
#   FIREWALL      yes: inner ports will be closed by nft (firewall.enabled)
#   DOCKER_PACKAGES    URL of Docker's own packages, for systems with dnf whose repositories have none
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/package_manager.sh
. "$TANDEM_DIR/package_manager.sh"

missing=()
[[ $CONTAINERS == no ]] || have docker || missing+=(docker)
[[ -x /sbin/mount.nfs ]] || missing+=(nfs)
have curl || missing+=(curl)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(venv)
[[ ${FIREWALL:-no} == no ]] || have nft || missing+=(nftables)
if ((${#missing[@]})); then add_packages "${missing[@]}"; fi

if [[ $CONTAINERS == no ]]; then
  result "docker=none"
  exit 0
fi

[[ $(docker --version 2>/dev/null) != *[Pp]odman* ]] ||
  fail "docker is Podman's stand-in on this machine, and containers are run by Docker; remove it (dnf remove podman-docker) and run \`pulumi up\` again"
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
