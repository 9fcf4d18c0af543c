"""A simple index of Python packages (PEP 503) over a folder of wheels."""

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property
from html import escape
from pathlib import Path

from localcloud.http.messages import Request, Response, not_found


class PythonIndex:
    """Answers under a prefix; use it as `pip install --index-url http://ADDRESS:PORT/pypi/simple`."""

    def __init__(self, wheels: Path) -> None:
        self.wheels = wheels

    @cached_property
    def projects(self) -> dict[str, list[Path]]:
        """Wheels by normalized project name."""
        found: dict[str, list[Path]] = {}
        for wheel in sorted(self.wheels.glob("*.whl")):
            found.setdefault(normalized(wheel.name.split("-")[0]), []).append(wheel)
        return found

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after the prefix."""
        match request.path.strip("/").split("/"):
            case ["simple"]:
                return _page((f"{name}/", name) for name in self.projects)
            case ["simple", name] if normalized(name) in self.projects:
                return _page((_link(wheel), wheel.name) for wheel in self.projects[normalized(name)])
            case ["files", name] if any(name == wheel.name for wheel in self.wheels.glob("*.whl")):
                return Response(file=self.wheels / name)
        return not_found(f"the index has nothing at {request.path}; it has {', '.join(self.projects)}")


def normalized(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _link(wheel: Path) -> str:
    return f"../../files/{wheel.name}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def _page(links: Iterable[tuple[str, str]]) -> Response:
    rows = "".join(f'<a href="{escape(target)}">{escape(text)}</a><br>\n' for target, text in links)
    return Response(body=f"<!DOCTYPE html>\n<html><body>\n{rows}</body></html>\n".encode(), content_type="text/html")
