#!/usr/bin/env bash
# Answers as nvidia-smi does in each state of driver, library and GPUs. No GPU is behind it: the kernel module is a
# note in /run/fake-gpu, the GPUs are entries of a PCI tree, faults are asked for by /etc/fake-gpu/fault.
set -euo pipefail
sys=/opt/fake-sys library=$(cat /usr/lib/fake-gpu/library)
fault=$(cat /etc/fake-gpu/fault 2>/dev/null || true)
if [[ ! -e /run/fake-gpu/module ]]; then
  echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."
  echo
  exit 9
fi
read -r loaded kind </run/fake-gpu/module
if [[ $loaded != "$library" ]]; then
  echo "Failed to initialize NVML: Driver/library version mismatch"
  echo "NVML library version: ${library%.*}"
  exit 18
fi
mapfile -t gpus < <(for device in "$sys"/bus/pci/devices/*; do
  if [[ $(cat "$device/vendor") == 0x10de && $(cat "$device/class") == 0x0302* ]]; then basename "$device"; fi
done)
# Blackwell's ids are driven by open modules alone, Volta's by proprietary ones.
id=$(cat "$sys/bus/pci/devices/${gpus[0]}/device")
if [[ ($id == 0x29* && $kind != open) || ($id == 0x1d* && $kind == open) ]]; then
  echo "No devices were found"
  exit 6
fi
if [[ $fault == lost ]]; then
  echo "Unable to determine the device handle for GPU${#gpus[@]}: ${gpus[0]}: GPU is lost.  Reboot the system to recover this GPU"
  exit 15
fi
if [[ $fault == gone ]]; then unset 'gpus[0]'; fi
index=0
case $* in
  --query-gpu=compute_cap*) for _ in "${gpus[@]}"; do echo 8.6; done ;;
  --query-gpu=driver_version*) for _ in "${gpus[@]}"; do echo "$library"; done ;;
  --query-gpu=index,uuid,*)
    for gpu in "${gpus[@]}"; do
      echo "$index, GPU-$gpu, 36, 77.62, 0, 0, 0, 46068, 210, 0, 0x0000000000000001"
      index=$((index + 1))
    done
    ;;
  --query-gpu=index,ecc*)
    for _ in "${gpus[@]}"; do
      if [[ $fault == ecc && $index == 1 ]]; then echo "$index, 7"; else echo "$index, 0"; fi
      index=$((index + 1))
    done
    ;;
  --query-remapped-rows*)
    for gpu in "${gpus[@]}"; do
      if [[ $fault == pending && $index == 0 ]]; then echo "0000$gpu, Yes, No"; else echo "0000$gpu, No, No"; fi
      index=$((index + 1))
    done
    ;;
  -q | "-q -i 0")
    printf '\n==============NVSMI LOG==============\n\nTimestamp                                 : %s\n' "$(date)"
    # A branch's first release ships the newest CUDA that it knows (NVIDIA's CUDA release notes, table 3).
    declare -A cuda=([535]=12.2 [570]=12.8 [580]=13.0)
    printf 'Driver Version                            : %s\nCUDA Version                              : %s\n\n' "$library" "${cuda[${library%%.*}]:-12.0}"
    printf 'Attached GPUs                             : %s\n' "${#gpus[@]}"
    if [[ $* == *"-i 0" ]]; then gpus=("${gpus[@]:0:1}"); fi
    state=N/A status=N/A
    if grep -qs 0x068000 "$sys"/bus/pci/devices/*/class; then
      if [[ $fault == fabric ]]; then
        state="In Progress"
      elif systemctl is-active --quiet nvidia-fabricmanager; then
        state=Completed status=Success
      else
        state="Not Started"
      fi
    fi
    for gpu in "${gpus[@]}"; do
      printf 'GPU 0000%s\n    Product Brand                         : GeForce\n    Fabric\n        State                             : %s\n        Status                            : %s\n    Processes                             : None\n' "$gpu" "$state" "$status"
    done
    ;;
  -L) for gpu in "${gpus[@]}"; do
    echo "GPU $index: NVIDIA of no kind (UUID: GPU-$gpu)"
    index=$((index + 1))
  done ;;
  *)
    echo "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help." >&2
    exit 2
    ;;
esac
