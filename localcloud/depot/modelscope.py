"""ModelScope's HTTP API, as far as modelscope 1.40 (modelscope_hub 0.5) uses it to download models.

Paths and fields are those of modelscope_hub's `_legacy_api.py` and `_download.py`.
"""

from collections.abc import Mapping
from typing import Any

from localcloud.depot.repository import Repository, RepositoryFile
from localcloud.http.messages import Request, Response, as_json


class ModelScope:
    """Answers under a prefix; use it as `MODELSCOPE_ENDPOINT=http://ADDRESS:PORT/modelscope`."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = repositories

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after the prefix."""
        match request.path.strip("/").split("/"):
            case ["api", "v1", "models", owner, name, *rest]:
                repository = self.repositories.get(f"{owner}/{name}")
                if repository is None:
                    return _error(404, 10010205001, f"Model {owner}/{name} does not exist")
                return _model(request, repository, rest)
        return _error(404, 404, f"the hub has nothing at {request.path}")


def _model(request: Request, repository: Repository, rest: list[str]) -> Response:
    revision = request.query.get("Revision") or "master"
    match rest:
        case []:
            return _data({"Name": repository.id.split("/")[1], "Path": repository.id.split("/")[0], "Visibility": 5})
        case ["revisions"]:
            branch = {"Revision": "master", "CreatedAt": 1767225600}
            tagged = {"Revision": repository.commit, "CreatedAt": 1767225600}
            return _data({"RevisionMap": {"Branches": [branch], "Tags": [tagged]}})
    if not repository.knows(revision):
        return _error(404, 10010204007, f"Revision {revision} does not exist")
    match rest:
        case ["repo", "files"]:
            return _data({"Files": [_entry(repository, file) for file in repository.files.values()]})
        case ["repo"]:
            return _file(request, repository)
    return _error(404, 404, f"the hub has nothing at {request.path}")


def _entry(repository: Repository, file: RepositoryFile) -> dict[str, Any]:
    return {
        "Name": file.path.rsplit("/", 1)[-1],
        "Path": file.path,
        "Type": "blob",
        "Size": file.size,
        "Sha256": file.sha256,
        "Revision": repository.commit,
        "IsLFS": file.lfs,
        "Mode": "33188",
        "CommittedDate": 1767225600,
    }


def _file(request: Request, repository: Repository) -> Response:
    if repository.token is not None and repository.token != request.token:
        return _error(403, 10010204003, f"Model {repository.id} is gated")
    path = request.query.get("FilePath", "")
    file = repository.files.get(path)
    if file is None:
        return _error(404, 10010204004, f"{path} is not in {repository.id}")
    return Response(file=file.file, headers={"ETag": f'"{file.sha256}"', "Accept-Ranges": "bytes"})


def _data(value: object) -> Response:
    return as_json({"Code": 200, "Data": value, "Message": "success", "Success": True})


def _error(status: int, code: int, message: str) -> Response:
    return as_json({"Code": code, "Data": None, "Message": message, "Success": False}, status)
