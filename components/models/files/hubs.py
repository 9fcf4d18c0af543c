"""The hubs' HTTP APIs: which files a model has, and where the bytes are.

As their own clients speak them: huggingface_hub 2.4 (`hf_api.py`, `_http.py`), modelscope_hub 0.5 (`_legacy_api.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, quote_plus

from folder import File
from transfer import Place
from web import Refusal, Web

IGNORED = (".gitattributes",)
TIMEOUT = 60.0
MODELSCOPE_MOST = 3000
"""ModelScope lists no more files than this at once, and doesn't say so."""
ENDPOINTS = {"huggingface": "https://huggingface.co", "modelscope": "https://www.modelscope.cn"}


class Hub(Protocol):
    """Where a model's files come from."""

    def listing(self) -> tuple[str, list[File]]:
        """The revision's commit and its files.

        Raises:
            LookupError: one sentence: no such model, no such revision, or no access.
            OSError, http.client.HTTPException, Refusal: the hub wasn't reached or gave no list.
        """

    def locate(self, file: File) -> Place:
        """Where a file's bytes are. Raises as `listing` does."""


def gated(model: str) -> str:
    """The sentence for a model that is given to those only whom the hub knows."""
    return f"{model} is gated: accept its licence on the hub and set hubToken"


class HuggingFace:
    """huggingface.co and its mirrors."""

    def __init__(self, model: str, revision: str, endpoint: str, token: str) -> None:
        self.model, self.revision = model, revision
        self.endpoint = (endpoint or ENDPOINTS["huggingface"]).rstrip("/")
        self.headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._commit = revision or "main"

    def listing(self) -> tuple[str, list[File]]:
        """See `Hub`."""
        revision = f"/revision/{quote(self.revision, safe='')}" if self.revision else ""
        try:
            url = f"{self.endpoint}/api/models/{self.model}{revision}?blobs=true"
            info = Web(TIMEOUT).json(url, self.headers)
        except Refusal as refusal:
            code = refusal.headers.get("X-Error-Code", "")
            if code == "GatedRepo":
                raise LookupError(gated(self.model)) from None
            if code == "RevisionNotFound":
                raise LookupError(
                    f"{self.model} has no revision {self.revision}; leave model.revision out for its default"
                ) from None
            if code == "RepoNotFound" or refusal.status in (401, 403, 404):
                raise LookupError(
                    f"the hub knows no model {self.model}; correct model.id, or set hubToken if it is private"
                ) from None
            raise
        # Whatever the branch becomes while we read: files of one commit.
        self._commit = info.get("sha") or self._commit
        files = [
            File(
                path=entry["rfilename"],
                size=entry.get("size") or 0,
                sha256=entry["lfs"]["sha256"] if entry.get("lfs") else None,
                git_sha1=None if entry.get("lfs") else entry.get("blobId"),
            )
            for entry in info.get("siblings") or []
            if entry["rfilename"] not in IGNORED
        ]
        return self._commit, files

    def locate(self, file: File) -> Place:
        """See `Hub`."""
        return Place(
            f"{self.endpoint}/{self.model}/resolve/{quote(self._commit, safe='')}/{quote(file.path)}", self.headers
        )


class ModelScope:
    """modelscope.cn."""

    def __init__(self, model: str, revision: str, endpoint: str, token: str) -> None:
        self.model, self.revision = model, revision or "master"
        self.base = f"{(endpoint or ENDPOINTS['modelscope']).rstrip('/')}/api/v1/models/{model}/repo"
        self.headers: Mapping[str, str] = (
            {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}
        )

    def listing(self) -> tuple[str, list[File]]:
        """See `Hub`."""
        try:
            url = f"{self.base}/files?Revision={quote_plus(self.revision)}&Recursive=True"
            data = Web(TIMEOUT).json(url, self.headers).get("Data") or {}
        except Refusal as refusal:
            if refusal.status == 404:
                raise LookupError(
                    f"the hub knows no model {self.model} at {self.revision}; correct model.id and model.revision"
                ) from None
            if refusal.status in (401, 403):
                raise LookupError(gated(self.model)) from None
            raise
        entries = data if isinstance(data, list) else data.get("Files") or []
        if len(entries) >= MODELSCOPE_MOST:
            raise LookupError(
                f"{self.model} has {MODELSCOPE_MOST} files or more, and ModelScope lists no more; fetch it by "
                "source git-lfs"
            )
        files = [
            File(path=entry["Path"], size=int(entry["Size"]), sha256=entry.get("Sha256") or None)
            for entry in entries
            if entry.get("Type") != "tree" and entry["Path"] not in IGNORED
        ]
        return self.revision, files

    def locate(self, file: File) -> Place:
        """See `Hub`."""
        return Place(f"{self.base}?Revision={quote_plus(self.revision)}&FilePath={quote_plus(file.path)}", self.headers)


def explain(refusal: Refusal) -> str:
    """A refusal in few words, with the hub's own message if it gives one."""
    try:
        told = json.loads(refusal.body)
        message = told.get("error") or told.get("Message") or told.get("message") or ""
    except (ValueError, AttributeError):
        message = ""
    return f"HTTP {refusal.status}{': ' + str(message) if message else ''}"
