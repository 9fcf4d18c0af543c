#!/usr/bin/env bash
# In place of Docker's client: images are files below $IMAGES, a line for each thing that an image lacks.
# What a build does is in $IMAGES/.build (its words) and $IMAGES/.code; $IMAGES/.buildkit says that buildx is there.
set -euo pipefail
echo "$*" >>"$IMAGES/.calls"
file() { echo "$IMAGES/${1//[\/:]/_}"; }
find_image() { # by reference or id
  if [[ -f $(file "$1") ]]; then file "$1"; else echo "Error: No such image: $1" >&2 && exit 1; fi
}
case "$1 ${2:-}" in
  "buildx version") [[ -f $IMAGES/.buildkit ]] ;;
  "buildx build" | "build "*)
    [[ $1 == buildx || ${DOCKER_BUILDKIT:-} == 0 ]] || { echo "BuildKit is asked for and not there" >&2 && exit 1; }
    words=("$@")
    context=${words[-1]}
    [[ -f $context/Dockerfile ]] || { echo "no Dockerfile in $context" >&2 && exit 1; }
    for ((n = 0; n < $#; n++)); do
      case ${words[n]} in
        --tag) reference=${words[n + 1]} ;;
        --label) label=${words[n + 1]#tandem.content=} ;;
        --build-arg)
          name=${words[n + 1]%%=*}
          grep -qE "^ARG $name(=|\$)" "$context/Dockerfile" || [[ ${name,,} == *_proxy ]] ||
            { echo "One or more build-args [$name] were not consumed" >&2 && exit 1; }
          [[ $name != BASE ]] || find_image "${words[n + 1]#BASE=}" >/dev/null
          ;;
      esac
    done
    cp "$context/pip.conf" "$IMAGES/.pip.conf"
    cat "$IMAGES/.build"
    code=$(cat "$IMAGES/.code" 2>/dev/null || echo 0)
    ((code == 0)) || exit "$([[ $1 == buildx ]] && echo 1 || echo "$code")"
    cat "$IMAGES/.still" 2>/dev/null >"$(file "$reference")" || : >"$(file "$reference")"
    echo "$reference" >"$IMAGES/.content-$label"
    ;;
  "image inspect")
    image=$(find_image "${@: -1}")
    case "$*" in
      *RepoDigests*) cat "$IMAGES/.digests" 2>/dev/null || true ;;
      *Config.User*) cat "$IMAGES/.user" 2>/dev/null || true ;;
      *.Id*) basename "$image" ;;
    esac
    ;;
  "images "*)
    if [[ $* == *tandem.content=* ]]; then
      label=${*: -1}
      cat "$IMAGES/.content-${label##*=}" 2>/dev/null || true
    fi
    ;;
  "tag "*) [[ $2 == "$3" ]] || cp "$(find_image "$2")" "$(file "$3")" ;;
  "run "*)
    while [[ $1 != --entrypoint ]]; do shift; done
    cat "$(find_image "$3")"
    ;;
  "pull "*)
    [[ ! -f $IMAGES/.unreachable ]] || { echo "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: i/o timeout" >&2 && exit 1; }
    : >"$(file "$3")"
    ;;
  "image rm") rm -f "$(file "$3")" ;;
  "image prune" | "info "*) ;;
  *) echo "the stand-in knows no: $*" >&2 && exit 64 ;;
esac
