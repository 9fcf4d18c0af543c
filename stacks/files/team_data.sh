#!/usr/bin/env bash
# The team's database on this machine: team_data.sh STACK MACHINE SECONDS backup|restore, by standard output or input.
# 3: this machine has none. A restore is whole or changes nothing; LiteLLM is down meanwhile.
set -euo pipefail
name=$1-$2-team seconds=$3
database=$name-database

rooted() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

rooted docker inspect --format '{{.Id}}' "$database" >/dev/null 2>&1 || exit 3
case $4 in
  backup) rooted docker exec "$database" timeout "$seconds" pg_dump --format=custom ;;
  restore)
    rooted docker stop "$name" >/dev/null
    trap 'rooted docker start "$name" >/dev/null' EXIT
    rooted docker exec -i "$database" timeout "$seconds" \
      pg_restore --clean --if-exists --single-transaction --exit-on-error --dbname litellm >&2
    ;;
esac
