#!/usr/bin/env bash
# On a machine: unpack a step from standard input into a folder named by its content, and run it.
# Arguments: STACK STEP HASH sync|launch [BASE]
set -euo pipefail
umask 077
base=${5:-/var/lib/tandem}
steps=${base/#\~/$HOME}/$1/steps/$2
mkdir -p "$steps/$3"
base64 -d | tar -xzf - -C "$steps/$3"
exec bash "$steps/$3/run.sh" "$4"
