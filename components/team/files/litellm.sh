#!/bin/sh
# LiteLLM with an environment from a file, so that its secrets are in no list of containers: litellm.sh FILE CONFIG PORT
set -eu
set -a
# shellcheck source=/dev/null # written by components/team/litellm.py
. "${1:?}"
set +a
exec litellm --config "${2:?}" --host 127.0.0.1 --port "${3:?}"
