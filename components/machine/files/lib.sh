# shellcheck shell=bash
# What every step may use. Sourced as the first thing in step.sh.
set -euo pipefail

# status STAGE [PERCENT [RATE [LEFT]]]: the one line that a user sees move.
status() {
  printf '%s%s%s%s\n' "$1" "${2:+ $2%}" "${3:+, $3}" "${4:+, $4 left}" >"$TANDEM_DIR/status"
}

# fail SENTENCE: cause and remedy in one sentence, then the end.
fail() {
  echo "$*" >"$TANDEM_DIR/error"
  echo "FAILED: $*"
  exit 1
}

# result KEY=VALUE...: what the program reads back; one line.
result() {
  printf '%s\n' "$*" >"$TANDEM_DIR/result"
}

# undo PROGRAM WORD...: one command that cleanup.sh runs to take a change back, the newest first; written once, before the
# change is made. A word stays one word, whatever it holds.
undo() {
  local file=$TANDEM_HOME/undo line
  [[ $1 != *[[:space:]]* ]] || fail "undo takes a program and its words, not a line: $1"
  line=$(printf '%q ' "$@")
  grep -qxF -- "${line% }" "$file" 2>/dev/null || printf '%s\n' "${line% }" >>"$file"
}

# kept THING: what stays on the machine after destroy; cleanup.sh says so.
kept() {
  local file=$TANDEM_HOME/kept
  grep -qxF -- "$1" "$file" 2>/dev/null || printf '%s\n' "$1" >>"$file"
}

# have PROGRAM: is it on PATH?
have() {
  command -v "$1" >/dev/null 2>&1
}

# tries COUNT COMMAND...: again after 1, 2, 4 ... seconds, 30 at most.
tries() {
  local left=$1 pause=1
  shift
  until "$@"; do
    ((--left > 0)) || return 1
    sleep "$pause"
    pause=$((pause < 15 ? pause * 2 : 30))
  done
}

on_error() {
  [[ -s $TANDEM_DIR/error ]] || echo "$TANDEM_STEP: line $1: '$2' failed" >"$TANDEM_DIR/error"
}
trap 'on_error "$LINENO" "$BASH_COMMAND"' ERR
