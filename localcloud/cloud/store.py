"""State of the cloud: documents by kind and id, in memory for reading and in SQLite for good."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.cloud.wire import Json


class Store:
    """Documents that outlive the server. The caller holds the cloud's lock.

    A document has the wire's own field names; names that begin with `_` stay inside.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "PRAGMA synchronous=NORMAL"
        )  # safe against a killed server; fast enough for 500 machines
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )
        self._touched: set[tuple[str, str]] | None = None  # by the transaction that is open
        self._documents: dict[str, dict[str, Json]] = {}
        for kind, key, body in self._database.execute("SELECT kind, id, body FROM document ORDER BY rowid"):
            self._documents.setdefault(kind, {})[key] = json.loads(body)

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

    def get(self, kind: str, key: str) -> Json | None:
        """The document itself, not a copy; None when there is none."""
        self._touch(kind, key)
        return self._documents.get(kind, {}).get(key)

    def all(self, kind: str) -> list[Json]:
        """All documents of a kind, oldest first."""
        return list(self._documents.get(kind, {}).values())

    def keys(self, kind: str) -> list[str]:
        """Ids of a kind, oldest first."""
        return list(self._documents.get(kind, {}))

    def put(self, kind: str, key: str, document: Json) -> None:
        """Keeps a new or changed document."""
        self._touch(kind, key)
        self._documents.setdefault(kind, {})[key] = document
        self._database.execute(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(document)),
        )

    def delete(self, kind: str, keys: str | Iterable[str]) -> None:
        """Forgets documents; nothing happens for those that are not there."""
        for key in [keys] if isinstance(keys, str) else list(keys):
            self._touch(kind, key)
            self._documents.get(kind, {}).pop(key, None)
            self._database.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, key))

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
        document = documents.setdefault(key, {})
        document.clear()
        document.update(json.loads(row[0]))

    def close(self) -> None:
        """Ends the connection; everything put before is on disk."""
        self._database.close()
