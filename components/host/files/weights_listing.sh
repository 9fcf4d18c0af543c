#!/usr/bin/env bash
# The weights are on this machine: in a folder that the machines share, or as a copy of its own.
# Environment: FOLDER; LIST (yes: say what lies there); LISTED (what the first machine said; empty: nothing to compare
# with) WAIT_SECONDS
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "looking for the weights"
holds_model() { # a file that engines begin with
  local pattern
  for pattern in config.json params.json model_index.json '*.gguf' '*.safetensors' '*.ckpt' '*.pth' '*.engine'; do
    if compgen -G "$FOLDER/$pattern" >/dev/null; then return 0; fi
  done
  return 1
}
same() { [[ -z ${LISTED:-} ]] || differs=$(python3 "$TANDEM_DIR/weights_listing.py" compare "$FOLDER" "$LISTED"); }
differs=''
deadline=$((SECONDS + ${WAIT_SECONDS:-30})) # NFS may remember for a while what was there before
until holds_model && same; do
  ((SECONDS < deadline)) || break
  sleep 1
done
remedy="have the same drive mounted on all machines, or copy the first machine's folder here"
[[ -n $(ls -A "$FOLDER" 2>/dev/null) ]] ||
  fail "$FOLDER, where the first machine has the weights, is not on this machine: storage.path is no folder that the machines share; $remedy"
holds_model ||
  fail "$FOLDER holds no model, neither a config.json nor GGUF or safetensors files, only $(find "$FOLDER" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | head -n 3 | paste -sd' '); $remedy"
[[ -z $differs ]] || fail "$FOLDER $differs; $remedy"
if [[ ${LIST:-} == yes ]]; then
  result "weights=$(printf %q "$FOLDER") listed=$(python3 "$TANDEM_DIR/weights_listing.py" list "$FOLDER")"
else
  result "weights=$(printf %q "$FOLDER")"
fi
