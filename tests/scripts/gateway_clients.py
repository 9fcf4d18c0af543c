"""One client package against a gateway, in an environment of its own.

    gateway_clients.py CLIENT    the call on standard input, JSON: `url` (ending in /v1), `key`

What came of each case is JSON on standard output: a text, or an exception's class.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from typing import Any

call = json.load(sys.stdin)
URL, KEY = call["url"], call["key"]
MODEL, WRONG = "stand-in", "wrong" * 8
IMAGE = "data:image/png;base64," + base64.b64encode(b"\0" * (15 << 20)).decode()
"""20 MB as they are sent."""
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
PICTURE: list[Any] = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}]
TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SLOW = {"pace": 1.0}
Cases = dict[str, Callable[[], Any]]


def openai() -> Cases:
    import openai

    def client(key: str = KEY) -> openai.OpenAI:
        return openai.OpenAI(base_url=URL, api_key=key, max_retries=0)

    def ask(messages: list[Any] = HELLO, key: str = KEY, **more: Any) -> Any:
        return client(key).chat.completions.create(model=MODEL, messages=messages, **more)

    def abort() -> str:
        stream = ask(stream=True, max_tokens=50, extra_body=SLOW)
        next(iter(stream))
        stream.close()
        return "closed"

    return {
        "chat": lambda: ask().choices[0].message.content,
        "stream": lambda: "".join(part.choices[0].delta.content or "" for part in ask(stream=True)),
        "abort": abort,
        "wrong key": lambda: ask(key=WRONG),
        "wrong key, image": lambda: ask(PICTURE, WRONG),
        "image": lambda: ask(PICTURE).choices[0].message.content,
        "tools": lambda: ask(tools=[TOOL]).choices[0].message.tool_calls[0].function.name,
        "no such path": lambda: client().embeddings.create(model=MODEL, input="x"),
        "request id": lambda: bool(ask()._request_id),
    }


def anthropic() -> Cases:
    import anthropic

    def client(key: str = KEY, **more: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=URL.removesuffix("/v1"), api_key=key, max_retries=0, **more)

    def ask(messages: list[Any] = HELLO, key: str = KEY, **more: Any) -> Any:
        return client(key).messages.create(model=MODEL, max_tokens=3, messages=messages, **more)

    def stream() -> str:
        with client().messages.stream(model=MODEL, max_tokens=3, messages=HELLO) as events:
            return "".join(events.text_stream)

    def abort() -> str:
        events = client().messages.create(model=MODEL, max_tokens=50, messages=HELLO, stream=True, extra_body=SLOW)
        next(iter(events))
        events.close()
        return "closed"

    source = {"type": "base64", "media_type": "image/png", "data": IMAGE.partition(",")[2]}
    picture: list[Any] = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    tool: Any = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
    return {
        "chat": lambda: ask().content[0].text,
        "stream": stream,
        "abort": abort,
        "wrong key": lambda: ask(key=WRONG),
        "wrong key, image": lambda: ask(picture, WRONG),
        "image": lambda: ask(picture).content[0].text,
        "tools": lambda: ask(tools=[tool]).content[0].name,
        "count": lambda: client().messages.count_tokens(model=MODEL, messages=HELLO).input_tokens,
        "bearer": lambda: (
            anthropic.Anthropic(base_url=URL.removesuffix("/v1"), auth_token=KEY, max_retries=0)
            .messages.create(model=MODEL, max_tokens=3, messages=HELLO)
            .content[0]
            .text
        ),
    }


def litellm() -> Cases:
    import litellm

    def ask(messages: list[Any] = HELLO, key: str = KEY, **more: Any) -> Any:
        return litellm.completion(
            f"openai/{MODEL}", messages=messages, base_url=URL, api_key=key, max_retries=0, **more
        )

    async def aborted() -> str:
        stream = await litellm.acompletion(
            f"openai/{MODEL}", messages=HELLO, base_url=URL, api_key=KEY, stream=True, max_tokens=50, extra_body=SLOW
        )
        async for _ in stream:
            break
        await stream.aclose()
        return "closed"

    return {
        "chat": lambda: ask().choices[0].message.content,
        "stream": lambda: "".join(part.choices[0].delta.content or "" for part in ask(stream=True)),
        "abort": lambda: asyncio.run(aborted()),
        "wrong key": lambda: ask(key=WRONG),
        "wrong key, image": lambda: ask(PICTURE, WRONG),
        "image": lambda: ask(PICTURE).choices[0].message.content,
        "tools": lambda: ask(tools=[TOOL]).choices[0].message.tool_calls[0].function.name,
    }


def langchain() -> Cases:
    from langchain_openai import ChatOpenAI

    def model(key: str = KEY, **more: Any) -> ChatOpenAI:
        return ChatOpenAI(model=MODEL, base_url=URL, api_key=key, max_retries=0, **more)

    def abort() -> str:
        parts = model(max_tokens=50, extra_body=SLOW).stream("hello")
        next(parts)
        parts.close()
        return "closed"

    return {
        "chat": lambda: model().invoke("hello").content,
        "stream": lambda: "".join(str(part.content) for part in model().stream("hello")),
        "abort": abort,
        "wrong key": lambda: model(WRONG).invoke("hello"),
        "wrong key, image": lambda: model(WRONG).invoke(PICTURE),
        "image": lambda: model().invoke(PICTURE).content,
        "tools": lambda: model().bind_tools([TOOL]).invoke("hello").tool_calls[0]["name"],
    }


def httpx() -> Cases:
    import httpx

    body = json.dumps({"model": MODEL, "messages": HELLO}).encode()

    def send(content: Any = body, key: str = KEY) -> httpx.Response:
        return httpx.post(f"{URL}/chat/completions", content=content, headers={"Authorization": f"Bearer {key}"})

    def parts() -> Any:
        yield body[:5]
        yield body[5:]

    def stream(**more: Any) -> str:
        request = {"stream": True, **more}
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.stream("POST", f"{URL}/chat/completions", json=request, headers=headers, timeout=30) as answer:
            if more:
                next(answer.iter_lines())
                return "closed"
            return "[DONE]" if "[DONE]" in answer.read().decode() else "cut"

    picture = json.dumps({"model": MODEL, "messages": PICTURE}).encode()
    return {
        "chat": lambda: send().json()["choices"][0]["message"]["content"],
        "stream": stream,
        "abort": lambda: stream(max_tokens=50, **SLOW),
        "chunked": lambda: send(parts()).json()["choices"][0]["message"]["content"],
        "wrong key": lambda: send(key=WRONG).status_code,
        "wrong key, image": lambda: send(picture, WRONG).status_code,
        "image": lambda: send(picture).json()["choices"][0]["message"]["content"],
    }


def main(name: str) -> None:
    """Runs every case of a client."""
    found = {}
    for case, work in globals()[name]().items():
        try:
            found[case] = work()
        except Exception as error:  # the class is what the test looks at
            found[case] = type(error).__name__ if "ssl" not in str(error).lower() else f"{type(error)}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
