"""In an engine's processes: SIGUSR2 makes the one that gets it loop for ever, in Python, on its main thread."""

import signal


def loop_for_ever(*_: object) -> None:
    while True:
        pass


signal.signal(signal.SIGUSR2, loop_for_ever)
