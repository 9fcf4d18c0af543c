#!/usr/bin/env bash
# Will Docker start this image on this machine's GPUs? Its runtime compares what the image asks of the driver, and only
# when a container starts. Changes nothing. Environment: IMAGE IMAGE_ID
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "comparing $IMAGE and the driver"
environment=$(docker image inspect --format '{{json .Config.Env}}' "$IMAGE_ID") ||
  fail "the image $IMAGE is gone from this machine; run \`pulumi up --refresh\`, which pulls it again"
said=$(nvidia-smi -q -i 0 2>&1) || fail "nvidia-smi fails: $(paste -sd' ' <<<"$said" | cut -c1-300)"
field() { sed -nE "s/^ *$1 *: *//p" <<<"$said" | head -1; }
driver=$(field "Driver Version")
why=$(python3 "$TANDEM_DIR/image_fits.py" "$IMAGE" "$driver" "$(field "CUDA Version")" "$(field "Product Brand")" <<<"$environment") ||
  fail "${why:-the image $IMAGE could not be compared with the driver, see the log}"
result "image=$IMAGE_ID driver=$driver"
