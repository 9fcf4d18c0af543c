#!/usr/bin/env bash
# In the place of Alibaba Cloud's installer: auto_install_v4.0.sh DRIVER CUDA CUDNN
set -euo pipefail
apt-get -qq update
apt-get install --yes "linux-headers-$(uname -r)"
apt-get install --yes --no-install-recommends "nvidia-headless-${1%%.*}-server-open" "nvidia-utils-${1%%.*}-server"
