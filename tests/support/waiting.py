"""Waiting for a condition, and a free port to wait at."""

import socket
import time


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(condition, seconds=60.0, seen=lambda: "never happened", pause=0.05):
    """Waits for a condition and returns what it gave; the bound, for a broken program only, says what was seen.

    A condition that costs something, such as SSH, is looked at with a longer pause.
    """
    deadline = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < deadline, seen()
        time.sleep(pause)
    return got
