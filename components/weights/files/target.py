"""One file that is being written: bytes come in any order, and are written and summed in order."""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

from folder import CHUNK, File, checksum
from progress import Progress
from safe_paths import ENDING, Inside


class StorageFailure(Exception):
    """The storage refused bytes; `errno` says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.errno = error.errno


class Block(NamedTuple):
    """The first `size` bytes of a buffer, which belong at `start` of a target; `ends` its piece."""

    target: Target
    start: int
    buffer: bytearray
    size: int
    ends: bool


class Target:
    """One file. What is written is the file's beginning, whatever becomes of this process."""

    def __init__(self, inside: Inside, file: File, progress: Progress) -> None:
        """Opens the unfinished file where an earlier try left it, and sums what is there.

        Raises:
            Outside: something else stands where it belongs.
            StorageFailure: it can't be made or read.
        """
        self.file, self.inside = file, inside
        self.part = file.path + ENDING
        self._sum, self.begun = checksum(file), 0
        self._waiting: dict[int, Block] = {}
        self._lock = threading.Lock()
        try:
            self._handle = inside.open(self.part, os.O_RDWR | os.O_CREAT)
            if os.fstat(self._handle).st_size > file.size:
                os.ftruncate(self._handle, 0)
            while chunk := os.read(self._handle, CHUNK):
                self._sum.update(chunk)
                self.begun += len(chunk)
        except OSError as error:
            raise StorageFailure(error) from None
        self._next = self._summed = self.begun
        progress.there(self.begun)

    def turn(self, block: Block) -> list[Block]:
        """What may be written now, in order, that this block is there: it comes with those that waited for it."""
        with self._lock:
            self._waiting[block.start] = block
            ready = []
            while following := self._waiting.pop(self._next, None):
                ready.append(following)
                self._next += following.size
            return ready

    def write(self, block: Block) -> None:
        """Appends a block; one thread calls this.

        Raises:
            StorageFailure: the storage is full or gone.
        """
        rest = memoryview(block.buffer)[: block.size]
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            raise StorageFailure(error) from None

    def sum(self, block: Block) -> bool:
        """Sums a written block; one thread calls this. True when it was the last."""
        self._sum.update(memoryview(block.buffer)[: block.size])
        self._summed += block.size
        return self._summed == self.file.size

    def flush(self) -> None:
        """Sends to the storage what is written, while more comes: less is left for the end."""
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            raise StorageFailure(error) from None

    def finish(self) -> bool:
        """Makes it the file; False, and nothing is left of it, when its checksum isn't the hub's.

        Raises:
            StorageFailure: the storage lost what it took.
        """
        wanted = self.file.sha256 or self.file.git_sha1
        try:
            if wanted and self._sum.hexdigest() != wanted:
                self.inside.remove(self.part)
                return False
            os.fsync(self._handle)
            self.inside.replace(self.part, self.file.path)
        except OSError as error:
            raise StorageFailure(error) from None
        finally:
            os.close(self._handle)
        return True
