"""What programs share that probe a URL from this computer, or from a host between; not for machines.

Such a program gets its call as JSON on standard input: `url`, what else it needs, and `through`, the host between as
`components.machine.Jump.facts` has it; then `server` is added, the name that a certificate must be for. It says what it
found on standard output, or one sentence on standard error.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from openssh import Failure, Ssh


def main(probe: Callable[[dict[str, Any]], str]) -> int:
    """Runs one probe; 0, or 1 with a sentence on standard error."""
    call = json.load(sys.stdin)
    try:
        with reached(call) as found:
            print(probe(found), end="")
    except Failure as failure:
        print(str(failure)[:2000], file=sys.stderr, flush=True)  # Pulumi's command plugin stops at a line of 64 KiB
        return 1
    return 0


def teller() -> Callable[[str], None]:
    """Writes lines to standard error, none twice in a row: where a probe fails, all of it is shown once more."""
    last = ""

    def tell(line: str) -> None:
        nonlocal last
        if line != last:
            print(line[:2000], file=sys.stderr, flush=True)
        last = line

    return tell


@contextlib.contextmanager
def reached(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same call, its URL asked from the host between where one stands between here and the machines."""
    if not call.get("through"):
        yield call
        return
    own = urllib.parse.urlsplit(call["url"])
    with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
        between = Ssh.open({**call["through"], "name": "the jump host", "setting": "ssh.proxyJump"}, folder)
        with between.forward(own.hostname or "", own.port or (443 if own.scheme == "https" else 80)) as port:
            here = own._replace(netloc=f"127.0.0.1:{port}").geturl()
            try:
                yield {**call, "url": here, "server": own.hostname}
            except Failure as failure:
                words = str(failure).replace(here, f"{call['url']} (asked from {call['through']['host']})")
                raise Failure(words) from None
