"""The depot's HTTP server."""

import ipaddress
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localcloud.depot.faults import Fault, Faults
from localcloud.depot.git_lfs import GitLfs
from localcloud.depot.huggingface import HuggingFace
from localcloud.depot.modelscope import ModelScope
from localcloud.depot.python_index import PythonIndex
from localcloud.depot.registry import Registry
from localcloud.depot.repository import Repository
from localcloud.errors import LocalCloudError
from localcloud.http.files import Files
from localcloud.http.journal import Journal
from localcloud.http.messages import Request, Response, Sent, as_json, not_found
from localcloud.http.ranges import in_range
from localcloud.http.server import Server


@dataclass(frozen=True)
class Contents:
    """What a depot has: folders that exist; None for a part that it doesn't have."""

    repositories: Sequence[Repository] = ()
    images: Path | None = None
    wheels: Path | None = None
    apt: Path | None = None


class Depot(Server):
    """Serves `contents` at `address`; every request goes to the journal."""

    def __init__(self, address: tuple[str, int], contents: Contents, journal: Journal) -> None:
        self.repositories = repositories = {repository.id: repository for repository in contents.repositories}
        self.faults = Faults()
        self.journal = journal
        self.parts: dict[str, Callable[[Request], Response]] = {
            "hf": HuggingFace(repositories).answer,
            "modelscope": ModelScope(repositories).answer,
            "git": GitLfs(repositories, journal.file.parent / "git").answer,
            "depot": self._admin,
        }
        if contents.images:
            self.parts["v2"] = Registry(contents.images).answer
        if contents.wheels:
            self.parts["pypi"] = PythonIndex(contents.wheels).answer
        if contents.apt:
            self.parts["apt"] = Files(contents.apt).answer
        super().__init__(address, ("GET", "HEAD", "POST"))

    def answer(self, request: Request) -> Response:
        """Answer a request, by the first part of its path, with the fault that hits it."""
        first, _, rest = request.path.lstrip("/").partition("/")
        part = self.parts.get(first)
        if part is None:
            return self._noted(
                request,
                not_found(f"there is no {request.path}; the depot has {', '.join(f'/{name}' for name in self.parts)}"),
            )
        if part == self._admin and not private(request.client):
            return Response(403, b"orders come from private addresses only\n", content_type="text/plain")
        response = in_range(part(replace(request, path=f"/{rest}")), request.headers.get("range"))
        return response if part == self._admin else self._noted(request, response)

    def _noted(self, request: Request, response: Response) -> Response:
        """The answer as an ordered fault leaves it, and the journal's line once it was sent."""
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        what = f"{request.path}?{query}" if query else request.path
        start, end = response.bounds
        fault = None
        if response.status != 416:
            fault = self.faults.strike(what, start, start if request.method == "HEAD" else end)
        if fault and fault.kind == "status":
            response = Response(fault.status)
        elif fault:
            response = replace(response, body_filter=fault.filter)

        def sent(how: Sent) -> None:
            self.journal.write(
                client=request.client,
                method=request.method,
                path=what,
                range=request.headers.get("range"),
                status=response.status,
                bytes=-1 if how.client_gone else how.bytes,
                fault="client went away" if how.client_gone else fault and fault.kind,
                seconds=round(how.seconds, 3),
            )

        return replace(response, sent=sent)

    def _admin(self, request: Request) -> Response:
        """`/depot/health`; `/depot/faults`: GET lists, POST orders one, POST of an empty body clears."""
        if request.path == "/health":
            return as_json({"parts": sorted(self.parts), "journal": str(self.journal.file)})
        if request.path != "/faults":
            return not_found(f"there is no /depot{request.path}")
        if request.method == "POST":
            try:
                if request.body:
                    self.faults.order(Fault(**json.loads(request.body)))
                else:
                    self.faults.clear()
            except (LocalCloudError, ValueError, TypeError) as error:
                return as_json({"error": str(error)}, 400)
        return as_json(self.faults.listing())


def private(address: str) -> bool:
    """Whether an address is of a private, shared (100.64.0.0/10) or loopback network."""
    return not ipaddress.ip_address(address).is_global
