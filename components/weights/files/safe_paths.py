"""Names from a hub's list become files inside one folder, or are refused: the one place that decides it.

A list is what somebody else wrote, and the script runs as root. Names are checked first, as text; then every file is
opened from folder to folder without following a link, so that one laid on the storage beforehand leads nowhere either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

ENDING = ".tandem-part"
"""Of an unfinished file, beside where the finished one will lie."""
OWN = ".tandem-"
"""What our own files beside the weights begin with."""
LONGEST_NAME = 255 - len(ENDING)
"""Bytes of one part of a path: NAME_MAX of Linux's file systems and NFS, less what an unfinished file has more."""
LONGEST_PATH = 2048
"""Bytes of a path below the folder; PATH_MAX is 4096 with the folder's own."""
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line separators, and what was no UTF-8."""


class Outside(LookupError):
    """One sentence: a link or a file stands where a folder of ours should be."""


def refused_name(path: object) -> str | None:
    """Why a name can't be a file below a folder, as the end of `..., which ...`; None where it can."""
    if not isinstance(path, str) or not path:
        return "is no name"
    parts = path.split("/")
    reasons = (
        (CONTROL.search(path), "holds characters that no file's name should"),
        ("\\" in path, "holds a backslash"),
        (path.startswith("/") or {"", ".", ".."} & set(parts), "is no path inside the folder of the weights"),
        (any(part.casefold() == ".git" for part in parts), "would be git's own"),
        (any(part.startswith(OWN) or part.endswith(ENDING) for part in parts), "is a name kept for our own files"),
        (len(path.encode(errors="replace")) > LONGEST_PATH, "is longer than a file system takes"),
        (max(len(p.encode(errors="replace")) for p in parts) > LONGEST_NAME, "is longer than a file system takes"),
    )
    return next((reason for wrong, reason in reasons if wrong), None)


def check_names(paths: Sequence[object], where: str) -> None:
    """All names of a list can be files beside each other, below one folder.

    Args:
        paths: as the hub wrote them.
        where: the hub and the model, for the sentence.

    Raises:
        LookupError: one sentence that names the hub and the path.
    """
    remedy = "nothing was written; use another repository (model.id) or hub (model.endpoint)"
    names: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        reason = refused_name(path)
        if reason is None and path in names:
            reason = "it names twice"
        if reason:
            reason = reason if reason.startswith("it") else f"which {reason}"
            raise LookupError(f"{where} lists {_shown(path)}, {reason}; {remedy}")
        names.add(str(path))
        folders.update("/".join(str(path).split("/")[:depth]) for depth in range(1, str(path).count("/") + 1))
    if both := sorted(names & folders):
        raise LookupError(f"{where} lists {_shown(both[0])} as a file and as a folder; {remedy}")


def alike(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs that a storage takes for one if it ignores case, or knows an accent by either of its two spellings."""
    seen: dict[str, str] = {}
    folded = [(unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold()), path) for path in paths]
    return [(first, path) for text, path in folded if (first := seen.setdefault(text, path)) != path]


class Inside:
    """The files of one folder, which lies two levels below a storage that is trusted.

    Nothing here follows a link, from the storage's own folder on; what stands in the way is `Outside`.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist: STORAGE/models/NAME."""
        self.folder = folder
        self._storage = folder.parent.parent

    def make(self) -> None:
        """Makes the folder."""
        with self._parent(("",), make=True):
            pass

    def open(self, path: str, flags: int) -> int:
        """A regular file's descriptor; folders above it are made when `flags` has O_CREAT.

        Raises:
            Outside: a link, or something else than a file, is there.
            OSError: the storage refuses.
        """
        with self._parent(self._parts(path), make=bool(flags & os.O_CREAT)) as (above, name):
            try:
                # O_NONBLOCK: a pipe laid there must not hold us up; for files it means nothing.
                handle = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=above)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                    raise self._outside(self.folder / path) from None
                raise
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise self._outside(self.folder / path)
        return handle

    def replace(self, old: str, new: str) -> None:
        """Renames a file within its folder."""
        with self._parent(self._parts(old), make=False) as (above, name):
            os.replace(name, self._parts(new)[-1], src_dir_fd=above, dst_dir_fd=above)

    def remove(self, path: str) -> None:
        """Removes a file, or a link itself; nothing where there is none."""
        with self._parent(self._parts(path), make=False) as (above, name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=above)

    def remove_unfinished(self) -> None:
        """Removes what earlier downloads left of files that the model no longer has."""
        for _, _, names, above in os.fwalk(self.folder):
            for name in names:
                if name.endswith(ENDING):
                    os.unlink(name, dir_fd=above)

    def tells_apart(self, one: str, other: str) -> bool:
        """Whether the storage keeps two files of such names, tried with two of our own."""
        pairs = zip(one.split("/"), other.split("/"))  # noqa: B905  # `strict` is newer than machines' Python
        first, second = next((a, b) for a, b in pairs if a != b)
        os.close(self.open(OWN + first, os.O_WRONLY | os.O_CREAT))
        try:
            return not os.path.lexists(self.folder / (OWN + second))
        finally:
            self.remove(OWN + first)

    def _parts(self, path: str) -> tuple[str, ...]:
        plain = path[len(OWN) :] if path.startswith(OWN) else path
        plain = plain[: -len(ENDING)] if plain.endswith(ENDING) else plain
        if reason := refused_name(plain):
            raise Outside(f"{_shown(path)} {reason}; nothing was written there")
        return tuple(path.split("/"))

    @contextlib.contextmanager
    def _parent(self, parts: Sequence[str], *, make: bool) -> Iterator[tuple[int, str]]:
        """The folder that holds the last part, open, reached without following a link."""
        at, handle = self._storage, os.open(self._storage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in (self.folder.parent.name, self.folder.name, *parts[:-1]):
                at = at / part
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=handle)
                try:
                    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR):
                        raise self._outside(at) from None
                    raise
                os.close(handle)
                handle = inner
            yield handle, parts[-1]
        finally:
            os.close(handle)

    def _outside(self, path: Path) -> Outside:
        what = f"a link to {path.resolve()}" if path.is_symlink() else "no file or folder of ours"
        return Outside(
            f"{path} is {what}, and weights are written below {self._storage} only; remove it there, then run "
            "`pulumi up` again"
        )


def _shown(path: object) -> str:
    """A name as a reader may see it: on one line, in ASCII, not longer than it takes to find it."""
    text = ascii(path)
    return text if len(text) <= 120 else f"{text[:80]}...{text[-30:]}"
