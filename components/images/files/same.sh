#!/usr/bin/env bash
# All machines hold the same image. Told: IMAGES, words MACHINE=IMAGE
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

read -ra told <<<"$IMAGES"
first=${told[0]#*=}
for each in "${told[@]}"; do
  [[ ${each#*=} == "$first" ]] ||
    fail "images.engine: ${told[0]%%=*} holds $first and ${each%%=*} holds ${each#*=} under the same name, since a tag can move between two pulls; set images.engine to $first, for all machines"
done
result "image=$first"
