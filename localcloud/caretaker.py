"""python -m localcloud.caretaker MARK: waits for the end of a run and takes away what it left on this host."""

import os
import select
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localcloud.cloud.real_backend import RealBackend
from localcloud.machines import Site
from localcloud.machines.owned import MARK, Run, folder, own, runs
from localcloud.system.locks import locked
from localcloud.system.paths import PACKAGE_ROOT
from localcloud.system.processes import ProcessRecord, wait_until

OWN_ACCORD_SECONDS = 5.0
"""A run that was interrupted takes its own things away for as long as this."""
TERMINATE_SECONDS = 15.0
"""How long its processes may take after SIGTERM: Pulumi's engine waits for what is in flight."""


def begin() -> None:
    """Makes this process a run with a caretaker, after what runs that are gone have left was taken away."""
    sweep()
    run = own()
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "caretaker.log").open("ab") as log:
        caretaker = subprocess.Popen(
            [sys.executable, "-m", "localcloud.caretaker", run.mark],
            cwd=PACKAGE_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            # Not one of the run's own processes.
            env={name: value for name, value in os.environ.items() if name != MARK},
        )  # fmt: skip
    ProcessRecord.of("caretaker", caretaker.pid).save(run.caretaker)


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


def main() -> int:
    """Waits for the run's end, then clears up."""
    run = Run(sys.argv[1])
    try:
        handle = os.pidfd_open(run.owner.pid)
    except ProcessLookupError:
        pass
    else:
        # A process that took over the number since would be another one.
        if run.owner.alive():
            select.select([handle], [], [])
        os.close(handle)
    clear(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
