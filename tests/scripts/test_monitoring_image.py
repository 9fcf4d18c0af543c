"""Debian's programs in the local image find all that they read: each comes up in that root folder, as nobody."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import urllib.request

import pytest

from localcloud.fixtures.images import NOBODY, monitoring_layer
from localcloud.fixtures.prometheus import ensure_prometheus
from tests.support.waiting import free_port, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes the root folder")

FILES = {"prometheus.json": "{}", "alertmanager.json": '{"route": {"receiver": "x"}, "receivers": [{"name": "x"}]}'}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The image's root file system, with what a container gets besides."""
    folder = tmp_path_factory.mktemp("image")
    with tarfile.open(fileobj=io.BytesIO(monitoring_layer(ensure_prometheus()))) as archive:
        archive.extractall(folder, filter="tar")
    folder.chmod(0o755)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "data").mkdir()
    os.chown(folder / "data", int(NOBODY), int(NOBODY))
    return folder


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["prometheus", "--config.file=/prometheus.json", "--storage.tsdb.path=/data"], "/-/healthy"),
        (
            ["alertmanager", "--config.file=/alertmanager.json", "--storage.path=/data", "--cluster.listen-address="],
            "/-/healthy",
        ),
        (["node_exporter", "--collector.disable-defaults", "--collector.time"], "/metrics"),
    ],
)
def test_each_program_comes_up_with_what_is_in_the_image(root, words, path):
    port = free_port()
    command = [
        "/usr/sbin/chroot",
        f"--userspec={NOBODY}:{NOBODY}",
        root,
        *words,
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": "/bin"})

    def answers():
        assert process.poll() is None, (root / "log").read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status == 200

    try:
        until(answers, 30, (root / "log").read_text)
    finally:
        process.kill()
        process.wait(10)
