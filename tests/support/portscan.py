"""Which TCP ports of an address answer, all 65,535 of them, as seen from here or from a network namespace."""

from __future__ import annotations

import argparse
import errno
import json
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.support.paths import ROOT

ALL = range(1, 65536)
AT_ONCE = 8192
PATIENCE_SECONDS = 1.5  # Linux sends a SYN again after 1 s (RFC 6298), so a lost one has a second chance
SPARE_FILES = 64  # descriptors left to the rest of the process
RESET = struct.pack("ii", 1, 0)  # close with a reset: no TIME_WAIT is left behind
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; without it each bind looks for a port of its own among thousands taken
CALM_SECONDS = 120  # a scan elsewhere that takes longer hangs


def open_ports(address: str, ports: Sequence[int] = ALL, *, namespace: str = "", source: str = "") -> set[int]:
    """The ports that accept a TCP connection. A firewall that drops costs 1.5 s for 8,192 ports: 12 s for all.

    Args:
        address: IPv4.
        ports: which to try.
        namespace: name of a network namespace (`ip netns`) to look from; this host by default.
        source: which address of this host to look from; the one that routes there by default.

    Raises:
        OSError: there is no route to the address, so that nothing can be said about its ports.
        subprocess.CalledProcessError: the scan in the namespace failed.
    """
    if namespace:
        wanted = f"{ports[0]}-{ports[-1]}" if isinstance(ports, range) else ",".join(map(str, ports))
        words = [sys.executable, "-m", "tests.support.portscan", address, wanted]
        found = subprocess.run(
            ["ip", "netns", "exec", namespace, *words],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            timeout=CALM_SECONDS,
        )
        return set(json.loads(found.stdout))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    size = min(AT_ONCE, most - SPARE_FILES)
    return {port for at in range(0, len(ports), size) for port in _accepting(address, ports[at : at + size], source)}


def _accepting(address: str, ports: Sequence[int], source: str) -> set[int]:
    waiting: dict[int, tuple[socket.socket, int]] = {}
    poll, found = select.epoll(), set()
    unreachable = 0
    try:
        for port in ports:
            one = socket.socket()
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if source:
                one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                one.bind((source, 0))
            code = one.connect_ex((address, port))
            waiting[one.fileno()] = (one, port)
            if code == errno.EINPROGRESS or not code:
                poll.register(one, select.EPOLLOUT)
            elif code == errno.ECONNREFUSED:
                waiting.pop(one.fileno())[0].close()
            else:
                raise OSError(code, f"no connection to {address} can be tried")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting:
            left = deadline - time.monotonic()
            # The last look comes after the deadline, so that a slow scanner misses nothing that answered in time.
            for descriptor, _ in poll.poll(max(0.0, left), len(ports)):
                one, port = waiting.pop(descriptor)
                poll.unregister(descriptor)
                code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                one.close()
                # A firewall that rejects says so of one port, a missing route or machine of all.
                unreachable += code in (errno.ENETUNREACH, errno.EHOSTUNREACH)
                if unreachable == len(ports):
                    raise OSError(code, f"{address} cannot be reached")
                if not code:
                    found.add(port)
            if left <= 0:
                break
    finally:
        for one, _ in waiting.values():
            one.close()
        poll.close()
    return found


def main() -> None:
    """Prints the open ports as a JSON list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("ports", nargs="?", default="1-65535", help="PORT or FIRST-LAST, by commas (%(default)s)")
    args = parser.parse_args()
    spans = [span.partition("-") for span in args.ports.split(",")]
    ports = [port for first, _, last in spans for port in range(int(first), int(last or first) + 1)]
    print(json.dumps(sorted(open_ports(args.address, ports))))


if __name__ == "__main__":
    main()
