"""A server of ours as a process of its own: started in the background, found again, ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.system.paths import PACKAGE_ROOT
from localcloud.system.processes import ProcessRecord
from localcloud.system.programs import last_line
from localcloud.system.runs import MARK

START_SECONDS = 60.0
NOT_RUNNING = 3
"""Exit code of commands that ask for the status of one that does not run, as systemctl's."""


@dataclass(frozen=True)
class Daemon:
    """One server. The file `record` names its process, so that it outlives who started it.

    Attributes:
        what: for sentences, such as `The depot at 10.0.0.1:8600`.
        words: its command, after `python -m localcloud`.
        record: file.
        log: file; both outputs are appended.
        owned: False for one that is not to end with the run that starts it.
    """

    what: str
    words: Sequence[str]
    record: Path
    log: Path
    owned: bool = True

    def process(self) -> ProcessRecord | None:
        """The process, None when none runs."""
        try:
            found = ProcessRecord.load(self.record)
        except FileNotFoundError:
            return None
        return found if found.alive() else None

    def launch(self, name: str) -> ProcessRecord:
        """Starts it, and does not wait; `name` is what the record remembers of it."""
        self.record.parent.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if self.owned or k != MARK}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "localcloud", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**environment, "PYTHONPATH": str(PACKAGE_ROOT)},
            )
        record = ProcessRecord.of(name, process.pid)
        record.save(self.record)
        return record

    def start(self, name: str, answers: Callable[[], bool], seconds: float = START_SECONDS) -> ProcessRecord:
        """Starts it and waits until it answers.

        Raises:
            LocalCloudError: it ended, or does not answer in that time; with its last line.
        """
        process = self.launch(name)
        deadline = time.monotonic() + seconds
        while not answers():
            if not process.alive() or time.monotonic() > deadline:
                process.signal(signal.SIGKILL)
                self.record.unlink(missing_ok=True)
                said = last_line(self.log.read_text(errors="replace"))
                raise LocalCloudError(f"{self.what} did not start: {said} (see {self.log}).")
            time.sleep(0.02)
        return process

    def stop(self, seconds: float = 10.0) -> bool:
        """Ends it; False when none runs.

        Raises:
            LocalCloudError: it does not end in that time.
        """
        process = self.process()
        if process is not None:
            process.signal(signal.SIGTERM)
            if not process.ended(seconds):
                raise LocalCloudError(f"{self.what} (process {process.pid}) does not end: see {self.log}, or kill it.")
            with contextlib.suppress(ChildProcessError):  # of another process, which waits for it itself
                os.waitpid(process.pid, os.WNOHANG)
        self.record.unlink(missing_ok=True)
        return process is not None
