#!/bin/sh
# Inside an image: a line for each thing that it lacks. Arguments: PROGRAM... -- MODULE...
set -eu
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
  command -v "$1" >/dev/null 2>&1 || echo "$1"
  shift
done
[ "$#" -eq 0 ] || shift
[ "$#" -gt 0 ] || exit 0
if ! command -v python3 >/dev/null 2>&1; then
  printf '%s\n' "$@"
  exit 0
fi
python3 -c '
import importlib.util, sys
for name in sys.argv[1:]:
    if importlib.util.find_spec(name) is None:
        print(name)
' "$@"
