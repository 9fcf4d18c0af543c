#!/usr/bin/env bash
# Under `sudo -S`: drops what sudo left of the password's lines, and runs the words with the rest of standard input.
# sudo reads the password only if it asks for one. Called as: bash -c THIS MARKER WORD...
set -euo pipefail
while IFS= read -r line; do # a character at a time, so nothing behind the marker is taken
  if [[ $line == "$0" ]]; then break; fi
done
exec "$@"
