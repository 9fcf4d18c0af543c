#!/usr/bin/env bash
# Where the engine's programs are on this machine: in an environment that is there, or in one made of packages.
# Environment: PROGRAMS MODULE PYTHON PACKAGES (a line each, with or without --hash) FOLDERS PIP_INDEX SETTING (names PACKAGES)
# Beside it may lie requirements.lock: PACKAGES and all that they need, with hashes.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/pip.sh
. "$TANDEM_DIR/pip.sh"

path=
for folder in ${FOLDERS//:/ }; do path=$path:${folder/#\~/$HOME}; done
if [[ -n $PYTHON ]]; then
  python=${PYTHON/#\~/$HOME}
  [[ -x $python ]] || fail "native.python: there is no $python on this machine; name the interpreter of the environment that holds the engine"
  path=$path:$(dirname "$python")
elif [[ -n $PACKAGES ]]; then
  base=$TANDEM_HOME/environments/$TANDEM_STEP
  names=$(while read -r name _; do printf '%s ' "$name"; done <<<"$PACKAGES")
  locked=()
  if [[ -f $TANDEM_DIR/requirements.lock ]]; then
    PACKAGES=$(<"$TANDEM_DIR/requirements.lock")
    locked=(--require-hashes --no-deps)
  fi
  venv=$base/$(sha256sum <<<"$PACKAGES" | cut -c1-12)
  if [[ ! -e $venv/whole ]]; then
    status "installing $names"
    rm -rf "$base"
    mkdir -p "$base"
    python3 -m venv "$venv" || fail "python3 -m venv failed; take an image that has python3-venv, or name an environment in native.python"
    read_index "$PIP_INDEX"
    printf '%s\n' "$PACKAGES" >"$venv/requirements.txt" # a file, since hashes are for no command line
    tries 3 "$venv/bin/python" -m pip install --disable-pip-version-check --cache-dir "$TANDEM_HOME/cache/pip" "${pip_words[@]}" "${locked[@]}" --requirement "$venv/requirements.txt" ||
      fail "$SETTING: pip could not install $names: $(grep -E '^ERROR' "$TANDEM_DIR/log" | tail -1); see the machine's package index and mirrors.pip"
    touch "$venv/whole"
  fi
  path=$path:$venv/bin
fi
path=${path#:}
remedy="name its environment in native.python, its folder in native.path, or its packages in $SETTING"
PATH=${path:+$path:}$PATH
for program in $PROGRAMS; do
  status "looking for $program"
  have "$program" || fail "there is no program $program on this machine, in $PATH; $remedy"
done
if [[ -n $MODULE ]]; then
  python3 -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec(sys.argv[1]))' "$MODULE" ||
    fail "$(command -v python3) has no $MODULE; $remedy"
fi
# The plan counts with a version: the one that is really here must be that.
version=
if [[ -n $MODULE ]]; then
  version=$(python3 -c 'import importlib.metadata as m, sys; print(m.version(sys.argv[1]).split("+")[0])' "$MODULE" 2>/dev/null || true)
fi
if [[ -n ${EXPECTED:-} && -n $version && $version != "$EXPECTED" ]]; then
  fail "native.version is $EXPECTED and this machine's environment has $MODULE $version; set native.version to $version, by whose rules memory and split are then planned, or bring $EXPECTED there"
fi
result "path=$path version=$version"
