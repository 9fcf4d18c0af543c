"""Clients of a gateway or of an engine, in a process of their own; what to do stands on standard input, JSON.

`port`, `authority` (PEM; empty without TLS), `key`, `streams` (at a time), `rounds` (streams in turn on each
connection), `tokens`, `pace` (seconds), or `requests` by `clients`.
Every client has one connection, which is warm when the clock begins, as packages with a pool have it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from typing import Any

call = json.load(sys.stdin)
CONTEXT = ssl.create_default_context(cadata=call["authority"]) if call["authority"] else None
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {call['key']}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def connect() -> Connection:
    name = "127.0.0.1" if CONTEXT else None
    return await asyncio.open_connection("127.0.0.1", call["port"], ssl=CONTEXT, server_hostname=name, limit=1 << 20)


async def whole(connection: Connection) -> bool:
    """One short request and its answer; whether it was a good one."""
    reader, writer = connection
    writer.write(request("GET", "/v1/models"))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")


async def stream(connection: Connection, delay: float) -> tuple[float, float, int]:
    """Seconds to the first token, seconds from it to the last, tokens."""
    reader, writer = connection
    body = json.dumps({"stream": True, "max_tokens": call["tokens"], "pace": call["pace"]}).encode()
    await asyncio.sleep(delay)
    began = time.perf_counter()
    writer.write(request("POST", "/v1/chat/completions", body))
    first = last = 0.0
    count = 0
    while True:
        line = await reader.readline()
        assert line, "the connection ended in the middle"
        if line.startswith(b'data: {"id"'):
            last = time.perf_counter()
            first = first or last
            count += b'"content"' in line
        elif line.startswith(b"data: [DONE]"):
            return first - began, last - first, count


async def main() -> dict[str, Any]:
    number = call.get("streams") or call["clients"]
    gate = asyncio.Semaphore(32)

    async def warm() -> Connection:
        async with gate:
            connection = await connect()
            assert await whole(connection)
            return connection

    connections = await asyncio.gather(*(warm() for _ in range(number)))
    began = time.perf_counter()
    if "streams" in call:
        spread = call["tokens"] * call["pace"] / 4 / number

        async def rounds(connection: Connection, delay: float) -> list[tuple[float, float, int]]:
            return [await stream(connection, 0 if n else delay) for n in range(call["rounds"])]

        by_connection = await asyncio.gather(*(rounds(each, spread * n) for n, each in enumerate(connections)))
        found = [each for of_one in by_connection for each in of_one]
        rates = [(tokens - 1) / seconds for _, seconds, tokens in found]
        return {"first": sorted(first for first, _, _ in found), "rate": sum(rates) / len(rates)}
    share = call["requests"] // number

    async def ask(connection: Connection) -> int:
        return sum([await whole(connection) for _ in range(share)])

    good = sum(await asyncio.gather(*(ask(each) for each in connections)))
    return {"good": good, "per_second": good / (time.perf_counter() - began)}


if __name__ == "__main__":
    json.dump(asyncio.run(main()), sys.stdout)
