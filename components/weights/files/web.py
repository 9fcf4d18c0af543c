"""HTTP for one thread: connections kept open, redirects followed, the user's proxies used. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

AGENT = "tandem"
REDIRECTS = 5
TRIES = int(os.environ.get("DOWNLOAD_TRIES", "8"))
"""So many in a row without a byte, over about a minute, and the other side counts as gone."""
PAUSE_LONGEST = 30.0
"""Seconds between two tries, at most; a hub's own Retry-After is believed up to twice that."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that another try may mend."""
BROKEN = (OSError, http.client.HTTPException)
"""What a cut, silent or refused connection raises."""


class Refusal(Exception):
    """The server answered, and not with what was asked for."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, url: str = "") -> None:
        """`url`: what gave the answer, after redirects."""
        super().__init__(f"HTTP {status}")
        self.status, self.body, self.url = status, body, url
        self.headers = {name.title(): value for name, value in headers.items()}

    @property
    def passing(self) -> bool:
        """Whether another try may help."""
        return self.status in PASSING


def same_host(url: str, other: str) -> bool:
    """Whether what was meant for one URL's host may be sent to the other's: the same host and port, never from https
    to http; from http to https at their own ports, as hubs send on who forgot the s (as in the requests library).
    """
    one, two = urlsplit(url), urlsplit(other)
    if (one.hostname or "").rstrip(".") != (two.hostname or "").rstrip("."):
        return False
    if (one.scheme, two.scheme) == ("http", "https"):
        return one.port in (None, 80) and two.port in (None, 443)
    default = 443 if one.scheme == "https" else 80
    return one.scheme == two.scheme and (one.port or default) == (two.port or default)


def pause(failures: int, error: Exception | None = None) -> None:
    """Waits before the next try: half a second, doubled with each failure, or as the server asks."""
    wanted = min(0.25 * 2**failures, PAUSE_LONGEST)
    if isinstance(error, Refusal):
        after = error.headers.get("Retry-After", "")
        wanted = max(wanted, min(float(after), 2 * PAUSE_LONGEST)) if after.isdigit() else wanted
    time.sleep(wanted)


class Web:
    """The connections of one thread; not to be shared."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds without a byte after which a connection counts as broken."""
        self.timeout = timeout
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def ask(
        self, url: str, headers: Mapping[str, str], *, body: bytes | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        """The answer, unread, and the URL that gave it. Another host gets no credentials of the first.

        Raises:
            Refusal: any status but 2xx, with the body's first 4 KiB.
            OSError, http.client.HTTPException: the connection broke.
        """
        sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        for _ in range(REDIRECTS + 1):
            place = urlsplit(url)
            connection = self._connection(place)
            target = (place.path or "/") + (f"?{place.query}" if place.query else "")
            if not isinstance(connection, http.client.HTTPSConnection) and _proxy(place):
                target = url
            try:
                connection.request("GET" if body is None else "POST", target, body=body, headers=sent)
                answer = connection.getresponse()
            except BROKEN:
                self.forget(url)
                raise
            if answer.status in (301, 302, 303, 307, 308) and answer.getheader("Location"):
                answer.read()
                before, url = url, urljoin(url, answer.headers["Location"])
                if not same_host(before, url):
                    sent = {name: value for name, value in sent.items() if name not in ("Authorization", "Cookie")}
                continue
            if not 200 <= answer.status < 300:
                body = answer.read(4096)
                self.forget(url)
                raise Refusal(answer.status, dict(answer.headers), body, url)
            return answer, url
        raise Refusal(310, {}, b"too many redirects", url)

    def json(self, url: str, headers: Mapping[str, str], *, body: bytes | None = None, tries: int = TRIES) -> Any:  # noqa: ANN401  # as json.loads
        """A whole answer as JSON; a broken connection and a passing refusal are tried again.

        Raises:
            Refusal: the server's last word.
            OSError, http.client.HTTPException: the server wasn't reached, or cut each answer short.
        """
        for failures in range(1, tries + 1):
            try:
                return json.loads(self.ask(url, headers, body=body)[0].read())
            except (*BROKEN, Refusal, ValueError) as error:
                self.forget(url)
                if failures == tries or (isinstance(error, Refusal) and not error.passing):
                    raise
                print(f"{url}: {type(error).__name__}: {error}; trying again", flush=True)
                pause(failures, error)
        raise AssertionError("the last try returns or raises")

    def forget(self, url: str) -> None:
        """Closes the connection to a URL's host: what is left of its answer is not wanted."""
        place = urlsplit(url)
        connection = self._open.pop((place.scheme, place.netloc), None)
        if connection:
            connection.close()

    def close(self) -> None:
        """Closes all connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, place: SplitResult) -> http.client.HTTPConnection:
        key = (place.scheme, place.netloc)
        if key not in self._open:
            self._open[key] = _connect(place, self.timeout)
        return self._open[key]


def _proxy(place: SplitResult) -> str | None:
    proxy = getproxies().get(place.scheme)
    return proxy if proxy and not proxy_bypass(place.hostname or "") else None


def _connect(place: SplitResult, timeout: float) -> http.client.HTTPConnection:
    proxy = _proxy(place)
    by = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else place
    default = 443 if by.scheme == "https" else 80
    if place.scheme != "https":
        return http.client.HTTPConnection(by.hostname or "", by.port or default, timeout=timeout)
    secure = http.client.HTTPSConnection(
        by.hostname or "", by.port or default, timeout=timeout, context=ssl.create_default_context()
    )
    if proxy:
        secure.set_tunnel(place.hostname or "", place.port or 443)
    return secure
