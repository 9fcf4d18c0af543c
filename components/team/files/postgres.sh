#!/bin/sh
# PostgreSQL for LiteLLM alone, on loopback: postgres.sh FOLDER PASSWORD_FILE; PGHOST (folder of its socket), PGPORT, PGUSER
# The cluster is made at the first start. Programs of its own container reach it by its socket without the password.
set -eu
folder=${1:?} password=$(cat "${2:?}") name=$PGUSER
cluster=$folder/cluster draft=$folder/draft
export PGDATA="$cluster"

if [ ! -d "$cluster" ]; then
  rm -rf "$draft" # a start that was cut off; nothing was ever written to it
  initdb --pgdata "$draft" --username "$name" --pwfile "$2" --auth-local trust --auth-host scram-sha-256 \
    --encoding UTF8 --locale C.UTF-8 --data-checksums
  echo "CREATE DATABASE $PGDATABASE" | postgres --single -j -D "$draft" postgres >/dev/null
  mv "$draft" "$cluster"
fi
own=$(cat "$cluster/PG_VERSION") here=$(postgres --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
if [ "$own" != "$here" ]; then
  echo "$folder is PostgreSQL $own's and gateway.team.databaseImage has $here: name the image of $own, back up, move the folder away, restore" >&2
  exit 1
fi
# Data that outlived its stack has another password.
echo "ALTER ROLE $name PASSWORD '$password'" | postgres --single -j -D "$cluster" postgres >/dev/null
exec postgres -c listen_addresses=127.0.0.1 -c "port=$PGPORT" -c "unix_socket_directories=$PGHOST"
