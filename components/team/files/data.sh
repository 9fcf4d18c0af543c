#!/usr/bin/env bash
# The folder of the team's database, beside the stack's own: what destroy does with it is said here.
# Environment: FOLDER, OWNER (number of PostgreSQL's user), KEEP (yes: it outlives the stack)
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

parent=$(dirname "$FOLDER")
# What an earlier run wrote may be the other choice.
for list in undo kept; do
  [[ ! -f $TANDEM_HOME/$list ]] || sed -i "\|$FOLDER|d" "$TANDEM_HOME/$list"
done
if [[ $KEEP == yes ]]; then
  kept "the team's database in $FOLDER"
else
  undo rmdir --ignore-fail-on-non-empty "$(dirname "$parent")" # of all stacks
  undo rmdir --ignore-fail-on-non-empty "$parent"
  undo rm -rf "$FOLDER"
fi
mkdir -p "$FOLDER"
chmod 700 "$FOLDER"
chown "$OWNER:$OWNER" "$FOLDER"
