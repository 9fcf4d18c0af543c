"""The tables of docs/localcloud-table.md: `python -m tests.engine.alicloud_page` writes them anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localcloud.cloud.actions import ACTIONS
from tests.engine.alicloud_calls import CALLED
from tests.engine.alicloud_table import TABLE, Row, camel
from tests.support.cloud_account import CLIENTS
from tests.support.cloud_calls import ELSEWHERE
from tests.support.paths import ROOT

BEGIN, END = "<!-- tables: python -m tests.engine.alicloud_page -->", "<!-- end of the tables -->"
PAGE = ROOT / "docs/localcloud-table.md"
PROPERTIES = ("property", "create", "read", "changed", "import", "changed behind its back")
CALLS = ("action", "Alibaba's client", "the provider")
YES = "yes"


def tables() -> str:
    """All of them."""
    parts = []
    for kind in dict.fromkeys(row.type for row in TABLE.values()):
        parts += [f"### {kind}", _lines(PROPERTIES, _properties([row for row in TABLE.values() if row.type == kind]))]
    for product in dict.fromkeys(product for product, _ in sorted(ACTIONS)):
        parts += [f"### Actions of {product}", _lines(CALLS, _calls(product))]
    return "\n\n".join(parts)


def _properties(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    for key in dict.fromkeys(key for row in rows for key in [*row.creates, *row.replaces]):
        unread = any(key in row.unread for row in rows)
        at_first = any(key in row.creates for row in rows)
        yield (
            f"`{camel(key)}`",
            YES if at_first else "at the replacement",
            "its input is kept" if unread else YES,
            _changed(key, rows),
            ("must be named" if unread else YES) if at_first else "",
            "seen and put back" if any(camel(key) in row.seen for row in rows) else "",
        )
    gone = any(row.strange[1] and not row.seen for row in rows)
    yield (
        "(the resource)",
        YES,
        YES,
        "destroyed: nothing is left",
        YES,
        "a lost one is seen and made again" if gone else "",
    )


def _changed(key: str, rows: list[Row]) -> str:
    for row in rows:
        for table, words in ((row.idle, ""), (row.fixed, "not changed: ")):
            if key in table:
                return words + table[key]
        if key in row.updates:
            return "in place"
        if key in row.replaces:
            return "replaces"
    return "untried"


def _calls(product: str) -> Iterator[tuple[str, ...]]:
    for key in sorted(each for each in ACTIONS if each[0] == product):
        client = ELSEWHERE.get(key, YES) if product in CLIENTS else "has none here"
        yield (f"`{key[1]}`", client, YES if key in CALLED else "")


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ("---",) * len(head), *rows])


def main() -> None:
    """Writes the tables into the page."""
    text = PAGE.read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n\n{tables()}\n\n{after}")


if __name__ == "__main__":
    main()
