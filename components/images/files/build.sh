# shellcheck shell=bash
# Building an image with what this machine's Docker has: BuildKit, or the classic builder of a Docker without buildx.
# Sourced after lib.sh.

# Exit codes of a recipe's scripts: why a build failed, apart from what it printed (components/serving/images/common/lib.sh).
declare -A BUILD_FAILED=(
  [41]=index [42]=archive [43]=checksum [44]=compiler [45]=disk [46]=pip
)

# moved LINE: the step, and how far a compiler is, from one line of a build.
moved() {
  local line=$1
  if [[ $line =~ ^Step\ ([0-9]+)/([0-9]+)\ : ]]; then
    BUILD_AT="step ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}" BUILD_SHARE=
  elif [[ $line =~ ^#[0-9]+\ \[([a-z0-9_-]+\ +)?([0-9]+)/([0-9]+)\] ]]; then
    BUILD_AT="${BASH_REMATCH[1]:+${BASH_REMATCH[1]% }, }step ${BASH_REMATCH[2]} of ${BASH_REMATCH[3]}" BUILD_SHARE=
  elif [[ $line =~ ^(#[0-9]+\ [0-9.]+\ )?\[([0-9]+)/([0-9]+)\]\  ]]; then
    BUILD_SHARE=$((100 * BASH_REMATCH[2] / BASH_REMATCH[3]))
  else
    return 0
  fi
  status "building $BUILD_NAME: $BUILD_AT" "$BUILD_SHARE"
}

# build_image REFERENCE CONTEXT OPTION...: its exit code is a recipe's own where that failed, else 1.
build_image() {
  local reference=$1 context=$2 code=0 line builder=(docker build) log
  shift 2
  BUILD_NAME=${reference%%:*} BUILD_AT=preparing BUILD_SHARE=
  # The default builder sees the machine's own images, which a recipe begins with.
  if docker buildx version >/dev/null 2>&1; then
    builder=(docker buildx build --builder default --load --progress plain)
  else
    export DOCKER_BUILDKIT=0
  fi
  for line in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    # By name alone: Docker takes the value from here, and keeps these out of an image's history.
    if [[ -n ${!line:-} ]]; then set -- "$@" --build-arg "$line"; fi
  done
  status "building $BUILD_NAME"
  log=$TANDEM_DIR/build.log
  : >"$log"
  "${builder[@]}" --network host --tag "$reference" "$@" "$context" 2>&1 | tee "$log" | while IFS= read -r line; do
    printf '%s\n' "$line"
    moved "$line"
  done || code=${PIPESTATUS[0]}
  if ((code == 1)); then # BuildKit ends with 1 whatever its command did, and says the code in its last words
    log=$(tail -n 3 "$log" | sed -nE 's/.*did not complete successfully: exit code: ([0-9]+)$/\1/p' | tail -n 1)
    code=${log:-1}
  fi
  return "$code"
}

# build_reason CODE: cause and remedy of a failed build, one sentence.
build_reason() {
  local last folder free
  last=$(grep -aE '(^|[ #0-9.]+)(ERROR|E|error|fatal)[: ]' "$TANDEM_DIR/build.log" |
    grep -vE 'failed to (solve|build)' | sed -E 's/^#[0-9]+ [0-9.]+ //' | tail -n 1 | cut -c1-300 || true)
  case ${BUILD_FAILED[$1]:-} in
    index) echo "the Python package index ${INDEX_SHOWN:-of pip} does not answer on this machine; set mirrors.pip to one that does, such as https://mirrors.aliyun.com/pypi/simple" ;;
    pip) echo "pip could not install it: $last; see what mirrors.pip has" ;;
    archive) echo "the image's package archive does not answer or lacks a package: $last; set mirrors.apt to a mirror of it, such as http://mirrors.aliyun.com/ubuntu" ;;
    checksum) echo "what the package index sent is not what was pinned: $last; set mirrors.pip to another index" ;;
    compiler) echo "it does not compile: $last" ;;
    *)
      folder=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || echo /var/lib/docker)
      free=$(df --output=avail -BM "$folder" 2>/dev/null | tail -n 1 | tr -d ' M')
      if [[ ${BUILD_FAILED[$1]:-} == disk ]] || grep -aqi 'no space left on device' "$TANDEM_DIR/build.log"; then
        echo "the disk of $folder is full (${free:-0} MiB free); free some of it, or give the machine a larger one (cloud.systemDiskGib)"
      else
        echo "${last:-$(tail -n 1 "$TANDEM_DIR/build.log" | cut -c1-300)}"
      fi
      ;;
  esac
}
