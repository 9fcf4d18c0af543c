"""A source archive from a Python package index (PEP 503): fetch.py INDEX NAME VERSION FILE.

pip would build the package to learn its name, with tools that an index of one's own may not have.
"""

from __future__ import annotations

import html.parser
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from typing import NoReturn, TypeVar

UNREACHABLE, MISSING = 41, 46
"""Exit codes, as in lib.sh."""
TRIES = 5
T = TypeVar("T")


class Links(html.parser.HTMLParser):
    """What a project's page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps a link."""
        if tag == "a":
            self.found.append(dict(attrs).get("href") or "")


def give_up(code: int, why: str) -> NoReturn:
    """Ends with a code that says why, and a line for the log."""
    print(f"error: {why}", file=sys.stderr)
    sys.exit(code)


def opened(url: str) -> HTTPResponse:
    """The answer to one request; a name and password in the URL are sent as a header."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        give_up(MISSING, f"{shown(url)} is no address of a package index")
    where = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    handlers = []
    if parts.username is not None:
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        name, word = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        manager.add_password(None, where, name, word, is_authenticated=True)
        handlers.append(urllib.request.HTTPBasicAuthHandler(manager))
    request = urllib.request.Request(where, headers={"Accept": "text/html, */*"})  # noqa: S310  # scheme looked at above
    answer: HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=60)
    return answer


def shown(url: str) -> str:
    """A URL without name and password."""
    return re.sub("://[^/@]*@", "://", url)


def tried(url: str, use: Callable[[HTTPResponse], T]) -> T:
    """What `use` makes of an answer, tried again after a broken connection."""
    why = ""
    for left in reversed(range(TRIES)):
        try:
            with opened(url) as answer:
                return use(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                give_up(MISSING, f"{shown(url)} answers {error.code} {error.reason}")
            why = f"{error.code} {error.reason}"
        except OSError as error:
            why = str(getattr(error, "reason", error))
        print(f"{shown(url)}: {why}; {left} tries left", flush=True)
        time.sleep(2 if left else 0)
    give_up(UNREACHABLE, f"{shown(url)} does not answer: {why}")


def found(index: str, name: str, version: str) -> str:
    """The archive's URL."""
    page = f"{index.rstrip('/')}/{name}/"
    links = Links()
    links.feed(tried(page, lambda answer: answer.read().decode("utf-8", "replace")))
    wanted = re.compile(re.escape(name).replace(r"\-", "[-_.]") + "-" + re.escape(version) + r"\.tar\.gz$")
    at = urllib.parse.urlsplit(page).netloc
    for link in links.found:
        url, _ = urllib.parse.urldefrag(urllib.parse.urljoin(page, link))
        parts = urllib.parse.urlsplit(url)
        if wanted.match(parts.path.rpartition("/")[2]):
            # A password goes to the server it was given for, and to no other.
            return parts._replace(netloc=at).geturl() if parts.netloc == at.rpartition("@")[2] else url
    give_up(MISSING, f"the package index has no source of {name} {version}")


def main() -> None:
    """Fetches."""
    index, name, version, target = sys.argv[1:]

    def save(answer: HTTPResponse) -> None:
        with Path(target).open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)

    tried(found(index, name, version), save)


main()
