# shellcheck shell=bash disable=SC2034 # what it sets is for who sources it
# What nvidia-smi says of this machine, sorted by what mends it. Sourced after lib.sh; changes nothing.

# look_at_nvidia: sets nvidia_state (below), nvidia_version (of the driver), nvidia_count and nvidia_words.
#   absent    no nvidia-smi             unloaded  the kernel has no driver
#   mismatch  an older driver is loaded than is installed: a reboot mends it
#   none      it drives no GPU: kernel modules of the wrong kind, or no power
#   lost      a GPU fell off the bus    broken    anything else it says        working
look_at_nvidia() {
  local code=0
  nvidia_state=working nvidia_version='' nvidia_count=0 nvidia_words=''
  if ! have nvidia-smi; then
    nvidia_state=absent nvidia_words="no nvidia-smi"
    return 0
  fi
  nvidia_words=$(timeout --kill-after=5 120 nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1) || code=$?
  case $nvidia_words in
    *"Driver/library version mismatch"*) nvidia_state=mismatch ;;
    *"couldn't communicate with the NVIDIA driver"*) nvidia_state=unloaded ;;
    *"No devices were found"*) nvidia_state=none ;;
    *"GPU is lost"* | *"Unable to determine the device handle"*) nvidia_state=lost ;;
    *) ((code == 0)) || nvidia_state=broken ;;
  esac
  if ((code == 124 || code == 137)); then
    nvidia_state=broken nvidia_words="nvidia-smi did not answer within 120 s"
  fi
  if [[ $nvidia_state == working ]]; then
    nvidia_version=$(sort -u <<<"$nvidia_words" | paste -sd,)
    nvidia_count=$(wc -l <<<"$nvidia_words")
  fi
  nvidia_words=$(paste -sd' ' <<<"$nvidia_words" | cut -c1-300)
}

# read_pci: sets pci_gpus (ids, one word each), pci_count and fabric (yes on NVSwitch machines), from sysfs.
read_pci() {
  local found
  found=$(python3 "$TANDEM_DIR/pci.py" "$SYSFS")
  pci_gpus=$(python3 -c 'import json,sys; print(*("%04x" % d["device"] for d in json.load(sys.stdin)["gpus"]))' <<<"$found")
  pci_count=$(wc -w <<<"$pci_gpus")
  fabric=no
  [[ $found != *'"switches": []'* ]] && fabric=yes
  return 0
}

# fabric_version: of the installed Fabric Manager, empty without one.
fabric_version() {
  have nv-fabricmanager || return 0
  nv-fabricmanager --version 2>&1 | sed -n 's/.*[Vv]ersion is *: *//p' | head -1
}
