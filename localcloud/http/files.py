"""Files of a folder, as a Debian mirror or a web server gives them."""

from email.utils import formatdate
from pathlib import Path

from localcloud.http.messages import Request, Response, not_found
from localcloud.http.ranges import in_range
from localcloud.http.server import Server


class Files:
    """Answers under a prefix with the files below a folder; nothing outside it can be reached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after the prefix."""
        file = (self.folder / request.path.lstrip("/")).resolve()
        if not file.is_relative_to(self.folder) or not file.is_file():
            return not_found(f"there is no {request.path}")
        modified = formatdate(file.stat().st_mtime, usegmt=True)
        return Response(file=file, headers={"Last-Modified": modified, "Accept-Ranges": "bytes"})


class FileServer(Server):
    """Serves one folder at one address."""

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        self._files = Files(folder)
        super().__init__(address, ("GET", "HEAD"))

    def answer(self, request: Request) -> Response:
        """The file, or a part of it."""
        return in_range(self._files.answer(request), request.headers.get("range"))
