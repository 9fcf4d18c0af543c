"""Clients that keep a deployment full: streams of varied lengths, some of which hang up in the middle."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

WORDS = (
    "one",
    "machine",
    "serves",
    "a",
    "model",
    "and",
    "another",
    "holds",
    "its",
    "second",
    "half",
    "while",
    "tokens",
)


@dataclass
class Counted:
    """What became of the requests; tokens are chunks of streams with words in them."""

    whole: int = 0
    hung_up: int = 0
    tokens: int = 0
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Load:
    """Runs from when it is made until `end`, or until its bounds.

    Args:
        outputs: the stack's.
        model: its served name.
        clients: streams at a time.
        seconds: for how long, at most.
        requests: how many of them, at most.
        longest: tokens of the longest prompt and of the longest answer; both together fit the model.
        hang_up: one in so many goes away in the middle; 0 for none.
        seed: of the lengths.
    """

    def __init__(
        self,
        outputs: dict[str, Any],
        model: str,
        *,
        clients: int,
        seconds: float,
        requests: int,
        longest: tuple[int, int],
        hang_up: int = 0,
        seed: int = 1,
    ) -> None:
        self.key, self.model, self.longest, self.hang_up = outputs["apiKey"], model, longest, hang_up
        self.url = urllib.parse.urlsplit(outputs["apiUrl"])
        self.context = ssl.create_default_context(cadata=outputs["apiCa"])
        self.left, self.until = requests, time.monotonic() + seconds
        self.random, self.lock, self.counted = random.Random(seed), threading.Lock(), Counted()  # noqa: S311  # lengths
        self.clients = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for client in self.clients:
            client.start()

    def end(self) -> Counted:
        """No new requests; what became of all."""
        with self.lock:
            self.left = 0
        for client in self.clients:
            client.join(600)
            assert not client.is_alive(), "a stream has not ended in ten minutes"
        return self.counted

    def _client(self) -> None:
        while (request := self._next()) is not None:
            began = time.monotonic()
            try:
                hung_up = self._stream(*request)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                with self.lock:
                    self.counted.failed.append(f"after {time.monotonic() - began:.1f} s: {error!r}")
                time.sleep(1)
                continue
            with self.lock:
                self.counted.hung_up += hung_up
                self.counted.whole += not hung_up
                if not hung_up:
                    self.counted.seconds.append(time.monotonic() - began)

    def _next(self) -> tuple[str, int, int] | None:
        """Prompt, tokens asked for, and after how many of them the client goes away, 0 for never; None: no more."""
        with self.lock:
            if self.left <= 0 or time.monotonic() > self.until:
                return None
            self.left -= 1
            length = self.random.randint(4, self.longest[0])
            # The first words differ, so that most prompts aren't found in the prefix cache.
            prompt = " ".join([str(self.random.random()), *self.random.choices(WORDS, k=length)])
            tokens = self.random.randint(8, self.longest[1])
            leaves = self.hang_up and self.random.randrange(self.hang_up) == 0
            return prompt, tokens, tokens // 2 if leaves else 0

    def _stream(self, prompt: str, tokens: int, leaves: int) -> bool:
        """Whether it went away in the middle; raises AssertionError for any answer but a whole one."""
        connection = http.client.HTTPSConnection(self.url.netloc, context=self.context, timeout=600)
        try:
            body = {
                "model": self.model,
                "prompt": prompt,
                "max_tokens": tokens,
                "temperature": 0,
                "ignore_eos": True,
                "stream": True,
            }
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
            connection.request("POST", f"{self.url.path}/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            assert answer.status == 200, f"{answer.status}: {answer.read()[:300]!r}"
            got = 0
            for line in answer:
                if line.startswith(b"data: [DONE]"):
                    return False
                got += line.startswith(b"data: {")
                with self.lock:
                    self.counted.tokens += line.startswith(b"data: {")
                if leaves and got >= leaves:
                    return True
            raise AssertionError("the stream ended in the middle")
        finally:
            connection.close()
