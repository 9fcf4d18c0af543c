#!/usr/bin/env bash
# What compiles llama.cpp.
# shellcheck source=components/serving/images/common/lib.sh
. "$(dirname "$0")/lib.sh"

archive ca-certificates python3 python3-pip g++ cmake ninja-build
