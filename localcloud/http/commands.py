"""`python -m localcloud files`."""

import argparse
from pathlib import Path

from localcloud.http.files import FileServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("listen", metavar="ADDRESS:PORT")
    parser.add_argument("folder", type=Path)


def run(options: argparse.Namespace) -> int:
    """Serves until it is ended."""
    host, _, port = options.listen.rpartition(":")
    with FileServer((host, int(port)), options.folder) as server:
        server.serve_forever()
    return 0
