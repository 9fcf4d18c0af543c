#!/bin/sh
# Ends the commands of this SSH connection; read by /bin/sh in a session of its own on the same connection.
set -eu
# Our parent is the connection's sshd, so its other children are the commands, each leading a process group.
for status in /proc/[0-9]*/stat; do
  line=$(cat "$status" 2>/dev/null) || continue # it ended meanwhile
  pid=${status#/proc/}
  pid=${pid%/stat}
  fields=${line##*) } # state, parent, ...; the name before may hold anything
  parent=${fields#* }
  parent=${parent%% *}
  if [ "$parent" = "$PPID" ] && [ "$pid" != "$$" ]; then
    kill -TERM "-$pid" || kill -TERM "$pid"
  fi
done
