"""Serves one folder over HTTP at one address: python -m localcloud.machines.mirror_server ADDRESS PORT FOLDER."""

import functools
import http.server
import sys


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # apt asks for many files over one connection
    timeout = 60

    def log_message(self, *_: object) -> None:
        pass


def serve(address: str, port: int, folder: str) -> None:
    """Serves until it is ended; raises OSError when the address is taken or not this machine's."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer((address, port), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
