#!/usr/bin/env bash
# Lets a login that is not root reach Docker, as it may by sudo anyway: a socket of its own, which systemd passes on to
# Docker's. Docker's group would outlast the stack, and be taken from under another one. Environment: LOGIN SOCKET
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

unit=$TANDEM_STACK-docker-login units=/etc/systemd/system
status "giving $LOGIN a socket for Docker"
for folder in /usr/lib/systemd /lib/systemd; do
  if [[ -x $folder/systemd-socket-proxyd ]]; then proxy=$folder/systemd-socket-proxyd; fi
done
[[ -n ${proxy:-} ]] || fail "this machine lacks systemd-socket-proxyd, by which $LOGIN reaches Docker; install systemd whole, or set ssh.user to root"
docker=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)
docker=${docker#unix://}
[[ -S $docker ]] || docker=/run/docker.sock
[[ -S $docker ]] || fail "Docker has no socket at $docker on this machine; start it: systemctl start docker"

undo systemctl daemon-reload # the last of the three
undo rm -f "$units/$unit.socket" "$units/$unit.service" "$SOCKET"
undo systemctl disable --quiet --now "$unit.socket" "$unit.service"
cat >"$units/$unit.socket" <<UNIT
[Unit]
Description=Docker for $LOGIN ($TANDEM_STACK)

[Socket]
ListenStream=$SOCKET
SocketUser=$LOGIN
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
UNIT
cat >"$units/$unit.service" <<UNIT
[Unit]
Description=Docker for $LOGIN ($TANDEM_STACK)
Requires=$unit.socket
After=$unit.socket

[Service]
ExecStart=$proxy $docker
PrivateTmp=yes
UNIT
chmod 0644 "$units/$unit.socket" "$units/$unit.service"
systemctl daemon-reload
systemctl stop "$unit.service"
systemctl enable --quiet "$unit.socket"
systemctl restart "$unit.socket"

words=$(runuser -u "$LOGIN" -- docker --host "unix://$SOCKET" version --format '{{.Server.Version}}' 2>&1) ||
  fail "$LOGIN can't reach Docker by $SOCKET ($(tail -n 1 <<<"$words")); see \`journalctl -u $unit\` on the machine, or set ssh.user to root"
result "docker=$words socket=$SOCKET"
