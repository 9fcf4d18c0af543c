"""`python -m localcloud caretaker`: waits for the end of a run and takes away what it left on this host."""

import argparse
import os
import select
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.cloud.real_backend import RealBackend
from localcloud.machines import Site
from localcloud.system.daemon import Daemon
from localcloud.system.locks import locked
from localcloud.system.processes import ProcessRecord, wait_until
from localcloud.system.runs import MARK, Run, folder, own, runs

OWN_ACCORD_SECONDS = 5.0
"""A run that was interrupted takes its own things away for as long as this."""
TERMINATE_SECONDS = 15.0
"""How long its processes may take after SIGTERM: Pulumi's engine waits for what is in flight."""


def begin() -> None:
    """Makes this process a run with a caretaker, after what runs that are gone have left was taken away."""
    sweep()
    mine = own()
    # The caretaker is not one of the run's own processes.
    words, log = ("caretaker", mine.mark), mine.folder / "caretaker.log"
    Daemon("The caretaker", words, mine.caretaker, log, owned=False).launch("caretaker")


def sweep() -> None:
    """Takes away what runs have left whose first process is gone."""
    for run in runs():
        if not run.owner.alive():
            clear(run)


def clear(run: Run) -> None:
    """Ends a run's processes, by their ids, and takes away what it wrote down; waits for whoever is doing it."""
    with locked(folder() / ".lock"):
        if not run.folder.exists():
            return
        _end(run, None, OWN_ACCORD_SECONDS)
        _end(run, signal.SIGTERM, TERMINATE_SECONDS)
        _end(run, signal.SIGKILL, TERMINATE_SECONDS)
        for kind, place in run.things():
            if kind == "backend":
                RealBackend(Path(place["folder"]), place["public_network"]).wipe()
            else:
                Site(Path(place["state_dir"]), place["bridge"], place["subnet"]).destroy_all()
        shutil.rmtree(run.folder)


def _end(run: Run, number: int | None, seconds: float) -> None:
    """Signals the run's processes and waits until they are gone; new ones that they start meanwhile too."""
    seen: set[ProcessRecord] = set()

    def gone() -> bool:
        living = set(run.processes())
        if number is not None:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda process: process.signal(number), living - seen))
            seen.update(living)
        return not living

    wait_until(gone, seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("mark", help=f"of the run, as its environment has it in {MARK}")


def run(options: argparse.Namespace) -> int:
    """Waits for the run's end, then clears up."""
    ended = Run(options.mark)
    try:
        handle = os.pidfd_open(ended.owner.pid)
    except ProcessLookupError:
        pass
    else:
        # A process that took over the number since would be another one.
        if ended.owner.alive():
            select.select([handle], [], [])
        os.close(handle)
    clear(ended)
    return 0
