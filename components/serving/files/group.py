"""Who must be there for an engine to run, and what the ranks of a group tell each other.

Heartbeats go both ways over one connection a rank, which is taken from those only who know the group's token.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import re
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any, Protocol

BEAT = 1.0
"""Seconds between heartbeats."""
SILENCE = 10.0
"""Seconds without a heartbeat after which a rank is lost."""
EXITED = b"X"
"""Sent instead of a heartbeat by a rank whose engine ended by itself."""
REPORT = b"S"
"""Begins a report of a rank: JSON in hexadecimal, so that no byte of it is one of the others, and a line's end."""
QUIET, REQUESTED, SILENT = b".", b"W", b"Q"
"""Heartbeats. Nothing is asked; somebody wants to know of ranks that stand still, since the engine starts and doesn't
serve yet, or since a question has no answer. The last one counts: a rank that rests between two questions, each of
which takes its time, gives no sign either."""
BEATS = re.compile(b"[" + re.escape(QUIET) + REQUESTED + SILENT + b"]")
LONGEST_PAUSE = 30.0
"""Seconds that the first rank pauses at most after a failure, before it forms the group again (rank_supervisor.py)."""
REQUEST_SECONDS = 60.0
"""How long a touch of the file below counts."""
REQUEST_FILE: list[Path] = []
"""A file that is touched by whoever waits for the engine."""


def say(line: str) -> None:
    """One line in the container's log, marked as ours."""
    print(f"tandem: {line}", flush=True)


def watch_requests(folder: Path | None) -> None:
    """Where whoever waits for the engine says so."""
    REQUEST_FILE[:] = [folder / "status-requested"] if folder else []


def requested() -> bool:
    """Whether somebody waits for the engine."""
    try:
        return any(time.time() - file.stat().st_mtime < REQUEST_SECONDS for file in REQUEST_FILE)
    except OSError:
        return False


class Group(Protocol):
    """Who must be there for an engine to run.

    Attributes:
        exited_elsewhere: it broke since another rank's engine ended by itself.
        looks: ranks are to look whether they stand still; set on the first one.
        silent: and that is since a question has no answer; every rank knows.
    """

    exited_elsewhere: bool
    looks: bool
    silent: bool

    def report(self, entry: dict[str, Any]) -> None:
        """How this rank is, for the first one to know."""

    def reports(self) -> list[dict[str, Any]]:
        """What others have reported since the last time."""

    def status_requested(self) -> bool:
        """Whether somebody wants to know of ranks that stand still."""

    def form(self) -> None:
        """Blocks until the group is whole."""

    def intact(self) -> bool:
        """Whether it still is."""

    def leave(self, *, exited: bool = False) -> None:
        """Tells the others that we are out, and whether because our engine ended by itself."""


class Apart:
    """A group whose other ranks tell us nothing."""

    exited_elsewhere = looks = silent = False

    def report(self, entry: dict[str, Any]) -> None:
        """Nobody to tell."""

    def reports(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def status_requested(self) -> bool:
        """As on this machine."""
        return self.looks or self.silent or requested()


class Alone(Apart):
    """A group of one."""

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
        self.beat = self.last_beat = QUIET
        self.reports: list[dict[str, Any]] = []
        self.rest = b""
        self.guard = threading.Lock()
        connection.settimeout(BEAT)
        threading.Thread(target=self._beat, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _beat(self) -> None:
        while not self.closed:
            try:
                with self.guard:
                    self.connection.sendall(self.beat)
            except socket.timeout:  # noqa: UP041  # no TimeoutError before Python 3.10
                pass
            except OSError:
                self.close()
            time.sleep(BEAT)

    def _listen(self) -> None:
        while not self.closed:
            try:
                heard = self.connection.recv(65536)
                self._parse(heard)
                self.exited = self.exited or EXITED in heard
                if not heard or self.exited:
                    self.close()
                self.heard = time.monotonic()
            except socket.timeout:  # noqa: UP041
                continue
            except OSError:
                self.close()

    def _parse(self, heard: bytes) -> None:
        if beats := BEATS.findall(heard):
            self.last_beat = beats[-1]
        *whole, self.rest = (self.rest + heard).split(b"\n")
        if REPORT not in self.rest:
            self.rest = b""
        for line in whole:
            with contextlib.suppress(ValueError):
                self.reports.append(json.loads(bytes.fromhex(line.partition(REPORT)[2].decode())))

    def report(self, entry: dict[str, Any]) -> None:
        """Tells the other side."""
        with contextlib.suppress(OSError), self.guard:
            self.connection.sendall(REPORT + json.dumps(entry).encode().hex().encode() + b"\n")

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
        self.exited_elsewhere = self.looks = self.silent = False
        while True:
            try:
                self.server = socket.create_server(
                    (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET
                )
                break
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                why = "another program holds the port" if taken else "see that this machine has that address"
                say(f"can't listen on {address} port {port} ({error}); {why}, trying again")
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
            except socket.timeout:  # noqa: UP041
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

    def report(self, entry: dict[str, Any]) -> None:
        """The first rank's own is in its file already."""

    def reports(self) -> list[dict[str, Any]]:
        """See `Group`."""
        found = []
        for link in self.links.values():
            taken, link.reports = link.reports, []
            found += taken
        return found

    def status_requested(self) -> bool:
        """As on this machine; the others hear of it."""
        now = self.looks or self.silent or requested()
        for link in self.links.values():
            link.beat = SILENT if self.silent else REQUESTED if now else QUIET
        return now

    def leave(self, *, exited: bool = False) -> None:
        """Hangs up on everybody."""
        for link in self.links.values():
            link.close(exited=exited)


class Member:
    """Any other rank."""

    def __init__(self, leader: tuple[str, int], rank: int, token: bytes) -> None:
        self.leader, self.rank, self.token = leader, rank, token
        self.link: Link | None = None
        self.exited_elsewhere = self.looks = self.silent = False

    def form(self) -> None:
        """Knocks at the leader's until it says go."""
        shown = ""
        while True:
            try:
                connection = socket.create_connection(self.leader, timeout=5)
                connection.settimeout(LONGEST_PAUSE + SILENCE)
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

    def report(self, entry: dict[str, Any]) -> None:
        """See `Group`."""
        if self.link:
            self.link.report(entry)

    def reports(self) -> list[dict[str, Any]]:
        """Only the first rank hears of it."""
        return []

    def status_requested(self) -> bool:
        """As the first rank says."""
        beat = self.link.last_beat if self.link else QUIET
        self.silent = beat == SILENT
        return beat != QUIET

    def leave(self, *, exited: bool = False) -> None:
        """Hangs up."""
        if self.link:
            self.link.close(exited=exited)


def enable_keepalive(connection: socket.socket) -> None:
    """So that a member waiting for the others notices a leader that vanished without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
