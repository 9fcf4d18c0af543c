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

# least_gpus: how many GPUs the machine must have at least, by COUNT and DEVICES: MIG slices may share one.
least_gpus() {
  case ${DEVICES:-} in
    *MIG-*) echo 1 ;;
    *) echo "$COUNT" ;;
  esac
}

# choose_devices: sets chosen, with commas between: indices, or the UUIDs of MIG slices. DEVICES are words as
# nvidia-smi -L lists them; the first COUNT GPUs where none are named.
choose_devices() {
  local name index listed='' found=()
  [[ ${DEVICES:-} != *-* ]] || listed=$(nvidia-smi -L 2>/dev/null || true)
  for name in ${DEVICES:-$(seq 0 $((COUNT - 1)))}; do
    if [[ $name =~ ^[0-9]+$ ]]; then
      ((name < nvidia_count)) ||
        fail "accelerator.devices names GPU $name, and the machine has $nvidia_count, 0 to $((nvidia_count - 1)); correct it"
      found+=("$name")
      continue
    fi
    [[ $listed == *"(UUID: $name)"* ]] ||
      fail "accelerator.devices names $name, which is not on the machine; \`nvidia-smi -L\` there lists what is"
    if [[ $name == MIG-* ]]; then
      found+=("$name")
    else
      index=$(grep -F "(UUID: $name)" <<<"$listed" | sed -n 's/^GPU \([0-9]*\):.*/\1/p')
      found+=("$index")
    fi
  done
  chosen=$(IFS=,; echo "${found[*]}")
  if ((nvidia_count > COUNT)); then
    status "the machine has $nvidia_count GPUs, and those used are $chosen"
  fi
}
