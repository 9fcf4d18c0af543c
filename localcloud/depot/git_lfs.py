"""Model repositories as git keeps them: smart HTTP by git's own `http-backend`, and the batch API of git-lfs.

docs/api/batch.md and docs/spec.md of git-lfs; RFC 3875 for what `http-backend` is entry.
"""

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcloud.depot.repository import Repository, RepositoryFile
from localcloud.http.messages import Request, Response, as_json, not_found

MEDIA = "application/vnd.git-lfs+json"
WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "depot"), ("EMAIL", "depot@localhost"), ("DATE", "2026-01-01T00:00:00Z"))
}


class GitLfs:
    """Answers under a prefix; `git clone http://ADDRESS:PORT/git/OWNER/NAME.git`. Branch and tag: main, v1.

    Args:
        repositories: by OWNER/NAME.
        folder: where git keeps them, made once somebody asks.
        prefix: the first part of the path.
    """

    def __init__(self, repositories: Mapping[str, Repository], folder: Path, prefix: str = "/git") -> None:
        self.repositories, self.folder, self.prefix = repositories, folder, prefix
        self._made: dict[str, Path] = {}

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after the prefix."""
        match request.path.strip("/").split("/"):
            case [owner, name, *rest] if found := self.repositories.get(f"{owner}/{name.removesuffix('.git')}"):
                if found.token is not None and found.token != _password(request):
                    return Response(401, headers={"WWW-Authenticate": 'Basic realm="depot"'})
                match rest:
                    case ["info", "lfs", "objects", "batch"]:
                        return self._batch(request, found)
                    case ["lfs", oid]:
                        file = _by_oid(found).get(oid)
                        return Response(file=file.file) if file else not_found(f"there is no object {oid}")
                    case ["info", "refs"] | ["git-upload-pack"]:
                        return self._backend(request, found, "/".join(rest))
        return not_found(f"there is no repository at {request.path}")

    def _batch(self, request: Request, repository: Repository) -> Response:
        known = _by_oid(repository)
        base = f"http://{request.headers['host']}{self.prefix}/{repository.id}.git/lfs"
        objects = []
        for wanted in json.loads(request.body)["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] in known:
                entry["actions"] = {"download": {"href": f"{base}/{wanted['oid']}"}}
                if repository.token:
                    entry["actions"]["download"]["header"] = {"Authorization": request.headers["authorization"]}
            else:
                entry["error"] = {"code": 404, "message": "Object does not exist"}
            objects.append(entry)
        answer = as_json({"transfer": "basic", "objects": objects})
        return Response(body=answer.body, content_type=MEDIA)

    def _backend(self, request: Request, repository: Repository, path: str) -> Response:
        bare = self._bare(repository)
        environment = {
            "GIT_PROJECT_ROOT": str(bare.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{bare.name}/{path}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": "&".join(f"{name}={value}" for name, value in request.query.items()),
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            ["git", "http-backend"], input=request.body, env=environment, capture_output=True, check=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split()[0])
        return Response(status, body, None, headers.pop("Content-Type", "text/plain"), headers)

    def _bare(self, repository: Repository) -> Path:
        """The repository as git has it: what LFS keeps is a pointer there."""
        if repository.id not in self._made:
            bare = self.folder / f"{repository.id.replace('/', '--')}.git"
            _git(bare, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
            files = [*((f.path, _content(f)) for f in repository.files.values())]
            if any(f.lfs for f in repository.files.values()):
                files.append(
                    (
                        ".gitattributes",
                        b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
                        b"*.gguf filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n",
                    )
                )
            for path, content in files:
                blob = _git(bare, "hash-object", "-w", "--stdin", stdin=content)
                _git(bare, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
            commit = _git(bare, "commit-tree", _git(bare, "write-tree"), "-m", "weights")
            _git(bare, "update-ref", "refs/heads/main", commit)
            _git(bare, "update-ref", "refs/tags/v1", commit)
            _git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
            self._made[repository.id] = bare
        return self._made[repository.id]


def _git(bare: Path, *words: str, stdin: bytes = b"") -> str:
    bare.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **WHO, "GIT_DIR": str(bare)}
    done = subprocess.run(["git", *words], input=stdin, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def _content(file: RepositoryFile) -> bytes:
    if not file.lfs:
        return file.file.read_bytes()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{file.sha256}\nsize {file.size}\n".encode()


def _by_oid(repository: Repository) -> dict[str, RepositoryFile]:
    return {file.sha256: file for file in repository.files.values() if file.lfs}


def _password(request: Request) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(value).decode().partition(":")[2] if kind.lower() == "basic" else None
