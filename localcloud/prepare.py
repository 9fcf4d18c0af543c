"""python -m localcloud.prepare stacks | tests: makes once what the local stacks, or the tests, would wait minutes for.

What is there already is left alone. While something is made, a line now and then says what, for how long, and the
last line of its log.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.fixtures import (
    ensure_environment,
    ensure_gguf,
    ensure_images,
    ensure_instruct_model,
    ensure_llamacpp,
    ensure_model,
    ensure_ollama,
)
from localcloud.fixtures.wheels import ensure_wheels
from localcloud.machines.base_image import base_image
from localcloud.machines.package_mirror import package_mirror
from localcloud.system.cache import cache_dir
from localcloud.system.programs import last_line

Step = tuple[str, str, Callable[[], Path]]
"""What it is for a reader, the name of its log in the cache, and what makes it."""

STACKS: tuple[Step, ...] = (
    ("vLLM and Ray for processors", "engine", ensure_environment),
    ("the container images", "images", ensure_images),
    ("SmolLM2-135M-Instruct", "instruct", ensure_instruct_model),
    ("the download clients' wheels", "wheels", ensure_wheels),
    ("the machines' Debian", "debian", base_image),
    ("the machines' packages", "apt", package_mirror),
)
TESTS: tuple[Step, ...] = (
    *STACKS,
    ("the tiny model", "model", ensure_model),
    ("llama.cpp for processors", "llamacpp", ensure_llamacpp),
    ("Ollama for processors", "ollama", ensure_ollama),
    ("the tiny model as GGUF", "gguf", lambda: ensure_gguf(1)),
    ("the tiny model as GGUF in parts", "gguf", lambda: ensure_gguf(2)),
)
QUIET_SECONDS = 2.0
"""What is there already takes less, and is not mentioned."""
AGAIN_SECONDS = 20.0


def prepare(steps: Sequence[Step], say: Callable[[str], None] = print) -> None:
    """Makes each step's thing, in order.

    Raises:
        LocalCloudError: one can't be made; says what is missing.
    """
    for label, log, make in steps:
        began, done, shown = time.monotonic(), threading.Event(), threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(label, cache_dir() / f"{log}.log", done, shown, say), daemon=True
        )
        watcher.start()
        try:
            make()
        finally:
            done.set()
            watcher.join()
        if shown.is_set():
            say(f"made {label} in {time.monotonic() - began:.0f} s")


def _watch(label: str, log: Path, done: threading.Event, shown: threading.Event, say: Callable[[str], None]) -> None:
    began, pause = time.monotonic(), QUIET_SECONDS
    while not done.wait(pause):
        words = last_line(log.read_text(errors="replace"))[:100] if log.exists() and log.stat().st_size else "begun"
        shown.set()
        say(f"making {label}: {time.monotonic() - began:.0f} s, {words}")
        pause = AGAIN_SECONDS


def main() -> int:
    """Makes all of one kind; 1 after one sentence on standard error when something can't be had."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.prepare", description=__doc__)
    parser.add_argument("what", choices=("stacks", "tests"), help="for `make up`, or for `make test`")
    told = parser.parse_args()
    try:
        prepare(STACKS if told.what == "stacks" else TESTS, lambda line: print(f"prepare: {line}", flush=True))
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
