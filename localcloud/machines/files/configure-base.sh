#!/usr/bin/env bash
# Makes the root folder that every machine sees below its own changes: the bootstrapped system, configured, bare.
# usage: configure-base.sh BOOTSTRAPPED TARGET FILES_DIR
set -euo pipefail

bootstrapped=$1 target=$2 files=$3

# --- act -------------------------------------------------------------------------------------------------
cp -a --reflink=auto "$bootstrapped/." "$target"

# Packages installed in a machine need not survive a power cut of the host: no fsync for each file.
echo force-unsafe-io > "$target/etc/dpkg/dpkg.cfg.d/unsafe-io"
# The machine gets its own list of sources when it is created.
rm -rf "$target/etc/apt/sources.list" "$target/etc/apt/sources.list.d" "$target/var/lib/apt/lists"
mkdir -p "$target/etc/apt/sources.list.d" "$target/var/lib/apt/lists/partial"
# Identity is each machine's own.
rm -f "$target"/etc/ssh/ssh_host_* "$target/etc/hostname" "$target/etc/resolv.conf" "$target/var/lib/dbus/machine-id"
echo uninitialized > "$target/etc/machine-id"

install -m 0644 "$files/sshd.conf" "$target/etc/ssh/sshd_config.d/10-machine.conf"
install -m 0755 "$files/machine-prepare.sh" "$target/usr/lib/machine-prepare"
install -m 0644 "$files/machine-prepare.service" "$target/etc/systemd/system/machine-prepare.service"
mkdir -p "$target/etc/systemd/system/sysinit.target.wants"
ln -s ../machine-prepare.service "$target/etc/systemd/system/sysinit.target.wants/"

# nfs-common brings its own helpers of these names: the diversion keeps ours in place.
for helper in mount.nfs mount.nfs4 umount.nfs umount.nfs4; do
  chroot "$target" dpkg-divert --quiet --local --no-rename --divert "/usr/lib/nfs-real/$helper" --add "/sbin/$helper"
done
mkdir -p "$target/usr/lib/nfs-real"
install -m 0755 "$files/mount_nfs.py" "$target/usr/sbin/mount.nfs"
ln -s mount.nfs "$target/usr/sbin/mount.nfs4"

# A second user, as cloud images have one: reached by the same keys, root by sudo.
chroot "$target" useradd --create-home --shell /bin/bash --groups sudo ubuntu
echo 'ubuntu ALL=(ALL) NOPASSWD: ALL' > "$target/etc/sudoers.d/ubuntu"
chmod 0440 "$target/etc/sudoers.d/ubuntu"

# What only a physical machine, or a first boot, needs; each costs boot time.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer systemd-firstboot.service systemd-hwdb-update.service systemd-journal-catalog-update.service \
  systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service systemd-random-seed.service \
  systemd-sysusers.service systemd-update-done.service systemd-update-utmp.service \
  systemd-machine-id-commit.service ldconfig.service console-getty.service getty.target systemd-binfmt.service \
  systemd-remount-fs.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
  sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@.service ssh.socket; do
  ln -sf /dev/null "$target/etc/systemd/system/$unit"
done

# The kernel's NFS client that nfs-common would set up is not there.
for unit in run-rpc_pipefs.mount rpc_pipefs.target nfs-blkmap.service rpc-gssd.service rpc-svcgssd.service; do
  ln -sf /dev/null "$target/etc/systemd/system/$unit"
done

# --- verify ----------------------------------------------------------------------------------------------
for program in usr/sbin/sshd usr/lib/systemd/systemd usr/bin/python3 usr/sbin/ip usr/bin/sudo usr/sbin/mount.nfs; do
  [ -x "$target/$program" ] || { echo "the base image lacks $program" >&2; exit 1; }
done
chroot "$target" visudo -cq
