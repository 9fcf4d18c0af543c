"""The hubs' HTTP APIs: which files a model has, and where the bytes are.

As their own clients speak them: huggingface_hub 2.4 (`hf_api.py`, `_http.py`), modelscope_hub 0.5 (`_legacy_api.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import quote, quote_plus, urlsplit

from folder import File
from transfer import Place
from web import Refusal, Web, same_host

IGNORED = (".gitattributes",)
TIMEOUT = 60.0
MODELSCOPE_MOST = 3000
"""ModelScope lists no more files than this at once, and doesn't say so."""
COMMIT = re.compile("[0-9a-f]{40}")
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

    def explain(self, file: File, refusal: Refusal) -> str | None:
        """The sentence for a refusal to give a file; None where another request may help."""


WITHHELD = os.environ.get("HUB_TOKEN_WITHHELD") == "yes"
"""hubToken is for another hub than the one that is asked."""


def gated(model: str, token: bool = False) -> str:
    """The sentence for a model that is given to those only whom the hub knows.

    Args:
        model: which.
        token: the hub was given a token.
    """
    if WITHHELD:
        return (
            f"{model} is gated, and hubToken is sent to the hub of model.source alone; bring it to the storage "
            "yourself, and name it with source path"
        )
    if token:
        return f"{model} is gated, and the hub refuses hubToken: accept its licence there with the token's own account"
    return f"{model} is gated: accept its licence on the hub and set hubToken"


def unauthorized(model: str, requested: str, refusal: Refusal, token: bool) -> str:
    """The same, for whatever host refused: a mirror may send on to one that gets no token.

    Args:
        model: which.
        asked: the URL that was asked first.
        refusal: what came at last.
        token: the first host was given a token.
    """
    if not refusal.url or same_host(requested, refusal.url):
        return gated(model, token)
    first, last = (f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in (requested, refusal.url))
    both = "" if token else ", and hubToken"
    return (
        f"{model} is gated: {first} sends on to {last}, which wants a token, and hubToken is sent to the host of "
        f"model.endpoint only; set model.endpoint to {last}{both}"
    )


def listed(path: object, size: object, sha256: object = None, git_sha1: object = None) -> File:
    """One line of a hub's list, which may be anything.

    Raises:
        ValueError: size or checksum are none.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 62:
        raise ValueError(f"the list has {size!r} as the size of {path!r}")
    for value, digits in ((sha256, 64), (git_sha1, 40)):
        if value is not None and not re.fullmatch(f"[0-9a-f]{{{digits}}}", str(value)):
            raise ValueError(f"the list has {value!r} as the checksum of {path!r}")
    # A path that is no text, or leads elsewhere, is refused by `inside.check_names`, which names hub and path.
    return File(path, size, sha256 and str(sha256), git_sha1 and str(git_sha1))  # type: ignore[arg-type]


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
            moved = not same_host(url, refusal.url or url)
            if code == "GatedRepo" or (moved and refusal.status in (401, 403)):
                raise LookupError(unauthorized(self.model, url, refusal, bool(self.headers))) from None
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
        with reading():
            self._commit = info.get("sha") or self._commit
            files = [
                listed(
                    entry["rfilename"],
                    entry.get("size") or 0,
                    sha256=entry["lfs"]["sha256"] if entry.get("lfs") else None,
                    git_sha1=None if entry.get("lfs") else entry.get("blobId"),
                )
                for entry in info.get("siblings") or []
                if entry["rfilename"] not in IGNORED
            ]
        return str(self._commit), files

    def locate(self, file: File) -> Place:
        """See `Hub`."""
        return Place(
            f"{self.endpoint}/{self.model}/resolve/{quote(self._commit, safe='')}/{quote(file.path)}", self.headers
        )

    def explain(self, file: File, refusal: Refusal) -> str | None:
        """See `Hub`."""
        return last_word(self.model, self.locate(file).url, refusal, file, bool(self.headers))


class ModelScope:
    """modelscope.cn."""

    def __init__(self, model: str, revision: str, endpoint: str, token: str) -> None:
        self.model, self.revision = model, revision or "master"
        self.base = f"{(endpoint or ENDPOINTS['modelscope']).rstrip('/')}/api/v1/models/{model}/repo"
        self.headers: Mapping[str, str] = (
            {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}
        )
        self._commits: dict[str, str] = {}

    def listing(self) -> tuple[str, list[File]]:
        """See `Hub`."""
        try:
            url = f"{self.base}/files?Revision={quote_plus(self.revision)}&Recursive=True"
            answer = Web(TIMEOUT).json(url, self.headers)
            data = (answer.get("Data") if isinstance(answer, dict) else None) or {}
        except Refusal as refusal:
            if refusal.status == 404:
                raise LookupError(
                    f"the hub knows no model {self.model} at {self.revision}; correct model.id and model.revision"
                ) from None
            if refusal.status in (401, 403):
                raise LookupError(unauthorized(self.model, url, refusal, bool(self.headers))) from None
            raise
        with reading():
            entries = data if isinstance(data, list) else data.get("Files") or []
        if len(entries) >= MODELSCOPE_MOST:
            raise LookupError(
                f"{self.model} has {MODELSCOPE_MOST} files or more, and ModelScope lists no more; fetch it by "
                "source git-lfs"
            )
        with reading():
            entries = [e for e in entries if e.get("Type") != "tree" and e["Path"] not in IGNORED]
            files = [listed(e["Path"], int(e["Size"]), sha256=e.get("Sha256") or None) for e in entries]
            # The list names no commit of the branch, but of each file the one that changed it last: its bytes are those
            # of the list whatever the branch becomes.
            self._commits = {
                str(e["Path"]): e["Revision"] for e in entries if COMMIT.fullmatch(str(e.get("Revision") or ""))
            }
        return self.revision, files

    def locate(self, file: File) -> Place:
        """See `Hub`."""
        revision = self._commits.get(file.path, self.revision)
        return Place(f"{self.base}?Revision={quote_plus(revision)}&FilePath={quote_plus(file.path)}", self.headers)

    def explain(self, file: File, refusal: Refusal) -> str | None:
        """See `Hub`. A mirror that doesn't know a file's commit is asked for the branch's file."""
        url = self.locate(file).url
        if refusal.status in (400, 404) and self._commits.pop(file.path, ""):
            return None
        return last_word(self.model, url, refusal, file, bool(self.headers))


def last_word(model: str, requested: str, refusal: Refusal, file: File, token: bool) -> str:
    """The sentence for a file that isn't given."""
    if refusal.status in (401, 403):
        return unauthorized(model, requested, refusal, token)
    return f"the hub answers HTTP {refusal.status} for {file.path}; see model.revision and the log"


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """A list that isn't as the hub's own client knows it is no list.

    Raises:
        ValueError: that.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its list can't be read: {type(error).__name__} {error}") from None


def explain(refusal: Refusal) -> str:
    """A refusal in few words, with the hub's own message if it gives one."""
    try:
        answer = json.loads(refusal.body)
        message = answer.get("error") or answer.get("Message") or answer.get("message") or ""
    except (ValueError, AttributeError):
        message = ""
    return f"HTTP {refusal.status}{': ' + str(message) if message else ''}"
