#!/usr/bin/env bash
# The packages that Ray needs and this image lacks, as files in /tmp/packages; nothing here is exchanged for another version.
# shellcheck source=components/serving/images/common/lib.sh
. "$(dirname "$0")/lib.sh"

target=/tmp/packages
mkdir -p "$target"
if ! python3 -m pip --version >/dev/null 2>&1; then
  command -v uv >/dev/null || give_up 46 "this image has neither pip nor uv"
  index=$(sed -n 's/^index-url = //p' pip.conf)
  uv pip install ${index:+--index-url "$index"} --target "$target/pip" pip || give_up 41 "pip itself could not be fetched"
  export PYTHONPATH=$target/pip
fi
pip_says() { # WORD...
  python3 -m pip "$@" 2>&1 | tee /tmp/pip.log && return
  if grep -qE 'Retrying|ConnectionError|ConnectTimeout|timed out|Name or service not known|Failed to establish|HTTP error 5' /tmp/pip.log; then
    give_up 41 "the package index does not answer"
  fi
  give_up 46 "$(grep -E '^ERROR' /tmp/pip.log | tail -n 1)"
}
# What is installed stays as it is: Ray takes what it needs beside it, or the build says why it can't.
python3 -m pip list --format freeze 2>/dev/null | grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$' | grep -viE '^(ray|pip)==' >/tmp/installed.txt || true
pip_says install --dry-run --report /tmp/plan.json --constraint /tmp/installed.txt "ray==$RAY"
python3 -c '
import json
for each in json.load(open("/tmp/plan.json"))["install"]:
    print("{name}=={version}".format(**each["metadata"]))
' >"$target/wanted.txt"
pip_says wheel --no-deps --wheel-dir "$target" --requirement "$target/wanted.txt"
