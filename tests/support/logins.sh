#!/usr/bin/env bash
# On a machine of the tests: logins as users have them. Arguments: PASSWORD
set -euo pipefail
for login in ops guest; do
  useradd --create-home --shell /bin/bash "$login"
  mkdir -p "/home/$login/.ssh"
  cp /root/.ssh/authorized_keys "/home/$login/.ssh/"
  chown -R "$login:$login" "/home/$login/.ssh"
done
printf "%s\n" "ops:$1" "guest:$1" | chpasswd
echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
