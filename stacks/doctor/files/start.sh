#!/usr/bin/env bash
# On a machine: runs a Python program given as text, with the python3 that the deployment's own steps use.
# Arguments: FOLDER (the deployment's, may begin with ~) PROGRAM
set -euo pipefail
folder=${1/#\~/$HOME}
PATH=$folder/bin:$PATH
command -v python3 >/dev/null || { echo "has no python3, by which it is looked at" >&2; exit 1; }
exec python3 -c "$2"
