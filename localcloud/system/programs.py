"""Running the system's own programs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from localcloud.errors import LocalCloudError


def run(*argv: str | Path, env: dict[str, str] | None = None, log: Path | None = None) -> str:
    """Runs a program to its end and returns its standard output.

    With `log`, both outputs go to that file instead and the empty string is returned.

    Raises:
        LocalCloudError: it ended with another code than 0; says the program and the last line it wrote.
    """
    words = [str(word) for word in argv]
    if log is not None:
        with log.open("ab") as file:
            code = subprocess.run(
                words, check=False, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env
            ).returncode
        said = log.read_text(errors="replace")
        out = ""
    else:
        done = subprocess.run(
            words, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=env
        )
        code, said, out = done.returncode, done.stderr, done.stdout
    if code != 0:
        where = f" (all of it: {log})" if log else ""
        raise LocalCloudError(f"`{' '.join(words[:6])}` failed with code {code}: {last_line(said)}{where}")
    return out


def works(argv: Sequence[str]) -> bool:
    """Whether a program ends with code 0; what it writes is dropped."""
    return subprocess.run(list(argv), check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def last_line(text: str) -> str:
    """The last line that says something, or `nothing was said`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was said"
