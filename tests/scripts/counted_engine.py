"""An engine with counters of tokens: counted_engine.py PORT PIDS [REQUESTS], dead after so many requests.

Its API lives on when its "rank" stands still, as vLLM's does: answers wait for ever, counters stay. With RANKS in its
environment, it has so many data parallel ranks, processes of their own with vLLM's names; with SECONDS it takes so
long for an answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


class Rank:
    """A data parallel rank."""

    def __init__(self, number):
        self.number, self.made, self.guard = number, 0, threading.Lock()
        self.process = subprocess.Popen(
            [f"VLLM::EngineCore_DP{number}", "-c", ECHO],
            executable=sys.executable,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def make(self):
        with self.guard:
            assert self.process.stdin and self.process.stdout
            self.process.stdin.write("a\n")
            self.process.stdin.flush()
            self.process.stdout.readline()
            self.made += 1


class Handler(BaseHTTPRequestHandler):
    made = 0
    last = 1 << 30
    ranks: list[Rank] = []  # noqa: RUF012  # of the program, not of a request

    def log_message(self, format, *args):
        pass

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if Handler.ranks:
            lines = [
                f'vllm:generation_tokens_total{{engine="{r.number}",model_name="m"}} {r.made}.0' for r in Handler.ranks
            ]
            self.answer("\n".join(lines) + "\n")
            return
        self.answer(f'# TYPE x counter\nvllm:generation_tokens_total{{m="a}} b"}} {Handler.made}.0\nother_total 7\n')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if Handler.made >= Handler.last:
            threading.Event().wait()
        time.sleep(float(os.environ.get("SECONDS", "0")))
        Handler.made += 1
        if Handler.ranks:
            Handler.ranks[int(self.headers.get("X-data-parallel-rank", 0))].make()
        self.answer(json.dumps({"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 1}}))


if __name__ == "__main__":
    port, pids, *last = sys.argv[1:]
    Handler.last = int(last[0]) if last else Handler.last
    Handler.ranks = [Rank(number) for number in range(int(os.environ.get("RANKS", "0")))]
    with Path(pids).open("a") as out:
        out.write(f"{os.getpid()}\n")
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
