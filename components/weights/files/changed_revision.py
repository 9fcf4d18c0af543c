"""A branch that moves while its files come down: what changed is said, and what nobody loads stops nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from folder import File
from hubs import Hub
from integrity import WEIGHTS
from transfer import Differs

TWICE = 2
"""A file that came altered is fetched once more."""
MOST = 6
"""So often a list is asked for anew."""
FOR_PEOPLE = re.compile(
    r"(^|/)(readme|licen[cs]e|notice|use_policy|citation|changelog)[^/]*\Z|\.(md|rst|pdf|png|jpe?g|gif|webp|svg|mp4)\Z",
    re.IGNORECASE,
)
"""What no engine loads."""


class Moved:
    """Brings files by a list that may be older than what the hub gives by now.

    Attributes:
        notes: what is worth a sentence to the user.
    """

    def __init__(self, hub: Hub, model: str, folder: Path) -> None:
        self.hub, self.model, self.folder = hub, model, folder
        self.notes: list[str] = []
        self._differs = ""

    def bring(
        self, download: Callable[[list[File]], list[File]], files: Sequence[File], wanted: Sequence[File]
    ) -> list[File]:
        """The files of the list as they are there, when all of `wanted` have come.

        Args:
            download: fetches some, and returns those that came with other bytes.
            files: all that belong to the model.
            wanted: those of them that are missing.

        Raises:
            LookupError: one sentence: a file that engines load is another one by now, or is altered each time.
        """
        kept, missing = list(files), list(wanted)
        for turn in range(MOST):
            wrong = self._try(download, missing)
            if not wrong:
                break
            newer = {f.path: f for f in self.hub.listing()[1]} if turn < MOST - 1 else {}
            missing = [f for f in missing if f not in wrong and not (self.folder / f.path).is_file()]
            for file in wrong:
                now = newer.get(file.path)
                changed = now is not None and (now.size, now.sha256, now.git_sha1) != (
                    file.size,
                    file.sha256,
                    file.git_sha1,
                )
                if file.path.endswith(WEIGHTS) and changed:
                    raise LookupError(
                        f"{file.path} of {self.model} changed on the hub while it came down; run `pulumi up` again for "
                        "the newer weights, or set model.revision to a commit or tag, which doesn't move"
                    )
                if FOR_PEOPLE.search(file.path):
                    kept.remove(file)
                    self.notes.append(
                        f"{file.path} of {self.model} changed on the hub while it came down, and is left out"
                    )
                elif changed and now is not None:
                    kept[kept.index(file)] = now
                    missing.append(now)
                    self.notes.append(f"{file.path} of {self.model} is newer than its weights: the branch moved")
                else:
                    what = (
                        self._differs
                        or f"{self.folder / file.path} holds other bytes than the hub's (checksum differs)"
                    )
                    raise LookupError(f"{what} after downloading it twice; the hub or the storage alters bytes")
        return kept

    def _try(self, download: Callable[[list[File]], list[File]], missing: Sequence[File]) -> list[File]:
        """Those whose bytes were not the list's, twice."""
        wrong, differing = list(missing), None
        self._differs = ""
        for _ in range(TWICE):
            wrong = [f for f in wrong if not (self.folder / f.path).is_file()]
            if not wrong:
                return []
            try:
                wrong = download(wrong)
            except Differs as error:
                print(error, flush=True)
                differing, self._differs = error.file, str(error)
                continue
            differing, self._differs = None, ""
            for file in wrong:
                print(f"{file.path} came with other bytes than the hub's", flush=True)
        return wrong if differing is None else [differing]
