"""What all stand-ins share: the checks of environment and model, the meeting of ranks, the API."""

from __future__ import annotations

import argparse
import fcntl
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

SIOCGIFADDR = 0x8915


def refuse(why: str):
    print(f"RuntimeError: {why}", flush=True)
    sys.exit(1)


def parser(program: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"{program} (stand-in)", allow_abbrev=False)


def check_model(folder: str) -> None:
    if not (Path(folder) / "config.json").is_file():
        refuse(f"{folder} holds no config.json")


def address_of(nic: str) -> str:
    """The IPv4 address of an interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", nic.encode()))
    return socket.inet_ntoa(answer[20:24])


def check_network(address: str | None, *nics: str) -> None:
    """Each variable names an interface of this machine, and the address is that interface's."""
    for name in nics:
        nic = os.environ.get(name) or refuse(f"{name} is not set")
        found = address_of(nic)
        if address is not None and found != os.environ.get(address):
            refuse(f"{name} is {nic} with {found}, and {address} is {os.environ.get(address)}")


def meet(place: str, rank: int, ranks: int, words: list[str]) -> None:
    """Blocks until all ranks are there with the same words; a rank that is lost later ends this process."""
    host, _, port = place.rpartition(":")
    own = json.dumps(words)
    if rank == 0:
        server = socket.create_server((host, int(port)))
        there = {0}
        while len(there) < ranks:
            connection, _ = server.accept()
            message = json.loads(connection.makefile().readline())
            if message["words"] != own:
                refuse(f"rank {message['rank']} was started with other words: {message['words']} and not {own}")
            if message["rank"] in there:
                refuse(f"rank {message['rank']} is there twice")
            there.add(message["rank"])
            threading.Thread(target=_watch, args=(connection, message["rank"]), daemon=True).start()
        return
    for _ in range(600):
        try:
            connection = socket.create_connection((host, int(port)), timeout=2)
            break
        except OSError:
            time.sleep(0.2)
    else:
        refuse(f"nobody listens at {place}")
    connection.settimeout(None)
    connection.sendall(json.dumps({"rank": rank, "words": own}).encode() + b"\n")
    _watch(connection, 0)


def _watch(connection: socket.socket, rank: int) -> None:
    try:
        while connection.recv(1):
            pass
    except OSError:
        pass
    print(f"RuntimeError: rank {rank} was lost", flush=True)
    os._exit(1)


def gpus() -> int:
    """The machine's stand-in GPUs, as CUDA would show them to this process."""
    found: list[str] = []
    for device in sorted(Path("/opt/fake-sys/bus/pci/devices").glob("*")):
        if ((device / "vendor").read_text().strip(), (device / "class").read_text()[:6]) == ("0x10de", "0x0302"):
            found.append(str(len(found)))
    # What Docker hands to NVIDIA's hook: the container has these alone, numbered anew.
    given = os.environ.get("NVIDIA_VISIBLE_DEVICES", "all")
    found = found if given == "all" else [str(n) for n, _ in enumerate(given.split(","))]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return len(found)
    # CUDA stops at the first that isn't there.
    shown = wanted.split(",")
    return next((n for n, name in enumerate(shown) if name not in found), len(shown))


def check_gpus(ranks: int) -> None:
    """As many GPUs as ranks, on machines that show any."""
    if Path("/opt/fake-sys").exists() and gpus() < ranks:
        refuse(f"{ranks} ranks on this machine and {gpus()} GPUs")


def serve(host: str, port: int, model: str, saw: str) -> None:
    """The API: a chat is answered with what was seen."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.path == "/v1/chat/completions" and request.get("model") == model
            body = {
                "model": model,
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": saw}}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            data = json.dumps(body if known else {"error": "no such model"}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
