#!/usr/bin/env bash
# Installs what packages.sh brought.
# shellcheck source=components/serving/images/common/lib.sh
. "$(dirname "$0")/lib.sh"

unset PIP_CONFIG_FILE
target=/tmp/packages
if [[ -d $target/pip ]]; then export PYTHONPATH=$target/pip; fi
python3 -m pip install --no-index --no-deps --find-links "$target" --requirement "$target/wanted.txt" ||
  give_up 46 "pip could not install $(paste -sd' ' "$target/wanted.txt")"
command -v ray >/dev/null || give_up 46 "ray was installed and is not on PATH"
