#!/usr/bin/env bash
# The team's database on this machine: team_data.sh STACK MACHINE SECONDS backup|restore, by standard output or input.
# 3: this machine has none. What can't be restored whole changes nothing; LiteLLM is down only for the exchange.
set -euo pipefail
name=$1-$2-team seconds=$3
database=$name-database

rooted() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
inside() { rooted docker exec --interactive "$database" timeout "$seconds" "$@"; }
sql() { inside psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres "$@" </dev/null >&2; }

rooted docker inspect --format '{{.Id}}' "$database" >/dev/null 2>&1 || exit 3
case $4 in
  backup) inside pg_dump --format=custom </dev/null ;;
  restore)
    sql -c 'DROP DATABASE IF EXISTS restored' -c 'CREATE DATABASE restored'
    inside pg_restore --exit-on-error --dbname restored >&2
    trap 'rooted docker start "$name" >/dev/null' EXIT
    rooted docker stop "$name" >/dev/null
    sql -c 'DROP DATABASE litellm WITH (FORCE)' -c 'ALTER DATABASE restored RENAME TO litellm'
    ;;
esac
