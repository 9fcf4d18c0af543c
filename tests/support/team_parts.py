"""LiteLLM and PostgreSQL of the tests' images as processes of this computer, by the scripts of their containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from components.team.litellm import Price, ProxyConfig, render, render_environment
from components.team.team import DATABASE_USER, FILES, SOCKET, USER, USER_AND_DATABASE
from localcloud.system.programs import run
from tests.support.team_image import PATHS, POSTGRES_IMAGE, STAND_INS, ensure_root
from tests.support.waiting import free_port, until

MASTER_KEY = "sk-" + "m" * 40
PASSWORD = "p" * 48
START_SECONDS = 600
"""It takes half a minute of one processor; the tests' share of one may be a tenth."""
DEVICES = {"null": 3, "zero": 5, "urandom": 9}
"""Minor numbers (Documentation/admin-guide/devices.txt, major 1)."""


class Parts:
    """Both, in a root of their own on loopback.

    Args:
        folder: for the root, 3 GB.
        config: LiteLLM's settings.
    """

    def __init__(self, folder: Path, config: ProxyConfig) -> None:
        self.root, self.config = folder / "root", config
        self.port, self.database_port = free_port(), free_port()
        self.root.mkdir(mode=0o755)
        folder.chmod(0o755)
        run("tar", "--extract", "--file", ensure_root() / "layer", "--directory", self.root)
        for path, file in STAND_INS.items():
            (self.root / path).write_bytes(file.read_bytes())
            (self.root / path).chmod(0o755)
        for name, minor in DEVICES.items():
            os.mknod(self.root / "dev" / name, 0o20666, os.makedev(1, minor))
            (self.root / "dev" / name).chmod(0o666)
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.root / "data").mkdir()
        os.chown(self.root / "data", int(DATABASE_USER), int(DATABASE_USER))
        own = self.root / "tandem"
        own.mkdir()
        for name in ("postgres.sh", "litellm.sh"):
            (own / name).write_bytes((FILES / name).read_bytes())
        (own / "password").write_text(PASSWORD)
        (own / "litellm.json").write_text(json.dumps(render(config)))
        url = f"postgresql://litellm:{PASSWORD}@127.0.0.1:{self.database_port}/litellm"
        (own / "litellm.env").write_text(
            render_environment(
                database_url=url, master_key=MASTER_KEY, salt_key="sk-" + "s" * 40, base_url="https://localhost"
            )
        )
        self.log = (folder / "log").open("ab")
        self.start_database()
        self.start_proxy()

    def start_database(self) -> None:
        variables = {"PGHOST": SOCKET, "PGPORT": str(self.database_port), **USER_AND_DATABASE}
        self.database = self._run(DATABASE_USER, ["sh", "/tandem/postgres.sh", "/data", "/tandem/password"], variables)

    def start_proxy(self) -> None:
        words = ["sh", "/tandem/litellm.sh", "/tandem/litellm.env", "/tandem/litellm.json", str(self.port)]
        self.proxy = self._run(USER, words, {"HOME": SOCKET})

    def _run(self, user: str, words: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
        path = PATHS[POSTGRES_IMAGE].replace("PATH=", "PATH=/usr/local/bin:")
        environment = [path, "LANG=C.UTF-8", *(f"{name}={value}" for name, value in variables.items())]
        return subprocess.Popen(
            ["chroot", f"--userspec={user}:{user}", str(self.root), "env", "-i", *environment, *words],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def wait(self, gateway_port: int) -> None:
        """Until the program that `up` waits by says that all is there."""
        words = [sys.executable, str(FILES / "ready.py"), str(gateway_port), str(self.port), "https", self.config.model]

        def ready() -> bool:
            done = subprocess.run(words, input=MASTER_KEY, capture_output=True, text=True, check=True)
            return not done.stdout.strip()

        until(ready, START_SECONDS)

    def stop(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """LiteLLM has a child, and both may be killed; PostgreSQL stops at once by SIGINT, as in its image."""
        (process.send_signal if number == signal.SIGINT else lambda n: os.killpg(process.pid, n))(number)
        process.wait(60)

    def close(self) -> None:
        for process, number in ((self.proxy, signal.SIGKILL), (self.database, signal.SIGINT)):
            if process.poll() is None:
                self.stop(process, number)
        self.log.close()


def priced(model: str, port: int, alias: str) -> ProxyConfig:
    """A token counts 0.001."""
    return ProxyConfig(model, port, (alias,), price=Price(0.001, 0.001))
