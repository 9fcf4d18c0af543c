"""Brings files to a folder over several connections, each byte written once and summed on its way.

Pieces of a file arrive in parallel and are appended in order, so the size of an unfinished file is what holds of it
and a later try goes on there. Only that beginning is read again, for its checksum.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import NamedTuple

from folder import File
from progress import Progress
from safe_paths import Inside
from sink import BLOCK, Sink
from target import Block, Target
from web import BROKEN, TRIES, Refusal, Web, pause, same_host

PIECE = int(os.environ.get("DOWNLOAD_PIECE", str(8 << 20)))
"""Bytes asked for at once: few requests for a hub that counts them, and all that is lost with a process."""
CONNECTIONS = int(os.environ.get("DOWNLOAD_CONNECTIONS", "4"))
"""At first. A near hub is fastest with few; for a far one more are opened while the rate is low."""
MOST_CONNECTIONS = max(8, CONNECTIONS)
LOW = 100e6
"""Bytes a second below which a connection is added, once a second."""
SLOTS = 2 * MOST_CONNECTIONS


class Place(NamedTuple):
    """A URL and the headers it wants."""

    url: str
    headers: Mapping[str, str]


class Unfinished(Exception):
    """One sentence: what a later try may mend."""


class Differs(Exception):
    """The hub gives a file of another size than its list has: it is another file by now."""

    def __init__(self, file: File, size: str) -> None:
        super().__init__(f"{file.path} has {size} bytes on the hub, whose list had {file.size}")
        self.file = file


class Cut(Exception):
    """An answer broke off; a buffer holds the `size` bytes that came."""

    def __init__(self, buffer: bytearray, size: int, error: Exception) -> None:
        super().__init__(str(error))
        self.buffer, self.size, self.error = buffer, size, error


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `end` of a target."""

    target: Target
    start: int
    end: int


class Transfer:
    """One download of some files."""

    def __init__(
        self,
        inside: Inside,
        locate: Callable[[File], Place],
        progress: Progress,
        *,
        stall: float,
        explain: Callable[[File, Refusal], str | None],
    ) -> None:
        """Nothing is asked yet.

        Args:
            inside: where files go.
            locate: where a file's bytes are now; asked again when a signed URL has run out.
            progress: called for every byte.
            stall: seconds without a byte after which a connection is opened anew, where it was.
            explain: the sentence for a hub's last word on a file; None where it is to be asked once more.
        """
        self.inside, self.locate, self.progress = inside, locate, progress
        self.stall, self.explain = stall, explain
        self._places: dict[str, Place] = {}
        # Pieces that are taken and not yet summed: what is held in memory. The one whose turn it is is among them.
        self._slots = threading.Semaphore(SLOTS)
        self._taking, self._lock = threading.Lock(), threading.Lock()
        self._failure: Exception | None = None
        self._sink = Sink(self._slots.release, self._fail)

    def run(self, files: Iterable[File]) -> list[File]:
        """Fetches them; returns those whose bytes are not the hub's, of which nothing is kept.

        Raises:
            LookupError: one sentence: the hub refuses.
            Differs: the hub has another file by now.
            Unfinished: one sentence: the connection failed too often.
            StorageFailure: the storage refuses.
        """
        pieces = self._pieces(files)
        threads: list[threading.Thread] = []
        while not threads or any(thread.is_alive() for thread in threads):
            if len(threads) < CONNECTIONS or (len(threads) < MOST_CONNECTIONS and self.progress.rate < LOW):
                threads.append(threading.Thread(target=self._work, args=(pieces,), daemon=True))
                threads[-1].start()
            if len(threads) >= CONNECTIONS:
                next((thread for thread in threads if thread.is_alive()), threads[0]).join(1.0)
                self.progress.tick()
        self._sink.close()
        if self._failure:
            raise self._failure
        return self._sink.altered

    def _pieces(self, files: Iterable[File]) -> Iterator[Piece]:
        for file in files:
            target = Target(self.inside, file, self.progress)
            if target.begun == file.size:
                self._sink.finish(target)
            for start in range(target.begun, file.size, PIECE):
                yield Piece(target, start, min(start + PIECE, file.size))

    def _fail(self, error: Exception) -> None:
        """The first failure counts; nobody takes another piece."""
        with self._lock:
            self._failure = self._failure or error
        self._slots.release()

    def _work(self, pieces: Iterator[Piece]) -> None:
        web = Web(self.stall)
        try:
            while not self._failure:
                self._slots.acquire()
                with self._taking:
                    piece = None if self._failure else next(pieces, None)
                if piece is None:
                    break
                self._fetch(web, piece)
        except Exception as error:  # whatever it is, the others stop and the caller gets it
            self._fail(error)
        finally:
            self._slots.release()  # whoever waits sees that there is nothing more
            web.close()

    def _fetch(self, web: Web, piece: Piece) -> None:
        """Fetches a piece, however often it is cut."""
        target, at, failures = piece.target, piece.start, 0
        while at < piece.end and not self._failure:
            try:
                for buffer, size in self._blocks(web, target.file, at, piece.end):
                    self._sink.give(Block(target, at, buffer, size, at + size == piece.end))
                    at += size
                    failures = 0
            except Cut as cut:
                if cut.size:  # what came before the cut counts
                    self._sink.give(Block(target, at, cut.buffer[: cut.size], cut.size, ends=False))
                    at += cut.size
                    failures = 0
                self._sink.back(cut.buffer)
                error = cut.error
            except (*BROKEN, Refusal) as failure:
                error = failure
            else:
                continue
            failures += 1
            self._raise_for(target.file, error)
            reason = (
                f"no new byte for {self.stall:g} s" if isinstance(error, (TimeoutError, socket.timeout)) else str(error)
            )
            where = f"{target.file.path} at byte {at}: {reason or type(error).__name__}"
            if failures >= TRIES:
                raise Unfinished(where) from None
            print(f"{where}; requesting again from there", flush=True)
            pause(failures - 1, error)

    def _blocks(self, web: Web, file: File, start: int, end: int) -> Iterator[tuple[bytearray, int]]:
        """What one request gives of the bytes asked for, in filled buffers.

        Raises:
            Cut: the answer ended before its end.
            ConnectionError: the answer is of another place in the file.
            Differs: it is of another file.
            OSError, http.client.HTTPException, Refusal: see `Web.ask`.
        """
        with self._lock:
            place = self._places.get(file.path)
        url, headers = place or self.locate(file)
        answer, final = web.ask(url, {**headers, "Range": f"bytes={start}-{end - 1}"})
        if final != url:  # a signed address of the bytes: hubs count how often they are asked for one
            url, headers = final, headers if same_host(url, final) else {}
        with self._lock:
            self._places[file.path] = Place(url, headers)
        whole = False
        try:
            said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            size = said[2] if said else "*" if answer.length is None else str(answer.length)
            if size not in (str(file.size), "*"):
                raise Differs(file, size)
            if said and int(said[1]) != start:
                raise ConnectionError(f"the hub gives {said[0]} instead of {start} of {file.size}")
            if not said:  # a server without ranges begins at the beginning
                _skip(answer, start)
            for at in range(start, end, BLOCK):
                yield self._fill(answer, min(BLOCK, end - at))
            whole = bool(said) or end == file.size
            answer.close()
        finally:
            if not whole:
                web.forget(final)

    def _fill(self, answer: HTTPResponse, size: int) -> tuple[bytearray, int]:
        """A buffer with the next `size` bytes.

        Raises:
            Cut: there were fewer.
        """
        buffer, at = self._sink.buffer(), 0
        view = memoryview(buffer)
        error: Exception = ConnectionError("the connection was cut")
        try:
            while at < size:
                # Into the buffer itself; of the library's own ways this alone makes no copy and returns what is there.
                count = answer.fp.readinto1(view[at:size]) if not answer.chunked else answer.readinto(view[at:size])
                if not count:
                    raise Cut(buffer, at, error)
                at += count
                self.progress.add(count)
        except BROKEN as broken:
            raise Cut(buffer, at, broken) from None
        return buffer, size

    def _raise_for(self, file: File, error: Exception) -> None:
        """Raises the sentence when another try can't help."""
        if not isinstance(error, Refusal) or error.passing:
            return
        with self._lock:
            known = self._places.pop(file.path, None)
        if known:
            return  # a signed address that has run out: the hub gives another
        if error.status == 416:  # it ends before the place that was asked for
            raise Differs(file, "fewer")
        sentence = self.explain(file, error)
        if sentence is not None:
            raise LookupError(sentence) from None


def _skip(answer: HTTPResponse, count: int) -> None:
    """Reads past bytes that are there already."""
    while count > 0:
        got = len(answer.read(min(BLOCK, count)))
        if not got:
            raise ConnectionError("the connection was cut")
        count -= got
