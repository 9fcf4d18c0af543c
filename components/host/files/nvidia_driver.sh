#!/usr/bin/env bash
# An NVIDIA driver that the engine's CUDA runs on, with Fabric Manager of the same version on NVSwitch machines.
# A driver that works and is new enough is never touched. At most one reboot; the step starts again after it.
# Environment: COUNT DEVICES CUDA BRANCH DRIVER DRIVER_REPOSITORY ALIBABA_VERSIONS SYSFS METADATA
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/package_manager.sh
. "$TANDEM_DIR/package_manager.sh"
# shellcheck source=components/host/files/nvidia_state.sh
. "$TANDEM_DIR/nvidia_state.sh"
SYSFS=${SYSFS:-/sys}
METADATA=${METADATA:-http://100.100.100.200/latest/meta-data}
mark=$TANDEM_HOME/nvidia-rebooted

plan() { python3 "$TANDEM_DIR/drivers.py" "$@" 2>"$TANDEM_DIR/sentence" || fail "$(cat "$TANDEM_DIR/sentence")"; }

# reboot_once WHY: the step ends here and starts again when the machine is back.
reboot_once() {
  local boot
  boot=$(cat /proc/sys/kernel/random/boot_id)
  if [[ -f $mark && $(cat "$mark") != "$boot" ]]; then
    fail "after a reboot still: $1 ($nvidia_words); see \`dmesg | grep -iE 'nvrm|nvidia|nouveau'\` on the machine"
  fi
  status "rebooting: $1"
  echo "$boot" >"$mark"
  sync
  systemctl reboot
  sleep 300
  fail "the machine did not reboot within 5 minutes of the request; reboot it and run \`pulumi up\` again"
}

good() { [[ $nvidia_state == working ]] && { [[ ${nvidia_version%%.*} -ge $minimum ]] || by_compatibility; }; }

# by_compatibility: an older driver that nobody may replace, under an image that brings its libraries along. Whether this
# image does is seen when it is there (image_fits.sh).
by_compatibility() { [[ $DRIVER == present && ,$compatible, == *,${nvidia_version%%.*},* ]]; }

wait_for_installer() {
  # Alibaba Cloud's images install the driver by user data and then reboot by themselves.
  local waited=0
  while pgrep -f 'auto_install[^ /]*\.sh' >/dev/null; do
    ((waited < 1800)) || fail "Alibaba Cloud's driver installer has been running for 30 minutes; see /root/auto_install and the machine's /var/log/cloud-init-output.log"
    status "waiting for Alibaba Cloud's driver installer (${waited} s)"
    sleep 5
    waited=$((waited + 5))
  done
}

# --- check ------------------------------------------------------------------------------------------------
status "looking at PCI bus and driver"
read_pci
# More than are used is as well: others may have them.
((pci_count == 0 || pci_count >= $(least_gpus))) || fail "this machine's PCI bus has $pci_count NVIDIA GPUs and $COUNT are expected; set its accelerators to $pci_count, name MIG slices in accelerator.devices, or see why the bus has lost some"
minimum='' branch='' modules='' compatible=''
# shellcheck disable=SC2086,SC2153 # ids are words; BRANCH is the setting, branch what follows
assignments=$(plan plan "$CUDA" "$BRANCH" $pci_gpus)
# shellcheck disable=SC2086 # name=value words, of our own making
declare $assignments
wait_for_installer
look_at_nvidia

# --- act --------------------------------------------------------------------------------------------------
refuse_secure_boot() {
  local file=$SYSFS/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
  if [[ -f $file && $(od -An -tu1 -j4 -N1 "$file" | tr -d ' ') == 1 ]]; then
    fail "Secure Boot is on, and refuses driver modules that this machine builds; switch it off in the firmware, or install the distribution's signed driver by hand"
  fi
}

remove_strangers() {
  if [[ -x /usr/bin/nvidia-uninstall ]] && ! dpkg-query -S /usr/bin/nvidia-uninstall >/dev/null 2>&1; then
    fail "driver $nvidia_version was installed by NVIDIA's own installer and branch $minimum or newer is needed; run \`nvidia-uninstall --silent\` on the machine and \`pulumi up\` again"
  fi
}

free_own_holds() {
  local package
  for package in $(apt-mark showhold | grep -iE '^(lib)?nvidia|^cuda-drivers' || true); do
    grep -qxF "apt-mark unhold $package" "$TANDEM_HOME/undo" 2>/dev/null ||
      fail "$package is held and would have to change; free it with \`apt-mark unhold $package\`, or use an engine image of an older CUDA"
    apt-mark unhold "$package"
  done
}

by_hand() { # where no driver is installed here: what does it
  local stream=$branch-dkms command="its own installer"
  if [[ $modules == open ]]; then stream=$branch-open; fi
  if [[ $manager == dnf ]]; then command="NVIDIA's repository for this system, then: dnf module install nvidia-driver:$stream"; fi
  fail "this machine needs driver branch $minimum or newer, which is installed here by apt-get only; install it by hand ($command), reboot, and run \`pulumi up\` again"
}

install_packages() {
  local names madison chosen pins packages
  [[ $manager == apt ]] || by_hand
  refuse_secure_boot
  remove_strangers
  if [[ -n $DRIVER_REPOSITORY ]]; then
    undo rm -f /etc/apt/sources.list.d/tandem-nvidia.list
    echo "$DRIVER_REPOSITORY" >/etc/apt/sources.list.d/tandem-nvidia.list
  fi
  update_lists "driver branch $branch"
  names=$(plan names "$branch" "$modules")
  # shellcheck disable=SC2086 # names are words
  madison=$(apt-cache madison $names 2>/dev/null || true)
  chosen=$(plan choose "$branch" "$modules" "$fabric" <<<"$madison")
  pins=$(sed -n 1p <<<"$chosen") packages=$(sed -n 2p <<<"$chosen")
  apt-cache show "linux-headers-$(uname -r)" >/dev/null 2>&1 ||
    fail "no archive has linux-headers-$(uname -r), which the driver's modules are built with; boot a kernel of the distribution"
  free_own_holds
  # apt takes the newest of what a package depends on; all must be of the one version.
  undo rm -f /etc/apt/preferences.d/tandem-nvidia
  printf 'Package: nvidia-* libnvidia-* cuda-drivers*\nPin: version %s-*\nPin-Priority: 1001\n' \
    "$(sed 's/^[^=]*=\([0-9]*:\)\?//; s/-.*//' <<<"${packages%% *}")" >/etc/apt/preferences.d/tandem-nvidia
  # shellcheck disable=SC2086 # names are words
  if [[ -n $pins ]]; then apt install --yes --no-install-recommends $pins; fi
  status "installing $packages"
  # shellcheck disable=SC2086 # one transaction: driver and Fabric Manager are never of two versions
  tries 2 apt install --yes --no-install-recommends "linux-headers-$(uname -r)" $packages ||
    fail "apt-get install $packages failed; the log says which package and why"
  # shellcheck disable=SC2086
  kept "the driver: $(printf '%s\n' $packages | paste -sd' ')"
}

install_alibaba() {
  local source script=$TANDEM_HOME/auto_install_v4.0.sh
  [[ -n $ALIBABA_VERSIONS ]] || fail "Alibaba Cloud's installer needs the versions of driver, CUDA and cuDNN; set accelerator.alibabaVersions"
  source=$(curl --fail --silent --show-error --max-time 20 "$METADATA/source-address" | head -1) ||
    fail "Alibaba Cloud's metadata service ($METADATA) does not answer; set accelerator.driver to packages on machines elsewhere"
  tries 3 curl --fail --silent --show-error --output "$script" "$source/opsx/ecs/linux/binary/script/auto_install_v4.0.sh" ||
    fail "Alibaba Cloud's driver installer can't be had from $source; set accelerator.driver to packages"
  status "running Alibaba Cloud's driver installer"
  # shellcheck disable=SC2086 # versions are words
  bash "$script" $ALIBABA_VERSIONS
  kept "the driver that Alibaba Cloud's installer put there"
}

start_driver() {
  [[ ! -d $SYSFS/module/nouveau ]] || reboot_once "the kernel still uses nouveau for the GPUs"
  if [[ $nvidia_state == unloaded ]]; then
    modinfo nvidia >/dev/null 2>&1 ||
      fail "the driver is installed and has no module for kernel $(uname -r); see /var/lib/dkms/nvidia/*/build/make.log on the machine"
    modprobe nvidia 2>&1 || true
  fi
  look_at_nvidia
  case $nvidia_state in
    mismatch) reboot_once "the kernel still has the driver of before" ;;
    unloaded) reboot_once "the driver is installed and not loaded" ;;
  esac
  return 0
}

hold_driver() {
  # What keeps the driver as it is: its packages, and the kernel its modules were built for.
  # shellcheck disable=SC2046 # names are words
  hold $(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'nvidia-*' 'libnvidia-*' 'cuda-drivers*' 2>/dev/null | awk '$1 == "ii" && $2 !~ /container/ {print $2}') \
    "linux-image-$(uname -r)" "linux-headers-$(uname -r)"
}

if [[ $nvidia_state == mismatch ]] || { [[ $nvidia_state == unloaded ]] && modinfo nvidia >/dev/null 2>&1; }; then
  start_driver # it is there already and only has to be loaded
fi
if ! good; then
  case $nvidia_state in
    lost) fail "a GPU has fallen off the bus ($nvidia_words); power the machine off and on, and if it stays away have it replaced" ;;
    none) fail "a driver is loaded and drives no GPU ($nvidia_words): these GPUs need $modules kernel modules; remove the driver's packages and run \`pulumi up\` again, or power the machine off and on" ;;
    broken) fail "the driver is there and fails: $nvidia_words" ;;
  esac
  case $DRIVER in
    packages) install_packages ;;
    alibaba) install_alibaba ;;
    present) fail "CUDA $CUDA needs driver branch $minimum or newer on these GPUs, this machine has ${nvidia_version:-none that works ($nvidia_words)}, and accelerator.driver is present; install one, set it to packages, or use an image of an older CUDA and name that in accelerator.cuda" ;;
  esac
  look_at_nvidia
  start_driver
fi

if [[ $fabric == yes && $(fabric_version) != "$nvidia_version" && $nvidia_state == working ]]; then
  # A driver that came with the machine, without its Fabric Manager: exactly that version.
  [[ $manager == apt ]] || fail "this machine has NVSwitches and driver $nvidia_version without a Fabric Manager of that version; install nvidia-fabricmanager-$nvidia_version (NVIDIA's repository) and run \`pulumi up\` again"
  update_lists "Fabric Manager $nvidia_version"
  package=nvidia-fabricmanager-${nvidia_version%%.*}
  version=$(apt-cache madison "$package" 2>/dev/null | awk -v want="$nvidia_version-" 'index($3, want) {print $3; exit}')
  [[ -n $version ]] || fail "this machine has NVSwitches and driver $nvidia_version, and no archive has $package of that version; add one that has, or remove the driver to have both installed together"
  status "installing $package=$version"
  apt install --yes --no-install-recommends "$package=$version" || fail "apt-get install $package=$version failed; the log says why"
  kept "the package $package"
fi
hold_driver
if systemctl cat nvidia-persistenced >/dev/null 2>&1; then systemctl enable --now nvidia-persistenced 2>/dev/null || true; fi
if [[ $fabric == yes ]]; then
  systemctl enable --now nvidia-fabricmanager ||
    fail "Fabric Manager does not start: $(journalctl -u nvidia-fabricmanager -n 2 --no-pager -o cat | paste -sd' ')"
fi
if compgen -G "$SYSFS/class/infiniband/*" >/dev/null && modprobe nvidia-peermem 2>/dev/null; then
  # GPUs and RDMA devices reach each other's memory. Without it NCCL uses DMA-BUF where kernel and modules can.
  undo rm -f /etc/modules-load.d/tandem-nvidia-peermem.conf
  echo nvidia-peermem >/etc/modules-load.d/tandem-nvidia-peermem.conf
fi

# --- verify -----------------------------------------------------------------------------------------------
look_at_nvidia
good || fail "driver branch $minimum or newer is needed and the machine says: $nvidia_state ${nvidia_version:-$nvidia_words}"
((nvidia_count == pci_count)) || fail "the PCI bus has $pci_count GPUs and the driver sees $nvidia_count; power the machine off and on, and see \`dmesg | grep -i xid\`"
[[ $fabric == no || $(fabric_version) == "$nvidia_version" ]] || fail "Fabric Manager is $(fabric_version) and the driver $nvidia_version; they must be the same: remove both and run \`pulumi up\` again"
rm -f "$mark"
result "driver=$nvidia_version gpus=$nvidia_count modules=$modules fabric=$fabric"
