#!/usr/bin/env bash
# All machines hold the same image. Environment: IMAGES, words MACHINE=IMAGE
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

read -ra pairs <<<"$IMAGES"
first=${pairs[0]#*=}
for each in "${pairs[@]}"; do
  [[ ${each#*=} == "$first" ]] ||
    fail "images.engine: ${pairs[0]%%=*} holds $first and ${each%%=*} holds ${each#*=} under the same name, since a tag can move between two pulls; set images.engine to $first, for all machines"
done
result "image=$first"
