"""The Hugging Face hub's HTTP API, as far as huggingface_hub 2.4 uses it to download models.

Paths, header names and error codes are those of huggingface_hub's `hf_api.py`, `file_download.py` and
`utils/_http.py` (`hf_raise_for_status`). No Xet, no redirects: files come from the hub itself.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from localcloud.depot.repository import Repository, RepositoryFile
from localcloud.http.messages import Request, Response, as_json


class HuggingFace:
    """Answers under a prefix; use it as `HF_ENDPOINT=http://ADDRESS:PORT/hf`."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = repositories

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after the prefix."""
        parts = request.path.strip("/").split("/")
        match parts:
            case ["api", "models", owner, name, *rest]:
                return self._api(request, f"{owner}/{name}", rest)
            case [owner, name, "resolve", revision, *path] if path:
                found = self._repository(request, f"{owner}/{name}", unquote(revision))
                return found if isinstance(found, Response) else _resolve(found, "/".join(path))
            case ["api", "whoami-v2"] if request.token:
                return as_json({"type": "user", "name": "depot", "auth": {"type": "access_token"}})
        return _error(404, None, f"the hub has nothing at {request.path}")

    def _api(self, request: Request, name: str, rest: list[str]) -> Response:
        revision = unquote(rest[1]) if len(rest) > 1 and rest[0] in ("revision", "tree") else "main"
        found = self._repository(request, name, revision, metadata=True)
        if isinstance(found, Response):
            return found
        match rest:
            case [] | ["revision", _]:
                return as_json(_info(found, blobs="blobs" in request.query or "files_metadata" in request.query))
            case ["tree", _, *folder]:
                below = "".join(f"{part}/" for part in "/".join(map(unquote, folder)).split("/") if part)
                return as_json([_entry(file) for file in found.files.values() if file.path.startswith(below)])
        return _error(404, None, f"the hub has nothing at {request.path}")

    def _repository(self, request: Request, name: str, revision: str, metadata: bool = False) -> Repository | Response:
        """The repository if it exists, has the revision, and its files may be read."""
        found = self.repositories.get(name)
        if found is None:
            # The hub doesn't tell who isn't logged in whether a private repository exists.
            return _error(404 if request.token else 401, "RepoNotFound", "Repository not found")
        if not found.knows(revision):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if found.token is not None and found.token != request.token and not metadata:
            text = f"Access to model {name} is restricted. You must be authenticated to access it."
            return _error(403 if request.token else 401, "GatedRepo", text)
        return found


def _info(repository: Repository, *, blobs: bool) -> dict[str, Any]:
    return {
        "_id": repository.commit[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.split("/")[0],
        "sha": repository.commit,
        "private": False,
        "gated": "manual" if repository.token else False,
        "disabled": False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "lastModified": "2026-01-01T00:00:00.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "siblings": [_sibling(file, blobs) for file in repository.files.values()],
    }


def _sibling(file: RepositoryFile, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    return {"rfilename": file.path, "size": file.size, "blobId": file.git_sha1, **_lfs(file, "sha256")}


def _entry(file: RepositoryFile) -> dict[str, Any]:
    return {"type": "file", "path": file.path, "size": file.size, "oid": file.git_sha1, **_lfs(file, "oid")}


def _lfs(file: RepositoryFile, name: str) -> dict[str, Any]:
    return {"lfs": {name: file.sha256, "size": file.size, "pointerSize": 134}} if file.lfs else {}


def _resolve(repository: Repository, path: str) -> Response:
    file = repository.files.get(path)
    if file is None:
        return _error(404, "EntryNotFound", f"{path} is not in {repository.id}", {"X-Repo-Commit": repository.commit})
    headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
    if file.lfs:
        headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return Response(file=file.file, headers=headers)


def _error(status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return as_json(
        {"error": message},
        status,
        {**(headers or {}), **({"X-Error-Code": code} if code else {}), "X-Error-Message": message},
    )
