#!/usr/bin/env bash
# Downloads packages and what they depend on beyond a base image, with apt's own resolver; installs nothing.
# usage: download-debs.sh APT_DIR STATUS_FILE TARGET PACKAGE...
set -euo pipefail

apt=$1 status=$2 target=$3
shift 3
options=(
  -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
  -o "Dir::State::status=$status" -o "Dir::State::extended_states=$apt/extended_states"
  -o "Dir::Cache::archives=$target" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30
  -o APT::Keep-Downloaded-Packages=true -o Debug::NoLocking=true
)
apt-get -qq "${options[@]}" update
# One by one: packages that exclude each other are both wanted here.
for package in "$@"; do
  apt-get -qq "${options[@]}" --yes --no-install-recommends --download-only install "$package"
done
