#!/usr/bin/env bash
# On a machine: unpack a step from standard input, and have it run from a folder named by its content.
# Arguments: STACK STEP HASH sync|launch BASE
set -euo pipefail
umask 077
base=$5
steps=${base/#\~/$HOME}/$1/steps/$2
mkdir -p "$steps"
incoming=$(mktemp -d "$steps/.incoming-XXXXXX")
trap 'rm -rf "$incoming"' EXIT # cut off before all had come
base64 -d | tar -xzf - -C "$incoming"
trap - EXIT
exec bash "$incoming/run.sh" arrive "$3" "$4"
