"""A log of requests, one JSON object a line, for programs to read."""

import json
import threading
import time
from pathlib import Path


class Journal:
    """Appends to a file that its owner alone may read; every line is whole."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch(mode=0o600)
        self._lock = threading.Lock()
        self._stream = file.open("a", buffering=1)

    def write(self, **fields: object) -> None:
        """Add a line: `time` (seconds since 1970), and the fields."""
        line = json.dumps({"time": round(time.time(), 3), **fields})
        with self._lock:
            self._stream.write(line + "\n")
