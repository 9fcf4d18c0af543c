"""Metrics that real programs gave once, served again: what a test can't have here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent


class Recording:
    """Answers every path with the first of some recordings, and after some answers with the next, to the last.

    Args:
        port: on loopback.
        names: files of this folder.
        each: answers by each.
    """

    def __init__(self, port: int, names: Sequence[str], each: int = 3) -> None:
        texts = [(RECORDED / name).read_bytes() for name in names]
        given = [0]

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = texts[min(given[0] // each, len(texts) - 1)]
                given[0] += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.port = port
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
