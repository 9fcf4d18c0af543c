"""Runs an engine as one rank of a group: together up, together down, together up again.

The engine starts when the group is whole and is ended when the group breaks; when the engine ends, the
group breaks for everybody. Needs nothing but Python; `--group=ray` needs Ray.

    supervise.py --group=peers --rank=N --ranks=M --leader=ADDRESS --port=P --token=FILE -- ENGINE...
    supervise.py --group=ray --accelerators=N --resource=GPU -- ENGINE...

--after=HOST:PORT, as often as needed, is what must listen before the engine starts.
A word of the engine's with `*` in it is a file that is looked for here; one of several parts is named by its first.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn, Protocol

BEAT = 1.0
"""Seconds between heartbeats."""
SILENCE = 10.0
"""Seconds without a heartbeat after which a rank is lost."""
EXITED = b"X"
"""Sent instead of a heartbeat by a rank whose engine ended by itself."""
LAST_WORDS = 10.0
"""Seconds our engine has to tell by itself why another rank's ended: often it is the same mistake."""
GRACE = 15.0
"""Seconds an engine has to end by itself."""
PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")
"""How llama.cpp numbers the files of a split model."""


def say(line: str) -> None:
    """One line in the container's log, marked as ours."""
    print(f"tandem: {line}", flush=True)


class Group(Protocol):
    """Who must be there for an engine to run."""

    exited_elsewhere: bool

    def form(self) -> None:
        """Blocks until the group is whole."""

    def intact(self) -> bool:
        """Whether it still is."""

    def leave(self, *, exited: bool = False) -> None:
        """Tells the others that we are out, and whether because our engine ended by itself."""


class Alone:
    """A group of one."""

    exited_elsewhere = False

    def form(self) -> None:
        """Whole at once."""

    def intact(self) -> bool:
        """Always."""
        return True

    def leave(self, *, exited: bool = False) -> None:
        """Nobody to tell."""


class Link:
    """A connection between two ranks with heartbeats both ways."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.heard, self.closed = connection, time.monotonic(), False
        self.exited = False
        connection.settimeout(BEAT)
        threading.Thread(target=self._beat, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _beat(self) -> None:
        while not self.closed:
            try:
                self.connection.sendall(b".")
            except (TimeoutError, socket.timeout):  # noqa: UP041  # two things before Python 3.10
                pass
            except OSError:
                self.close()
            time.sleep(BEAT)

    def _listen(self) -> None:
        while not self.closed:
            try:
                heard = self.connection.recv(64)
                self.exited = self.exited or EXITED in heard
                if not heard or self.exited:
                    self.close()
                self.heard = time.monotonic()
            except (TimeoutError, socket.timeout):  # noqa: UP041  # two things before Python 3.10
                continue
            except OSError:
                self.close()

    def alive(self) -> bool:
        """Whether the other side was heard of lately."""
        return not self.closed and time.monotonic() - self.heard < SILENCE

    def close(self, *, exited: bool = False) -> None:
        """Ends it for both sides."""
        self.closed = True
        if exited:
            with contextlib.suppress(OSError):
                self.connection.sendall(EXITED)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def proof(token: bytes, challenge: bytes, rank: int) -> bytes:
    """Shows knowledge of the token without sending it."""
    return hmac.digest(token, challenge + b"%d" % rank, "sha256")


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes, or ConnectionError."""
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the other side hung up")
        data += part
    return data


class Leader:
    """Rank 0: waits for all others, then lets everybody start."""

    def __init__(self, address: str, port: int, ranks: int, token: bytes) -> None:
        self.ranks, self.token = ranks, token
        self.links: dict[int, Link] = {}
        self.exited_elsewhere = False
        while True:
            try:
                self.server = socket.create_server((address, port))
                break
            except OSError as error:
                say(f"can't listen on {address}:{port} ({error}); another program holds the port, trying again")
                time.sleep(5)
        self.server.settimeout(1.0)

    def form(self) -> None:
        """Accepts ranks until all are there; whoever was lost meanwhile must come again."""
        waiting: dict[int, socket.socket] = {}
        shown = -1
        while len(waiting) < self.ranks - 1:
            if len(waiting) != shown:
                shown = len(waiting)
                missing = sorted(set(range(1, self.ranks)) - set(waiting))
                say(f"{shown + 1} of {self.ranks} ranks are here, waiting for {missing}")
            try:
                connection, _ = self.server.accept()
            except (TimeoutError, socket.timeout):  # noqa: UP041  # two things before Python 3.10
                continue
            try:
                connection.settimeout(5)
                challenge = secrets.token_bytes(32)
                connection.sendall(challenge)
                rank = int.from_bytes(read_exactly(connection, 4), "big")
                if not hmac.compare_digest(read_exactly(connection, 32), proof(self.token, challenge, rank)):
                    raise ConnectionError(f"rank {rank} does not know the group's token")
                if not 0 < rank < self.ranks:
                    raise ConnectionError(f"there is no rank {rank} in a group of {self.ranks}")
            except OSError as error:
                say(f"refused a connection: {error}")
                connection.close()
                continue
            if rank in waiting:
                waiting[rank].close()
            waiting[rank] = connection
        for connection in waiting.values():
            with contextlib.suppress(OSError):  # its link will be found dead at once
                connection.sendall(b"G")
        self.links = {rank: Link(connection) for rank, connection in waiting.items()}

    def intact(self) -> bool:
        """All heard of lately."""
        lost = [rank for rank, link in self.links.items() if not link.alive()]
        self.exited_elsewhere = any(self.links[rank].exited for rank in lost)
        for rank in lost:
            say(f"rank {rank}: engine exited" if self.links[rank].exited else f"rank {rank} was lost")
        return not lost

    def leave(self, *, exited: bool = False) -> None:
        """Hangs up on everybody."""
        for link in self.links.values():
            link.close(exited=exited)


class Member:
    """Any other rank."""

    def __init__(self, leader: tuple[str, int], rank: int, token: bytes) -> None:
        self.leader, self.rank, self.token = leader, rank, token
        self.link: Link | None = None
        self.exited_elsewhere = False

    def form(self) -> None:
        """Knocks at the leader's until it says go."""
        shown = ""
        while True:
            try:
                connection = socket.create_connection(self.leader, timeout=5)
                challenge = read_exactly(connection, 32)
                connection.sendall(self.rank.to_bytes(4, "big") + proof(self.token, challenge, self.rank))
                connection.settimeout(None)
                enable_keepalive(connection)
                if read_exactly(connection, 1) == b"G":
                    self.link = Link(connection)
                    return
            except OSError as error:
                if str(error) != shown:
                    shown = str(error)
                    say(f"waiting for the leader at {self.leader[0]}:{self.leader[1]} ({error})")
                time.sleep(1)

    def intact(self) -> bool:
        """The leader was heard of lately."""
        if self.link is None or self.link.alive():
            return self.link is not None
        self.exited_elsewhere = self.link.exited
        return False

    def leave(self, *, exited: bool = False) -> None:
        """Hangs up."""
        if self.link:
            self.link.close(exited=exited)


def enable_keepalive(connection: socket.socket) -> None:
    """So that a member waiting for the others notices a leader that vanished without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


class RayCluster:
    """All accelerators that the engine was promised are alive in Ray."""

    exited_elsewhere = False

    def __init__(self, accelerators: int, resource: str) -> None:
        self.wanted, self.resource = accelerators, resource

    def _count(self) -> int:
        """Accelerators on living nodes, asked in a process of its own: a lost head must not take us along."""
        program = (
            "import ray; ray.init(address='auto', logging_level='ERROR', log_to_driver=False);"
            f"print(int(sum(n['Resources'].get({self.resource!r}, 0) for n in ray.nodes() if n['Alive'])))"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
            )
            return int(done.stdout.strip() or 0)
        except (subprocess.TimeoutExpired, ValueError):
            return 0

    def form(self) -> None:
        """Asks until all are there."""
        shown = -1
        while (now := self._count()) < self.wanted:
            if now != shown:
                shown = now
                say(f"{now} of {self.wanted} accelerators are in the cluster, waiting")
            time.sleep(2)

    def intact(self) -> bool:
        """The engine itself notices a lost actor and ends; nothing else is asked while it runs."""
        return True

    def leave(self, *, exited: bool = False) -> None:
        """Ray frees what a driver held when the driver ends."""


def reap_orphans(engine: subprocess.Popen[bytes]) -> None:
    """As a container's first process we inherit the engine's lost children; the dead among them are taken in."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid == engine.pid and engine.poll() is not None:
                continue  # poll() has taken it in
            os.waitpid(found.si_pid, 0)


def end(engine: subprocess.Popen[bytes]) -> None:
    """Ends the engine with all its processes: kindly, then not."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(engine.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            engine.poll()
            reap_orphans(engine)  # a dead process that nobody took in still counts as one of the group
            try:
                os.killpg(engine.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)


def find_file(word: str) -> str:
    """The one file that a pattern names.

    Raises:
        SystemExit: none, or several that aren't the parts of one.
    """
    folder, pattern = os.path.split(word)
    found = sorted(str(path) for path in Path(folder).glob(pattern))
    parts = [name for name in found if PART.search(name)]
    if found and (len(found) == 1 or (len(parts) == len(found) and len({PART.sub("", n) for n in found}) == 1)):
        return found[0]
    why = f"{len(found)} files and not the parts of one" if found else "none"
    say(f"error: of {pattern} there are {why} in {folder}: name one in serving.arguments, or let model.id hold one")
    time.sleep(5)  # the container is started again: not a hundred times a second
    raise SystemExit(1)


def listens(place: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = place.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


def wait_for(places: list[str], group: Group) -> bool:
    """Until all places listen; False when the group broke meanwhile."""
    for place in places:
        shown = False
        while not listens(place):
            if not group.intact():
                return False
            if not shown:
                say(f"waiting for {place}")
                shown = True
            time.sleep(0.5)
    return True


def supervise(group: Group, command: list[str], after: list[str]) -> NoReturn:
    """Forever: form, run, end together."""
    current: list[subprocess.Popen[bytes]] = []

    def stop(*_: object) -> NoReturn:
        group.leave()
        for engine in current:
            end(engine)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    attempt, pause = 0, 1.0
    while True:
        group.form()
        if not wait_for(after, group):
            say("the group broke before the engine started")
            group.leave()
            continue
        attempt += 1
        say(f"the group is whole, starting the engine (attempt {attempt})")
        began = time.monotonic()
        engine = subprocess.Popen(command, start_new_session=True)
        current[:] = [engine]
        while engine.poll() is None and group.intact():
            reap_orphans(engine)
            time.sleep(0.5)
        deadline = time.monotonic() + LAST_WORDS
        while group.exited_elsewhere and engine.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        code = engine.poll()
        say(f"engine exited with code {code}" if code is not None else "the group broke, ending the engine")
        group.leave(exited=code is not None)
        end(engine)
        # Quick failures wait longer and longer; an engine that ran for minutes is started again at once.
        pause = 1.0 if time.monotonic() - began > 120 else min(pause * 2, 30.0)
        time.sleep(pause)


def main() -> NoReturn:
    """Reads the arguments and never returns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", choices=("peers", "ray"), required=True)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--leader", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", type=Path)
    parser.add_argument("--accelerators", type=int, default=0)
    parser.add_argument("--resource", default="GPU")
    parser.add_argument("--after", action="append", default=[])
    parser.add_argument("command", nargs="+")
    told = parser.parse_args()
    group: Group
    if told.group == "ray":
        group = RayCluster(told.accelerators, told.resource)
    elif told.ranks == 1:
        group = Alone()
    else:
        token = told.token.read_bytes().strip()
        group = (
            Member((told.leader, told.port), told.rank, token)
            if told.rank
            else Leader(told.leader, told.port, told.ranks, token)
        )
    supervise(group, [find_file(word) if "*" in word else word for word in told.command], told.after)


if __name__ == "__main__":
    main()
