#!/usr/bin/env bash
# Ascend accelerators: driver, firmware, devices and the network between them. Huawei's driver comes with an account,
# so it is checked here and never installed. Changes nothing. Environment: COUNT DEVICES DRIVER_MINIMUM SEVERAL SYSFS DEV
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
SYSFS=${SYSFS:-/sys} DEV=${DEV:-/dev} ASCEND=${ASCEND:-/usr/local/Ascend}

status "looking at PCI bus, driver and firmware"
pci=$(python3 "$TANDEM_DIR/pci.py" "$SYSFS" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["npus"]))')
((pci > 0)) || fail "this machine's PCI bus has no Ascend accelerator; use a machine with some, or another accelerator.kind"

version_of() { if [[ -f $1 ]]; then sed -n 's/^[Vv]ersion *= *//p' "$1" | head -1; fi; }
driver=$(version_of "$ASCEND/driver/version.info")
firmware=$(version_of "$ASCEND/firmware/version.info")
[[ -n $driver ]] || fail "$ASCEND/driver/version.info is not there: install the Ascend HDK driver (Ascend-hdk-*-npu-driver_*.run --full) and reboot"
[[ -n $firmware ]] || fail "$ASCEND/firmware/version.info is not there: install the Ascend HDK firmware (Ascend-hdk-*-npu-firmware_*.run --full) and reboot"
[[ $(printf '%s\n%s\n' "$DRIVER_MINIMUM" "$driver" | sort -V | head -1) == "$DRIVER_MINIMUM" ]] ||
  fail "Ascend driver $driver is too old for the engine's CANN; install $DRIVER_MINIMUM or newer, firmware first"

have npu-smi || fail "npu-smi is not on PATH although driver $driver is there; link /usr/local/sbin/npu-smi, or install the driver again"
code=0
said=$(timeout --kill-after=5 120 npu-smi info 2>&1) || code=$?
((code == 0)) || fail "npu-smi fails: $(paste -sd' ' <<<"$said" | cut -c1-300); a driver just installed needs a reboot"
unwell=$(awk -F'|' '/^\| +[0-9]+ +[^ ]+/ && $3 ~ /(Warning|Alarm|Critical|UNKNOWN)/ {print $2 $3}' <<<"$said" | paste -sd, | tr -s ' ')
[[ -z $unwell ]] || fail "an accelerator is not healthy ($unwell); see \`npu-smi info -t health -i ID\`"

devices=$(find "$DEV" -maxdepth 1 -regex '.*/davinci[0-9]+' | sort -V)
number=$(grep -c . <<<"$devices" || true)
((number >= COUNT)) || fail "$COUNT accelerators are expected, the PCI bus has $pci and $DEV has $number; set the machine's accelerators to $number, or see \`npu-smi info\`"
# Those that are named, or the first; inside a container they are counted from 0.
if [[ -n ${DEVICES:-} ]]; then
  chosen=$(tr ' ' '\n' <<<"$DEVICES")
else
  chosen=$(grep -o '[0-9]*$' <<<"$devices" | head -n "$COUNT")
fi
devices=''
for n in $chosen; do
  [[ -e $DEV/davinci$n ]] || fail "accelerator.devices names $n, and $DEV/davinci$n is not there; correct it, or see \`npu-smi info\`"
  devices+=${devices:+$'\n'}$DEV/davinci$n
done
for name in davinci_manager devmm_svm hisi_hdc; do
  [[ -e $DEV/$name ]] || fail "$DEV/$name is not there, so no container can use the accelerators; load the driver (reboot) and see \`dmesg | grep -i davinci\`"
  devices+=$'\n'$DEV/$name
done

addresses=none
if [[ $SEVERAL == yes ]]; then
  # HCCL joins machines by the accelerators' own network ports; each needs an address, in /etc/hccn.conf.
  [[ -s /etc/hccn.conf ]] || fail "/etc/hccn.conf is not there: give each accelerator's port an address (hccn_tool -i N -ip -s address A netmask M)"
  addresses=$(grep -cE "^address_($(paste -sd'|' <<<"$chosen"))=" /etc/hccn.conf || true)
  ((addresses == COUNT)) || fail "/etc/hccn.conf gives $addresses of $COUNT accelerators an address; set the others (hccn_tool -i N -ip -s address A netmask M)"
  tool=$ASCEND/driver/tools/hccn_tool
  if [[ -x $tool ]]; then
    for n in $chosen; do
      link=$("$tool" -i "$n" -link -g 2>&1 || true)
      [[ $link == *UP* ]] || fail "the network port of accelerator $n is not up ($link); plug its cable, or see \`hccn_tool -i $n -optical -g\`"
    done
  fi
fi
result "driver=$driver firmware=$firmware npus=$number addresses=$addresses devices=$(paste -sd, <<<"$devices")"
