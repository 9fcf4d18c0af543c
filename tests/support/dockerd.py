"""A Docker daemon of the tests' own: its data, socket and processes in one folder, no bridge, no firewall rules."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolchain.gobuild import find_go
from toolchain.paths import cache_dir

IMAGE = "tandem/sleep:1"
_PACKAGES = ("docker.io", "containerd", "runc", "tini")
_FLAGS = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--storage-driver=vfs")
_START_SECONDS = 30.0
_SLEEPER = """package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
"""


@dataclass(frozen=True)
class Daemon:
    """A running daemon."""

    process: subprocess.Popen[bytes]
    folder: Path
    environment: dict[str, str]

    @property
    def host(self) -> str:
        """Return the address for clients."""
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *arguments: str) -> str:
        """Run the docker client, which has to succeed; return what it printed."""
        command = ["docker", "--host", self.host, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Have the daemon answer nobody for a while."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running() -> Iterator[Daemon]:
    """Run a daemon that has the image ``IMAGE``, a program that waits for SIGTERM."""
    path = f"{_programs()}:{os.environ['PATH']}"
    folder = Path(tempfile.mkdtemp(prefix="tandem-dockerd-"))
    environment = {**os.environ, "PATH": path}
    command = [
        # In a mount namespace of its own, so that no mount of its outlives it.
        *("unshare", "--mount", "dockerd", "--data-root", str(folder / "data")),
        *("--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid")),
        *("--host", f"unix://{folder}/docker.sock", *_FLAGS),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    daemon = Daemon(process, folder, environment)
    try:
        _await(daemon)
        _import_image(daemon)
        yield daemon
        for container in daemon.docker("ps", "--all", "--quiet").split():
            daemon.docker("rm", "--force", container)
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder)


def _await(daemon: Daemon) -> None:
    deadline = time.monotonic() + _START_SECONDS
    probe = ["docker", "--host", daemon.host, "version"]
    while subprocess.run(probe, env=daemon.environment, capture_output=True, check=False).returncode != 0:
        log = (daemon.folder / "log").read_text()[-2000:]
        assert daemon.process.poll() is None and time.monotonic() < deadline, log
        time.sleep(0.05)


def _import_image(daemon: Daemon) -> None:
    source = daemon.folder / "sleeper"
    source.mkdir()
    (source / "main.go").write_text(_SLEEPER)
    build = [find_go(), "build", "-o", "sleeper", "main.go"]
    subprocess.run(build, cwd=source, env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}, check=True)
    subprocess.run(["tar", "-cf", "image.tar", "sleeper"], cwd=source, check=True)
    daemon.docker("import", "--change", 'ENTRYPOINT ["/sleeper"]', str(source / "image.tar"), IMAGE)


def _programs() -> Path:
    """Return the folder of dockerd and its helpers: installed ones, or Debian's packages unpacked once, uninstalled."""
    if installed := shutil.which("dockerd"):
        return Path(installed).parent
    kept = cache_dir().parent / "test-dockerd"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=_made(kept.parent)) as work:
            unpacked = Path(work) / "root"
            subprocess.run(["apt-get", "download", *_PACKAGES], cwd=work, capture_output=True, check=True)
            for package in Path(work).glob("*.deb"):
                subprocess.run(["dpkg", "--extract", str(package), str(unpacked)], check=True)
            bin_folder = unpacked / "usr/bin"
            for program in (unpacked / "usr/sbin").iterdir():
                program.replace(bin_folder / program.name)  # also in place of a link to it
            bin_folder.rename(kept)
    return kept


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
