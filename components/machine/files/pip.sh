# shellcheck shell=bash
# pip as every step uses it. Sourced after lib.sh.

# read_index URL: sets pip_words, the words by which pip uses that index; none without a URL. Its certificate is looked at
# wherever the index has one.
read_index() {
  local host=${1#*://}
  host=${host%%/*}
  host=${host##*@}
  pip_words=()
  if [[ -n $1 ]]; then pip_words=(--index-url "$1"); fi
  if [[ $1 == http://* ]]; then pip_words+=(--trusted-host "$host"); fi
}
