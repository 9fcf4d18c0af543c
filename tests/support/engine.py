"""A stand-in engine that speaks HTTP/1.1 as engines do: OpenAI's and Anthropic's API, tokens at a given pace.

It says what it was asked (`GET /_engine`), and which requests were cancelled. Answers are made by what a request's JSON
holds: `stream`, `max_tokens` (how many), `pace` (seconds between two), `die_after` (tokens until the
connection is reset), `silent` (seconds before anything), `tools`.

    python -m tests.support.engine PORT
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import threading
from collections.abc import Coroutine
from typing import Any

MODEL = "stand-in"


class Engine:
    """Attributes: what it was asked, and what became of it."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.port = 0

    async def serve(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=4096, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        if headers.get("upgrade", "").lower() == "websocket":
            await self._websocket(headers, reader, writer, target)
            return False
        body = await self._body(reader, headers)
        path = target.partition("?")[0]
        if path != "/_engine":
            self.requests.append({"method": method, "target": target, "headers": headers, "bytes": len(body)})
        try:
            wanted = json.loads(body) if body else {}
        except ValueError:
            wanted = {}
        work = asyncio.ensure_future(self._answer(path, wanted if isinstance(wanted, dict) else {}, headers, writer))
        gone = asyncio.ensure_future(reader.read(1))  # nobody pipelines: the end of the connection, or a next request
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            if gone.done() and gone.result():
                reader._buffer[:0] = gone.result()  # type: ignore[attr-defined]  # put back
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            work.result()
            return not (gone.done() and not gone.cancelled() and not gone.result())
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        self.cancelled.append(target)
        return False

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)

    async def _answer(
        self, path: str, wanted: dict[str, Any], headers: dict[str, str], writer: asyncio.StreamWriter
    ) -> None:
        await asyncio.sleep(wanted.get("silent", 0))
        if path == "/_engine":
            _whole(writer, 200, {"asked": self.requests, "cancelled": self.cancelled})
        elif path == "/metrics":
            _whole(writer, 200, "vllm:num_requests_running 0\n", "text/plain")
        elif path == "/health":
            _whole(writer, 200, "", "text/plain")
        elif path == "/v1/models":
            _whole(writer, 200, {"object": "list", "data": [{"id": MODEL, "object": "model"}], "headers": headers})
        elif path == "/v1/messages":
            await _anthropic(wanted, writer)
        elif path == "/v1/messages/count_tokens":
            _whole(writer, 200, {"input_tokens": 3})
        elif path in ("/v1/chat/completions", "/v1/completions"):
            await _openai(wanted, writer)
        elif path == "/v1/audio/transcriptions":
            _whole(writer, 200, {"text": "hello"})
        else:
            _whole(writer, 404, {"error": {"message": f"the engine has no {path}", "type": "NotFoundError"}})
        await writer.drain()

    async def _websocket(
        self, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str
    ) -> None:
        """Sends back what it gets, frame for frame (RFC 6455); short frames only."""
        self.requests.append({"method": "GET", "target": target, "headers": headers, "bytes": 0})
        magic = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest()).decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        while True:
            first, second = await reader.readexactly(2)
            mask, data = await reader.readexactly(4), await reader.readexactly(second & 127)
            plain = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
            writer.write(bytes([first, len(plain)]) + plain)
            await writer.drain()


def _whole(writer: asyncio.StreamWriter, code: int, body: object, kind: str = "application/json") -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    more = "Access-Control-Allow-Origin: *\r\nServer: uvicorn\r\n"
    writer.write(
        f"HTTP/1.1 {code} X\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(data)}\r\n\r\n".encode() + data
    )


async def _stream(wanted: dict[str, Any], writer: asyncio.StreamWriter, events: list[bytes]) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for number, event in enumerate(events):
        if number == wanted.get("die_after"):
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        if number < len(events) - 1:
            await asyncio.sleep(wanted.get("pace", 0.0))
    writer.write(b"0\r\n\r\n")


def _event(body: dict[str, Any], name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(body).encode() + b"\n\n"


async def _openai(wanted: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    count, base = wanted.get("max_tokens") or 3, {"id": "chatcmpl-1", "created": 1, "model": MODEL}
    if not wanted.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": "word " * count}
        if wanted.get("tools"):
            call = {"name": wanted["tools"][0]["function"]["name"], "arguments": "{}"}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            }
        choice = {"index": 0, "message": message, "text": "word " * count, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
        _whole(writer, 200, {**base, "object": "chat.completion", "choices": [choice], "usage": usage})
        return
    chunk = {**base, "object": "chat.completion.chunk"}
    word = {"index": 0, "delta": {"role": "assistant", "content": "word "}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [_event({**chunk, "choices": [word]})] * count
    await _stream(wanted, writer, [*events, _event({**chunk, "choices": [last]}) + b"data: [DONE]\n\n"])


async def _anthropic(wanted: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    count = wanted.get("max_tokens") or 3
    usage = {"input_tokens": 1, "output_tokens": count}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
        "content": [{"type": "text", "text": "word " * count}],
    }
    if wanted.get("tools"):
        message["stop_reason"] = "tool_use"
        message["content"] = [{"type": "tool_use", "id": "toolu_1", "name": wanted["tools"][0]["name"], "input": {}}]
    if not wanted.get("stream"):
        _whole(writer, 200, message)
        return
    start = {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
    ends: list[dict[str, Any]] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    events: list[dict[str, Any]] = [start, block, *[delta] * count, *ends]
    await _stream(wanted, writer, [_event(event, str(event["type"])) for event in events])


class RunningEngine(Engine):
    """The engine in a thread of the test's own."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = self._do(self.serve(port))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def close(self) -> None:
        async def end() -> None:
            self.server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()

        self._do(end())
        self.loop.call_soon_threadsafe(self.loop.stop)


async def main(port: int) -> None:
    server = await Engine().serve(port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
