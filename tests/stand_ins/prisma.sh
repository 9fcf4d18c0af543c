#!/bin/sh
# Prisma's command as LiteLLM calls it, in place of the native schema engine: the migrations beside this folder's schema, by psql.
set -eu
[ "$*" = "migrate deploy" ] || exit 0
sql() { psql --quiet --no-psqlrc --tuples-only --no-align --set ON_ERROR_STOP=1 "${DATABASE_URL%%\?*}" "$@"; }
applied=$(sql -c 'CREATE TABLE IF NOT EXISTS applied_migrations (name text PRIMARY KEY)' -c 'TABLE applied_migrations')
for folder in migrations/*/; do
  name=$(basename "$folder")
  printf '%s\n' "$applied" | grep -qxF "$name" ||
    printf "\\\\i '%smigration.sql'\nINSERT INTO applied_migrations VALUES ('%s');\n" "$folder" "$name"
done | sql >/dev/null
echo "No pending migrations to apply."
