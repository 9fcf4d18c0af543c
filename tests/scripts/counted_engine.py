"""An engine with counters of tokens: counted_engine.py PORT PIDS [REQUESTS], dead after so many requests.

Its API lives on when its "rank" stands still, as vLLM's does: answers wait for ever, counters stay.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    made = 0
    last = 1 << 30

    def log_message(self, format, *args):
        pass

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer(f'# TYPE x counter\nvllm:generation_tokens_total{{m="a}} b"}} {Handler.made}.0\nother_total 7\n')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if Handler.made >= Handler.last:
            threading.Event().wait()
        Handler.made += 1
        self.answer(json.dumps({"choices": [{"message": {"content": "a"}}], "usage": {"completion_tokens": 1}}))


if __name__ == "__main__":
    port, pids, *last = sys.argv[1:]
    Handler.last = int(last[0]) if last else Handler.last
    with Path(pids).open("a") as out:
        out.write(f"{os.getpid()}\n")
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
