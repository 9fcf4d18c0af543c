"""Files of a folder, as a Debian mirror or a web server gives them."""

from email.utils import formatdate
from pathlib import Path

from localcloud.depot.messages import Answer, Request, not_found


class Static:
    """Answers under a prefix with the files below a folder; nothing outside it can be reached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def answer(self, request: Request) -> Answer:
        """Answer a request; its path begins after the prefix."""
        file = (self.folder / request.path.lstrip("/")).resolve()
        if not file.is_relative_to(self.folder) or not file.is_file():
            return not_found(f"there is no {request.path}")
        modified = formatdate(file.stat().st_mtime, usegmt=True)
        return Answer(file=file, headers={"Last-Modified": modified, "Accept-Ranges": "bytes"})
