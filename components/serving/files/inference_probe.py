"""What a model is for, and one request that shows whether it does that. Needs nothing but Python 3.8.

    inference_probe.py task FOLDER    one line: the task that the model's files tell of
    inference_probe.py ask            one request, its arguments as JSON on standard input (url, model, task, more of
                                      `ask`'s); prints what came of it

An answer counts by tokens made, wherever the engine puts them: models that reason leave `content` empty for long.
No proxy is asked: the URL is one of the deployment's own.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import ssl
import struct
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TASKS = ("chat", "completion", "embedding", "rerank", "transcription")
PATHS = {
    "chat": "/chat/completions",
    "completion": "/completions",
    "embedding": "/embeddings",
    "rerank": "/rerank",
    "transcription": "/audio/transcriptions",
}
"""Below the API's base, which ends in /v1."""
TOKENS = 16
"""Most that are asked for: a first word, also of a model that reasons."""
SECONDS = 120.0
GGUF_HEAD = 32 << 20
"""Bytes of a GGUF file that hold its description; a vocabulary is the longest part of it."""


def find_task(folder: Path) -> str:
    """The task that a model's files tell of: `chat` where they tell of none.

    Sources: modules.json and 1_Pooling are sentence-transformers' own; the architectures are those of transformers.
    """
    config = _read(folder / "config.json")
    names = " ".join(str(name) for name in config.get("architectures") or [])
    if "Whisper" in names or "ForSpeechSeq2Seq" in names or "ForCTC" in names:
        return "transcription"
    if "ForSequenceClassification" in names:
        return "rerank"
    if (folder / "modules.json").exists() or (folder / "1_Pooling").is_dir():
        return "embedding"
    if names and all(name.endswith(("Model", "ForMaskedLM", "ForTextEncoding")) for name in names.split()):
        return "embedding"
    if config:
        return "chat" if _has_template(folder) else "completion"
    return next(
        (_gguf_task(file) for file in sorted(folder.glob("*.gguf")) if "mmproj" not in file.name.lower()), "chat"
    )


def _has_template(folder: Path) -> bool:
    """A chat template in one of its places, or a tokenizer that has its own (Mistral's tekken)."""
    places = ("chat_template.jinja", "chat_template.json", "tekken.json", "additional_chat_templates")
    if any((folder / place).exists() for place in places):
        return True
    # DeepSeek's V3.2 and V4 write their prompts by a program of their own.
    if (folder / "encoding").is_dir():
        return True
    tokenizer = _read(folder / "tokenizer_config.json")
    return not tokenizer or bool(tokenizer.get("chat_template"))


def _gguf_task(file: Path) -> str:
    with file.open("rb") as opened:
        head = opened.read(GGUF_HEAD)
    at = head.find(b"general.architecture")
    if at < 0:
        return "chat"
    length = struct.unpack_from("<Q", head, at + 24)[0] if len(head) > at + 32 else 0
    name = head[at + 32 : at + 32 + min(length, 64)].decode(errors="replace")
    pooling = head.find(f"{name}.pooling_type".encode())
    if pooling >= 0 and head[pooling + len(name) + 17 : pooling + len(name) + 18] == b"\x04":  # LLAMA_POOLING_TYPE_RANK
        return "rerank"
    if "bert" in name or pooling >= 0:
        return "embedding"
    return "chat" if b"tokenizer.chat_template" in head else "completion"


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def request_body(task: str, model: str) -> tuple[bytes, str]:
    """A request's body, and its content type."""
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": TOKENS, "temperature": 0},
        "completion": {"prompt": "Hello, my name is", "max_tokens": TOKENS, "temperature": 0},
        "embedding": {"input": "hello"},
        "rerank": {"query": "What is hello?", "documents": ["hello is a greeting", "stones are heavy"]},
    }
    if task != "transcription":
        return json.dumps({"model": model, **bodies[task]}).encode(), "application/json"
    edge = "tandem-edge-of-a-part"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
    head += f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="tone.wav"\r\n'
    head += "Content-Type: audio/wav\r\n\r\n"
    return head.encode() + tone() + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def tone(rate: int = 16000) -> bytes:
    """One second of 440 Hz as a WAV file, 16 bits, one channel."""
    samples = b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * n / rate))) for n in range(rate))
    head = struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVEfmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(samples),
    )
    return head + samples


def made(task: str, answer: Any) -> str | None:  # noqa: ANN401  # JSON is any
    """What an answer gave, for a reader; None for one that gave nothing."""
    if not isinstance(answer, dict):
        answer = {"results": answer}  # SGLang's rerank is a list
    if task == "embedding":
        vector = ((answer.get("data") or [{}])[0] or {}).get("embedding")
        if isinstance(vector, str):
            return f"a vector of {len(base64.b64decode(vector)) // 4} numbers"
        whole = isinstance(vector, list) and vector and all(isinstance(n, (int, float)) for n in vector)
        return f"a vector of {len(vector or [])} numbers" if whole else None
    if task == "rerank":
        results = answer.get("results") or answer.get("data") or []
        scores = [r.get("relevance_score", r.get("score")) for r in results if isinstance(r, dict)]
        return f"{len(scores)} scores" if scores and all(isinstance(s, (int, float)) for s in scores) else None
    if task == "transcription":
        return f"a transcript of {len(answer['text'])} characters" if isinstance(answer.get("text"), str) else None
    choice = ((answer.get("choices") or [{}])[0]) or {}
    message = choice.get("message") or {}
    words = [message.get(name) for name in ("content", "reasoning_content", "reasoning")] + [choice.get("text")]
    said = next((str(word) for word in words if word), "")
    if message.get("tool_calls"):
        said = said or "a call of a tool"
    tokens = (answer.get("usage") or {}).get("completion_tokens") or 0
    return said or f"{tokens} tokens" if said or tokens else None


def opener(authority: str = "", server: str = "") -> urllib.request.OpenerDirector:
    """Opens URLs without any proxy.

    Args:
        authority: what certificates are verified with, PEM; empty for the system's.
        server: the name that a certificate must be for, where that isn't the URL's; empty for the URL's.
    """
    context = ssl.create_default_context(cadata=authority or None)

    class Connection(http.client.HTTPSConnection):
        def connect(self) -> None:
            http.client.HTTPConnection.connect(self)
            self.sock = context.wrap_socket(self.sock, server_hostname=server or self.host)

    class Handler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    return urllib.request.build_opener(urllib.request.ProxyHandler({}), Handler(context=context))


def ask(
    url: str,
    model: str,
    task: str,
    key: str = "",
    *,
    seconds: float = SECONDS,
    authority: str = "",
    server: str = "",
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Asks once; see `opener` for `authority` and `server`; `headers` go with the request.

    Returns:
        task: the one that was asked for; a chat becomes a completion where the model has no chat template.
        code: HTTP's; 0 where none came back.
        said: what was made, or what went wrong.
        good: whether the answer counts.
    """
    body, kind = request_body(task, model)
    sent = {"Content-Type": kind, **({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    request = urllib.request.Request(url.rstrip("/") + PATHS[task], body, sent)  # noqa: S310  # a URL of ours
    try:
        with opener(authority, server).open(request, timeout=seconds) as response:
            code, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        code, text = error.code, error.read(4000)
    except (OSError, ValueError) as error:
        return {"task": task, "code": 0, "said": str(getattr(error, "reason", error)), "good": False}
    said = text[:300].decode(errors="replace").strip()
    if task == "chat" and 400 <= code < 500 and "chat template" in text.decode(errors="replace").lower():
        more = {"seconds": seconds, "authority": authority, "server": server, "headers": headers}
        instead = ask(url, model, "completion", key, **more)  # type: ignore[arg-type]
        if instead["code"] == 200:
            return instead
    if code != 200:
        return {"task": task, "code": code, "said": said, "good": False}
    try:
        gave = made(task, json.loads(text))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        gave = None
    if gave is None:
        return {"task": task, "code": code, "said": f"the answer holds nothing of a {task}: {said}", "good": False}
    return {"task": task, "code": code, "said": gave[:300], "good": True}


def remedy(task: str, code: int, said: str) -> str:
    """What mends a request that was refused."""
    if code in (401, 403):
        return (
            "the engine asks for a key of its own, and the gateway is where the key is asked for: take --api-key and "
            "VLLM_API_KEY out of serving.*, and set apiKey"
        )
    if "chat template" in said.lower():
        return (
            "the model has no chat template: set model.task to completion, or give the engine one in "
            "serving.arguments (--chat-template)"
        )
    if code == 404 and "model" in said.lower():
        return "the engine serves another name: set model.servedName to that"
    others = ", ".join(other for other in TASKS if other != task)
    return (
        f"it was asked as a model for {task}: set model.task to what it is for ({others}), and in serving.arguments "
        "what the engine needs for that"
    )


def main(words: list[str]) -> int:
    """Reads the arguments."""
    if words[:1] == ["task"]:
        print(find_task(Path(words[1])))
        return 0
    call = json.load(sys.stdin)
    more = {name: call[name] for name in ("key", "seconds", "authority", "server") if name in call}
    print(json.dumps(ask(call["url"], call["model"], call["task"], **more)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
