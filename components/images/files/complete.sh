#!/usr/bin/env bash
# The engine's image on this machine: what it lacks is added here, once for each content.
# Environment: IMAGE IMAGE_ID PROGRAMS MODULES RECIPE; ARGUMENTS MOUNTS PLACES, a line each; KEEP PIP_INDEX APT_MIRROR
# shellcheck disable=SC2153 # of the environment
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/images/files/build.sh
. "$TANDEM_DIR/build.sh"

read -ra programs <<<"$PROGRAMS"
read -ra modules <<<"$MODULES"
options=()
while IFS= read -r line; do [[ -z $line ]] || options+=(--volume "$line"); done <<<"$MOUNTS"
while IFS= read -r line; do [[ -z $line ]] || options+=(--env "$line"); done <<<"$PLACES"
chmod 644 "$TANDEM_DIR/probe.sh"

# lacking IMAGE: what it lacks, a line each.
lacking() {
  local code=0
  docker run --rm --network none --security-opt label=disable --label "tandem.stack=$TANDEM_STACK" "${options[@]}" \
    --volume "$TANDEM_DIR/probe.sh:/tandem/probe.sh:ro" --entrypoint sh "$1" \
    /tandem/probe.sh "${programs[@]}" -- "${modules[@]}" || code=$?
  ((code == 0)) || echo sh
}

status "looking into $IMAGE"
docker image inspect "$IMAGE_ID" >/dev/null 2>&1 ||
  fail "the image $IMAGE is gone from this machine; run \`pulumi up --refresh\`, which pulls it again"
# By the digest of the name it was pulled by: what this machine knows it as from elsewhere may differ.
repository=$(sed -E 's/@.*//; s#:[^/]*$##' <<<"$IMAGE")
digests=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$IMAGE_ID")
base=$(grep -F "${repository##*/}@" <<<"$digests" | head -n 1 || true)
base=${base:-$(head -n 1 <<<"${digests:-$IMAGE_ID}")}
lacks=$(lacking "$IMAGE_ID" | sort -u | paste -sd' ')
if [[ -z $lacks ]]; then
  result "image=$IMAGE_ID base=$base built=no"
  exit 0
fi
[[ -n $RECIPE ]] ||
  fail "images.engine: $IMAGE has no $lacks, which this engine is started with; take images.engine out for the engine's own image, or name one that has it"

# Nobody else builds on this machine meanwhile: the same image is built once, and no part is cleared away under another.
exec 9>/run/lock/tandem-image.lock
if ! flock --nonblock 9; then
  status "waiting for another image that is built on this machine"
  flock 9
fi

arguments=()
while IFS= read -r line; do
  if [[ -n $line ]]; then arguments+=(--build-arg "$line"); fi
done <<<"$ARGUMENTS"
recipe=$TANDEM_DIR/recipe
if grep -q '^ARG ARCHITECTURES' "$recipe/Dockerfile" && have nvidia-smi; then
  architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d ' .' | sort -u | paste -sd';')
  arguments+=(--build-arg "ARCHITECTURES=$architectures")
fi
content=$({
  printf '%s\n' "$IMAGE_ID" "${arguments[@]}"
  cd "$recipe"
  sha256sum -- *
} | sha256sum | cut -c1-12)
repository=$(tr '[:upper:]' '[:lower:]' <<<"$TANDEM_STACK")/$RECIPE
reference=$repository:$content

found=$(docker images --quiet --no-trunc --filter "label=tandem.content=$content" | head -n 1)
if [[ $KEEP == yes ]]; then
  kept "the image $reference"
else
  undo docker image rm "$reference"
fi
if [[ -n $found ]]; then
  docker tag "$found" "$reference"
else
  undo flock /run/lock/tandem-image.lock docker image prune --force --filter label=tandem.build
  context=$TANDEM_DIR/context
  rm -rf "$context"
  cp -r "$recipe" "$context"
  trap 'rm -rf "$context"; docker image rm "$repository-base:$content" >/dev/null 2>&1 || true' EXIT
  if [[ -n $PIP_INDEX ]]; then
    INDEX_SHOWN=$(sed -E 's#://[^/@]*@#://#' <<<"$PIP_INDEX")
    printf '[global]\nindex-url = %s\n' "$PIP_INDEX" >"$context/pip.conf"
    if [[ $PIP_INDEX == http://* ]]; then
      host=${INDEX_SHOWN#*://}
      printf 'trusted-host = %s\n' "${host%%[:/]*}" >>"$context/pip.conf"
    fi
  else
    : >"$context/pip.conf"
  fi
  user=$(docker image inspect --format '{{.Config.User}}' "$IMAGE_ID")
  # Both builders begin with a name, and this one can't move.
  docker tag "$IMAGE_ID" "$repository-base:$content"
  code=0
  pulled=()
  while IFS='=' read -r name part; do
    [[ $name == *_IMAGE ]] || continue
    docker image inspect "$part" >/dev/null 2>&1 && continue
    status "pulling $part"
    tries 3 docker pull --quiet "$part" >"$TANDEM_DIR/pull.log" 2>&1 ||
      fail "$part, with which $RECIPE is compiled, could not be pulled: $(tail -n 1 "$TANDEM_DIR/pull.log" | cut -c1-300); see mirrors.registryMirrors"
    pulled+=("$part")
  done <<<"$ARGUMENTS"
  if grep -q '^ARG APT_MIRROR' "$recipe/Dockerfile"; then arguments+=(--build-arg "APT_MIRROR=$APT_MIRROR"); fi
  build_image "$reference" "$context" --build-arg "BASE=$repository-base:$content" --build-arg "BASE_USER=${user:-root}" \
    --label "tandem.content=$content" "${arguments[@]}" || code=$?
  ((code == 0)) || fail "$IMAGE lacks $lacks, and adding that on this machine failed: $(build_reason "$code")"
  docker image prune --force --filter label=tandem.build >/dev/null
  if ((${#pulled[@]})); then docker image rm "${pulled[@]}" >/dev/null; fi
fi

status "looking into $reference"
rest=$(lacking "$reference" | sort -u | paste -sd' ')
[[ -z $rest ]] || fail "images.engine: $IMAGE lacks $rest also after it was completed; name an image that has it, or take images.engine out"
# What an earlier content left; one that a container still uses goes with the stack.
docker images --format '{{.Repository}}:{{.Tag}}' "$repository" | grep -vxF "$reference" | xargs -r docker image rm >/dev/null 2>&1 || true
image=$(docker image inspect --format '{{.Id}}' "$reference")
result "image=$image base=$base built=$([[ -n $found ]] && echo before || echo now)"
