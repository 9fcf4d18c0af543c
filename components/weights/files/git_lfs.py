"""Weights in a git repository with LFS: git itself for the tree and small files, its batch API for the large ones.

git-lfs would write every file twice, to `.git/lfs` and to the working tree. The batch API as git-lfs's
docs/api/batch.md has it; pointers as docs/spec.md has them.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from folder import File
from hubs import IGNORED, TIMEOUT, gated, last_word, listed
from safe_paths import ENDING, Inside
from target import StorageFailure
from transfer import Place
from web import TRIES, Refusal, Web, same_host

MODELERS = "https://modelers.cn"
"""The openMind hub, whose own client takes only its own hosts and asks the same repositories."""
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
POINTER_LARGEST = 1024
LINK = "120000"
"""git's mode of a symbolic link."""
MEDIA = "application/vnd.git-lfs+json"


class GitLfs:
    """One repository at one revision."""

    def __init__(self, source: str, model: str, revision: str, endpoint: str, token: str, *, stall: float) -> None:
        """`model` is a URL for source git-lfs, owner/name on the hub for source openmind."""
        self.model, self.revision, self.stall = model, revision, stall
        self.url = model if source == "git-lfs" else f"{(endpoint or MODELERS).rstrip('/')}/{model}.git"
        basic = base64.b64encode(f"oauth2:{token}".encode()).decode()
        self.headers = {"Authorization": f"Basic {basic}"} if token else {}
        self.clone = Path(tempfile.mkdtemp(prefix="git-", dir=os.environ["TANDEM_DIR"]))

    def listing(self) -> tuple[str, list[File]]:
        """See `hubs.Hub`. What LFS keeps has a SHA-256, the rest the git blob's id."""
        self._git("init", "--quiet", "--bare")
        self._fetch()
        commit = self._git("rev-parse", "FETCH_HEAD^{commit}").decode().strip()
        entries: list[tuple[str, str, int]] = []
        links: list[tuple[str, str, int]] = []
        for line in self._git("ls-tree", "-r", "-l", "-z", commit).decode(errors="surrogateescape").split("\0"):
            entry, _, path = line.partition("\t")
            if entry and entry.split()[1] == "blob" and path not in IGNORED:
                mode, _, blob, length = entry.split()
                (links if mode == LINK else entries).append((path, blob, int(length)))
        contents = self._contents(blob for _, blob, size in (*entries, *links) if size <= POINTER_LARGEST)
        files = {}
        for path, blob, size in entries:
            pointer = POINTER.match(contents.get(blob, b""))
            if pointer:
                files[path] = listed(path, int(pointer[2]), sha256=pointer[1].decode())
            else:
                files[path] = listed(path, size, git_sha1=blob)
        targets = {
            path: os.path.normpath(PurePosixPath(path).parent / contents.get(blob, b"/").decode(errors="replace"))
            for path, blob, _ in links
        }
        for _ in targets:  # a link may lead to another
            files.update({path: files[to] for path, to in targets.items() if path not in files and to in files})
        for path, to in targets.items():
            if path in files:  # the bytes that the link stands for, as a file: no link is ever made on the storage
                files[path] = replace(files[path], path=path)
            elif any(other.startswith(f"{to}/") for other in files):
                print(f"{path} is a link to the folder {to}; left out", flush=True)
            else:
                raise LookupError(
                    f"{self.url} holds {path!a}, a link to {to!a}, which is no file of the repository; "
                    "nothing was written; use another repository or revision (model.id, model.revision)"
                )
        return commit, list(files.values())

    def locate(self, file: File) -> Place:
        """See `hubs.Hub`: only what LFS keeps has an address."""
        url = self.url if self.url.endswith(".git") else f"{self.url}.git"
        body = {"operation": "download", "transfers": ["basic"], "hash_algo": "sha256"}
        wanted = {**body, "objects": [{"oid": file.sha256, "size": file.size}]}
        headers = {**self.headers, "Accept": MEDIA, "Content-Type": MEDIA}
        answer = Web(TIMEOUT).json(f"{url}/info/lfs/objects/batch", headers, body=json.dumps(wanted).encode())
        try:
            found = answer["objects"][0]
            action = found.get("actions", {}).get("download")
            reason = found.get("error", {}).get("message", "no address")
            place = (
                Place(str(action["href"]), dict(action.get("header", {}))) if action and "error" not in found else None
            )
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            raise ConnectionError("the answer about git-lfs objects can't be read") from None
        if place is None:
            raise LookupError(f"{self.model} lacks the content of {file.path} ({reason}); push it there with git-lfs")
        return Place(place.url, {**(self.headers if same_host(url, place.url) else {}), **place.headers})

    def explain(self, file: File, refusal: Refusal) -> str | None:
        """See `hubs.Hub`."""
        return last_word(self.model, refusal.url, refusal, file, bool(self.headers))

    def place(self, inside: Inside, file: File) -> None:
        """Writes a file that git itself keeps.

        Raises:
            Outside: something else stands where it belongs.
            StorageFailure: the storage refuses.
        """
        part = file.path + ENDING
        try:
            with os.fdopen(inside.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
                subprocess.run([*self._words("cat-file", "blob", str(file.git_sha1))], stdout=stream, check=True)
                os.fsync(stream.fileno())
            inside.replace(part, file.path)
        except OSError as error:
            raise StorageFailure(error) from None

    def close(self) -> None:
        """Removes the clone."""
        shutil.rmtree(self.clone, ignore_errors=True)

    def _fetch(self) -> None:
        """One commit without history. Files of LFS are pointers in it, so it is small and simply begun again."""
        for failures in range(1, TRIES + 1):
            done = subprocess.run(
                self._words("fetch", "--quiet", "--depth=1", "--no-tags", "--", self.url, self.revision or "HEAD"),
                env=self._environment(),
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return
            said = done.stderr.strip()
            print(said, flush=True)
            if re.search(r"couldn't find remote ref|not our ref|no such remote ref", said):
                raise LookupError(
                    f"{self.model} has no revision {self.revision}; leave model.revision out for its default"
                )
            if re.search(r"Authentication failed|could not read Username|returned error: 40[13]", said):
                raise LookupError(gated(self.model, bool(self.headers)))
            if re.search(r"not found|does not appear to be a git repository|returned error: 404", said):
                raise LookupError(f"there is no git repository at {self.url}; correct model.id")
            time.sleep(min(0.25 * 2**failures, 8))
        raise ConnectionError(said.splitlines()[-1] if said else "git fetch failed")

    def _contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        wanted = sorted(set(blobs))
        output = subprocess.run(
            self._words("cat-file", "--batch"), input="\n".join([*wanted, ""]).encode(), capture_output=True, check=True
        ).stdout
        found, at = {}, 0
        for blob in wanted:
            end = output.index(b"\n", at)
            size = int(output[at:end].split()[2])
            found[blob] = output[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def _git(self, *words: str) -> bytes:
        return subprocess.run(self._words(*words), stdout=subprocess.PIPE, check=True).stdout

    def _words(self, *words: str) -> list[str]:
        return ["git", "-C", str(self.clone), *words]

    def _environment(self) -> dict[str, str]:
        """Never asks; gives up a connection that stands still; the token stands in no command line."""
        settings = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": str(max(1, round(self.stall)))}
        if self.headers:
            settings[f"http.{self.url}.extraHeader"] = f"Authorization: {self.headers['Authorization']}"
        variables = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": str(len(settings)), "LC_ALL": "C"}
        variables["GIT_ALLOW_PROTOCOL"] = "http:https"  # whatever a redirect says
        for number, (key, value) in enumerate(settings.items()):
            variables.update({f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value})
        return {**os.environ, **variables}
