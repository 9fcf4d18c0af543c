"""`python -m localcloud prepare`: makes once what the local stacks, or the tests, would wait minutes for.

While something is made, a line now and then says what, for how long, and the
last line of its log.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localcloud.fixtures import (
    ensure_environment,
    ensure_gguf,
    ensure_images,
    ensure_instruct_model,
    ensure_llamacpp,
    ensure_model,
    ensure_ollama,
    ensure_prometheus,
    ensure_wheels,
)
from localcloud.machines.base_image import base_image
from localcloud.machines.host import check_host
from localcloud.machines.package_mirror import package_mirror
from localcloud.system.cache import cache_dir
from localcloud.system.programs import last_line

Step = tuple[str, str, Callable[[], Path]]
"""What it is for a reader, the name of its log in the cache, and what makes it."""

MACHINES: tuple[Step, ...] = (
    ("the machines' Debian", "debian", base_image),
    ("the machines' packages", "apt", package_mirror),
)
STACKS: tuple[Step, ...] = (
    ("vLLM and Ray for processors", "engine", ensure_environment),
    ("Prometheus", "prometheus", ensure_prometheus),
    ("the container images", "images", ensure_images),
    ("SmolLM2-135M-Instruct", "instruct", ensure_instruct_model),
    ("the download clients' wheels", "wheels", ensure_wheels),
    *MACHINES,
)
TESTS: tuple[Step, ...] = (
    *STACKS,
    ("the tiny model", "model", ensure_model),
    ("llama.cpp for processors", "llamacpp", ensure_llamacpp),
)
LONG: tuple[Step, ...] = (
    *TESTS,
    ("Ollama for processors", "ollama", ensure_ollama),
    ("the tiny model as GGUF", "gguf", lambda: ensure_gguf(1)),
    ("the tiny model as GGUF in parts", "gguf", lambda: ensure_gguf(2)),
)
KINDS = {"stacks": STACKS, "tests": TESTS, "long": LONG, "machines": MACHINES}
QUIET_SECONDS = 2.0
"""What is there already takes less, and is not mentioned."""
AGAIN_SECONDS = 20.0


def prepare(steps: Sequence[Step], say: Callable[[str], None] = print) -> dict[str, Path]:
    """Makes each step's thing, in order; returns where each is.

    Raises:
        LocalCloudError: one can't be made; says what is missing.
    """
    found = {}
    for label, log, make in steps:
        began, done, shown = time.monotonic(), threading.Event(), threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(label, cache_dir() / f"{log}.log", done, shown, say), daemon=True
        )
        watcher.start()
        try:
            found[label] = make()
        finally:
            done.set()
            watcher.join()
        if shown.is_set():
            say(f"made {label} in {time.monotonic() - began:.0f} s")
    return found


def _watch(label: str, log: Path, done: threading.Event, shown: threading.Event, say: Callable[[str], None]) -> None:
    began, pause = time.monotonic(), QUIET_SECONDS
    while not done.wait(pause):
        words = last_line(log.read_text(errors="replace"))[:100] if log.exists() and log.stat().st_size else "begun"
        shown.set()
        say(f"making {label}: {time.monotonic() - began:.0f} s, {words}")
        pause = AGAIN_SECONDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", choices=KINDS, help="for `make up`, for `make test`, or for machines alone")
    parser.add_argument("--paths", action="store_true", help="print where each thing is, as JSON")


def run(options: argparse.Namespace) -> int:
    """Makes all of one kind."""
    check_host()
    found = prepare(KINDS[options.what], lambda line: print(f"prepare: {line}", file=sys.stderr, flush=True))
    if options.paths:
        print(json.dumps({label: str(place) for label, place in found.items()}, indent=1))
    return 0
