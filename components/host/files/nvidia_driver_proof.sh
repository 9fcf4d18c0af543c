#!/usr/bin/env bash
# Proof that a rented machine's GPUs work: the driver is its owner's, and the PCI bus shows others' GPUs too.
# Changes nothing. Environment: COUNT DEVICES CUDA HCAS SYSFS
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/host/files/nvidia_state.sh
. "$TANDEM_DIR/nvidia_state.sh"
SYSFS=${SYSFS:-/sys}

status "counting GPUs"
look_at_nvidia
[[ $nvidia_state == working ]] || fail "the GPUs of this machine don't work ($nvidia_state: $nvidia_words); have whoever lends it mend that, or take another machine"
((nvidia_count >= $(least_gpus))) || fail "$COUNT GPUs are expected and the driver shows $nvidia_count; correct accelerator.perMachine or take another machine"
choose_devices
minimum=$(python3 "$TANDEM_DIR/drivers.py" minimum "$CUDA" 2>"$TANDEM_DIR/sentence") || fail "$(cat "$TANDEM_DIR/sentence")"
((${nvidia_version%%.*} >= minimum)) ||
  fail "the driver is $nvidia_version and CUDA $CUDA needs $minimum or newer; take another machine, or packages built for an older CUDA and say so in accelerator.cuda"
while IFS=, read -r index errors; do
  [[ $errors =~ ^[0-9]+$ && $errors != 0 ]] || continue
  fail "GPU $index counts $errors uncorrected memory errors since its driver was loaded; take another machine"
done < <(nvidia-smi --query-gpu=index,ecc.errors.uncorrected.volatile.total --format=csv,noheader,nounits 2>/dev/null | tr -d ' ')
hca=$HCAS
if [[ -z $hca && -d /dev/infiniband ]]; then hca=$(python3 "$TANDEM_DIR/rails.py" "$SYSFS"); fi
result "driver=$nvidia_version gpus=$nvidia_count use=$chosen hca=$hca"
