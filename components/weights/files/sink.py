"""Takes what connections bring to the storage: writing, summing and flushing go on beside each other."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from folder import File
from target import Block, Target

BLOCK = 1 << 20
"""Bytes of a buffer. Buffers are used again: memory that is new must be cleared by the kernel first."""
FLUSH = 16 << 20
"""Bytes written between two flushes."""


class Sink:
    """Three threads: one writes, one sums what is written, one flushes and finishes."""

    def __init__(self, done: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        """Starts them.

        Args:
            done: called when a piece is summed and its buffers are free again.
            failed: called with what went wrong; nothing more is written then.
        """
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._done, self._failed = done, failed
        self._write: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._sum: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._end: queue.SimpleQueue[tuple[Target, bool] | None] = queue.SimpleQueue()
        self.altered: list[File] = []
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), daemon=True)
            for work in (self._writing, self._summing, self._ending)
        ]
        for thread in self._threads:
            thread.start()

    def buffer(self) -> bytearray:
        """An empty buffer of `BLOCK` bytes."""
        with contextlib.suppress(queue.Empty):
            return self._free.get_nowait()
        return bytearray(BLOCK)

    def back(self, buffer: bytearray) -> None:
        """A buffer that is no longer needed."""
        if len(buffer) == BLOCK:
            self._free.put(buffer)

    def give(self, block: Block) -> None:
        """A filled block."""
        for ready in block.target.turn(block):
            self._write.put(ready)

    def finish(self, target: Target) -> None:
        """A file of which nothing is missing."""
        self._end.put((target, True))

    def close(self) -> None:
        """Returns when all that was given is on the storage, or nothing more will be."""
        self._write.put(None)
        for thread in self._threads:
            thread.join()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whoever downloads must hear of it, whatever it is
            self._failed(error)
            self._write.put(None)
            self._sum.put(None)
            self._end.put(None)

    def _writing(self) -> None:
        since = 0
        while block := self._write.get():
            block.target.write(block)
            self._sum.put(block)
            since += block.size
            if since >= FLUSH and self._end.empty():
                since = 0
                self._end.put((block.target, False))
        self._sum.put(None)

    def _summing(self) -> None:
        while block := self._sum.get():
            last = block.target.sum(block)
            self.back(block.buffer)
            if block.ends:
                self._done()
            if last:
                self._end.put((block.target, True))
        self._end.put(None)

    def _ending(self) -> None:
        finished: set[Target] = set()
        while found := self._end.get():
            target, whole = found
            if not whole and target not in finished:
                target.flush()
            if whole:
                finished.add(target)
                if not target.finish():
                    self.altered.append(target.file)
