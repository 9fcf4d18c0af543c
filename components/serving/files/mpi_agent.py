"""Open MPI's way to the other machines, without SSH: starts its daemons in their containers.

    mpi_agent.py serve --address=A --port=P    on every machine but the first: runs what the first one asks for
    mpi_agent.py run HOST COMMAND...           what mpirun calls instead of ssh (plm_rsh_agent)

Who asks must know the group's token. A command that loses its connection takes the agent along: the supervisor, whose
group both are in, then ends what is left and forms the ranks anew.
"""

from __future__ import annotations

import argparse
import hmac
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

TOKEN = Path(os.environ.get("TANDEM_GROUP_TOKEN", "/tandem/group-token"))
PORT = 29500
LONGEST = 1 << 20
"""Bytes of a command: mpirun's are some hundred."""


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes, or ConnectionError."""
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the other side hung up")
        data += part
    return data


def seal(token: bytes, challenge: bytes, command: bytes) -> bytes:
    """Shows knowledge of the token, for this command only."""
    return hmac.digest(token, b"mpi" + challenge + command, "sha256")


def answer(connection: socket.socket, token: bytes) -> None:
    """One command, its output sent back while it runs."""
    with connection:
        connection.settimeout(10)
        challenge = secrets.token_bytes(32)
        connection.sendall(challenge)
        length = int.from_bytes(read_exactly(connection, 4), "big")
        if length > LONGEST:
            raise ConnectionError("a command too long")
        command = read_exactly(connection, length)
        if not hmac.compare_digest(read_exactly(connection, 32), seal(token, challenge, command)):
            raise ConnectionError("it does not know the group's token")
        connection.settimeout(None)
        run_command(connection, command.decode())


def run_command(connection: socket.socket, command: str) -> None:
    """Runs a shell's line to its end; when its connection ends first, so does this process's group."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout  # noqa: S101  # it was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if connection in ready and not connection.recv(1):
                print("mpi agent: mpirun hung up, ending", flush=True)
                os.killpg(0, signal.SIGTERM)
            if process.stdout in ready:
                part = os.read(process.stdout.fileno(), 65536)
                if not part:
                    break
                connection.sendall(part)
    process.wait()


def serve(address: str, port: int, token: bytes) -> NoReturn:
    """Forever."""
    server = socket.create_server((address, port))
    print(f"mpi agent: listening on {address}:{port}", flush=True)
    while True:
        connection, peer = server.accept()

        def handle(connection: socket.socket = connection, peer: tuple[str, int] = peer) -> None:
            try:
                answer(connection, token)
            except OSError as error:
                print(f"mpi agent: {peer[0]}: {error}", flush=True)

        threading.Thread(target=handle, daemon=True).start()


def run(host: str, command: str, token: bytes, port: int) -> int:
    """Has a machine run a command, shows what it says, returns 0 when it has ended."""
    with socket.create_connection((host, port), timeout=30) as connection:
        challenge = read_exactly(connection, 32)
        body = command.encode()
        connection.sendall(len(body).to_bytes(4, "big") + body + seal(token, challenge, body))
        connection.settimeout(None)
        while part := connection.recv(65536):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    return 0


def main() -> int:
    """Reads the arguments."""
    if sys.argv[1:2] == ["run"]:  # mpirun's own words follow, which a parser must leave alone
        port = int(os.environ.get("TANDEM_MPI_PORT", PORT))
        return run(sys.argv[2], " ".join(sys.argv[3:]), TOKEN.read_bytes().strip(), port)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["serve"])
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    serve(args.address, args.port, TOKEN.read_bytes().strip())


if __name__ == "__main__":
    sys.exit(main())
