"""State of the cloud: documents by kind and id, in memory for reading and in SQLite for good."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from localcloud.cloud import model  # noqa: F401 - importing it makes the kinds known
from localcloud.cloud.model.document import Document
from localcloud.errors import LocalCloudError

Kind = TypeVar("Kind", bound=Document)
VERSION = 2
"""Of the documents' fields."""


class Store:
    """Documents that outlive the server. The caller holds the cloud's lock.

    Raises:
        LocalCloudError: the file is of another version of the local cloud.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = not file.exists()
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        if fresh:
            self._database.execute(f"PRAGMA user_version={VERSION}")
        elif self._database.execute("PRAGMA user_version").fetchone() != (VERSION,):
            raise LocalCloudError(
                f"{file} is of another version of the local cloud: `python -m localcloud cloud stop --wipe --state "
                f"{file.parent}` removes it with its machines."
            )
        self._database.execute("PRAGMA journal_mode=WAL")
        # Safe against a killed server; fast enough for 500 machines.
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )
        self._touched: set[tuple[str, str]] | None = None  # by the transaction that is open
        self._documents: dict[str, dict[str, Document]] = {}
        for kind, key, body in self._database.execute("SELECT kind, id, body FROM document ORDER BY rowid"):
            self._documents.setdefault(kind, {})[key] = _loaded(kind, body)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the changes within, or none: after an exception the documents that were read are as before."""
        self._touched = set()
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            for kind, key in self._touched or ():
                self._restore(kind, key)
            raise
        else:
            self._database.execute("COMMIT")
        finally:
            self._touched = None

    def get(self, kind: type[Kind], key: str) -> Kind | None:
        """The document itself, not a copy; None when there is none."""
        self._touch(kind.KIND, key)
        found = self._documents.get(kind.KIND, {}).get(key)
        assert found is None or isinstance(found, kind)  # noqa: S101 - the dictionary is by kind
        return found

    def all(self, kind: type[Kind]) -> list[Kind]:
        """All documents of a kind, oldest first."""
        return [each for each in self._documents.get(kind.KIND, {}).values() if isinstance(each, kind)]

    def put(self, document: Document) -> None:
        """Keeps a new or changed document."""
        kind, key = document.KIND, document.key
        self._touch(kind, key)
        self._documents.setdefault(kind, {})[key] = document
        self._database.execute(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(document, default=vars)),
        )

    def delete(self, kind: type[Document], keys: str | Iterable[str]) -> None:
        """Forgets documents; nothing happens for those that are not there."""
        for key in [keys] if isinstance(keys, str) else list(keys):
            self._touch(kind.KIND, key)
            self._documents.get(kind.KIND, {}).pop(key, None)
            self._database.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind.KIND, key))

    def _touch(self, kind: str, key: str) -> None:
        if self._touched is not None:
            self._touched.add((kind, key))

    def _restore(self, kind: str, key: str) -> None:
        """The document as the database has it; whoever holds it sees it too."""
        documents = self._documents.setdefault(kind, {})
        row = self._database.execute("SELECT body FROM document WHERE kind = ? AND id = ?", (kind, key)).fetchone()
        if row is None:
            documents.pop(key, None)
            return
        before = _loaded(kind, row[0])
        if key in documents:
            vars(documents[key]).update(vars(before))
        else:
            documents[key] = before

    def close(self) -> None:
        """Ends the connection; everything put before is on disk."""
        self._database.close()


def _loaded(kind: str, body: str) -> Document:
    return Document.KNOWN[kind].load(json.loads(body))
