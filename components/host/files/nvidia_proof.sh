#!/usr/bin/env bash
# Proof that the GPUs work: driver against PCI bus, memory errors, Fabric Manager, RDMA. Changes nothing.
# Environment: COUNT DEVICES HCAS SYSFS FABRIC_SECONDS
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/nvidia_state.sh
. "$TANDEM_DIR/nvidia_state.sh"
SYSFS=${SYSFS:-/sys}

status "counting GPUs"
read_pci
look_at_nvidia
case $nvidia_state in
  working) ;;
  mismatch) fail "an older driver is loaded than is installed ($nvidia_words); reboot the machine and run \`pulumi up\` again" ;;
  none) fail "the driver is loaded and drives no GPU ($nvidia_words); run \`pulumi up\` again to have it looked at, or power the machine off and on" ;;
  lost) fail "a GPU has fallen off the bus ($nvidia_words); power the machine off and on, and if it stays away have it replaced" ;;
  *) fail "the driver does not work ($nvidia_state: $nvidia_words)" ;;
esac
((nvidia_count == pci_count && pci_count >= $(least_gpus))) ||
  fail "$COUNT GPUs are expected, the PCI bus has $pci_count and the driver sees $nvidia_count; power the machine off and on, and see \`dmesg | grep -i xid\`"
[[ $nvidia_version != *,* ]] || fail "the GPUs report different driver versions ($nvidia_version); reboot the machine"
choose_devices

query() { nvidia-smi "$1" --format=csv,noheader,nounits 2>/dev/null | tr -d ' ' || true; }
status "reading memory errors"
while IFS=, read -r index errors; do
  [[ $errors =~ ^[0-9]+$ && $errors != 0 ]] || continue
  fail "GPU $index counts $errors uncorrected memory errors since its driver was loaded; reboot the machine, and if they come back have it replaced"
done < <(query --query-gpu=index,ecc.errors.uncorrected.volatile.total)
while IFS=, read -r gpu pending failure; do
  [[ $failure != Yes ]] || fail "GPU $gpu can't replace its bad memory any more (row remapping failed); have it replaced"
  [[ $pending != Yes ]] || fail "GPU $gpu waits for a reset to put bad memory aside; reboot the machine and run \`pulumi up\` again"
done < <(query --query-remapped-rows=gpu_bus_id,remapped_rows.pending,remapped_rows.failure)

# Without a fabric every CUDA program ends with error 802, system not yet initialized.
registered=none
if [[ $fabric == yes ]]; then
  status "waiting for the NVSwitch fabric"
  systemctl is-active --quiet nvidia-fabricmanager ||
    fail "Fabric Manager does not run, so CUDA ends with error 802: $(journalctl -u nvidia-fabricmanager -n 1 --no-pager -o cat); \`systemctl restart nvidia-fabricmanager\`"
  [[ $(fabric_version) == "$nvidia_version" ]] ||
    fail "Fabric Manager is $(fabric_version) and the driver $nvidia_version, so CUDA ends with error 802; install nvidia-fabricmanager-${nvidia_version%%.*} of the driver's version"
  deadline=$((SECONDS + ${FABRIC_SECONDS:-180}))
  while
    # A100 and older know no state (N/A): what Fabric Manager says of itself is all there is.
    registered=$(nvidia-smi -q | awk -F': *' '/^ +Fabric *$/ {on=3; next} on-- > 0 && /^ +Stat(e|us) / {gsub(/ /, "", $1); gsub(/ /, "_", $2); print $1 ":" $2}' | sort -u | paste -sd,)
    [[ $registered == *In_Progress* || $registered == *Not_Started* ]]
  do
    ((SECONDS < deadline)) || fail "the GPUs have not joined the NVSwitch fabric after ${FABRIC_SECONDS:-180} s ($registered), so CUDA ends with error 802; see \`journalctl -u nvidia-fabricmanager\`"
    sleep 2
  done
  if tr , '\n' <<<"$registered" | grep '^Status:' | grep -qvE ':(Success|N/A)$'; then
    fail "a GPU could not join the NVSwitch fabric ($registered), so CUDA ends with error 802; see \`journalctl -u nvidia-fabricmanager\` and reboot the machine"
  fi
fi

hca=${HCAS:-$(python3 "$TANDEM_DIR/rails.py" "$SYSFS")}
infiniband=no
if [[ -n $hca && -d /dev/infiniband ]]; then infiniband=yes; fi
if [[ -n $hca && $infiniband == no ]]; then
  fail "RDMA devices $hca are there and /dev/infiniband is not; load ib_uverbs (modprobe ib_uverbs rdma_ucm) or install rdma-core"
fi
peermem=no
if [[ -d $SYSFS/module/nvidia_peermem ]]; then peermem=yes; fi
result "driver=$nvidia_version gpus=$nvidia_count use=$chosen fabric=$fabric fabric_state=$registered hca=$hca infiniband=$infiniband peermem=$peermem"
