#!/usr/bin/env bash
# The weights, whole and verified, in $FOLDER on the shared storage.
# shellcheck source=components/remote/files/lib.sh
. "$TANDEM_DIR/lib.sh"

umask 022 # others may read the weights; only what is ours on the machine is private

python=python3
if [[ $SOURCE != path ]]; then
  venv=$TANDEM_HOME/hub
  python=$venv/bin/python
  if ! "$python" -m pip show --quiet "${CLIENT%%==*}" 2>/dev/null || [[ ! -f $venv/$CLIENT ]]; then
    status "installing $CLIENT"
    python3 -m venv --clear "$venv" || fail "python3 -m venv failed; install python3-venv on this machine"
    index=()
    if [[ -n $PIP_INDEX ]]; then
      host=${PIP_INDEX#*://}
      index=(--index-url "$PIP_INDEX" --trusted-host "${host%%[:/]*}")
    fi
    tries 3 "$python" -m pip install --quiet --disable-pip-version-check "${index[@]}" "$CLIENT" ||
      fail "pip could not install $CLIENT; see whether the machine reaches its package index, or set mirrors.pip"
    touch "$venv/$CLIENT"
  fi
fi
exec "$python" "$TANDEM_DIR/fetch.py"
