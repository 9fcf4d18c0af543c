"""Takes a stack's secrets out of what is printed about it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from components.alicloud.account import KEYS
from stacks.doctor.examined import Examined
from stacks.doctor.finding import Finding
from stacks.doctor.stack import Stack
from stacks.settings.secrecy import HIDDEN

SHORTEST = 6
"""Characters: a shorter secret is a word that stands everywhere."""
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
BEARER = re.compile(
    r"(?i)(bearer\s+|api[_-]?key[\"':= ]+|authorization[\"':= ]+|password[\"':= ]+|token[\"':= ]+)([^\s\"',;]{8,})"
)
IN_URL = re.compile(r"(://[^/\s:@]+:)[^/\s:@]+@")


class Redaction:
    """Knows a stack's secrets: those of its settings and state, and the account's keys in the environment."""

    def __init__(self, stack: Stack) -> None:
        keys = {os.environ[name] for pair in KEYS for name in pair if os.environ.get(name)}
        words = {word for word in stack.secrets - stack.clear if len(word) >= SHORTEST} | keys
        lines = {line.strip() for word in words if "\n" in word for line in word.splitlines() if len(line.strip()) > 20}
        spelled = {
            form
            for word in words | lines
            for form in (word, json.dumps(word)[1:-1], shlex.quote(word)[1:-1], quote(word, safe=""))
        }
        self._words = sorted((form for form in spelled if len(form) >= SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without them, and without what looks like one."""
        text = PRIVATE_KEY.sub(HIDDEN, text)
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return IN_URL.sub(rf"\1{HIDDEN}@", BEARER.sub(rf"\1{HIDDEN}", text))

    def of_findings(self, findings: Sequence[Finding]) -> list[Finding]:
        """Findings without them."""
        return [
            dataclasses.replace(
                each, where=self._plain(each.where), cause=self._plain(each.cause), remedy=self._plain(each.remedy)
            )
            for each in findings
        ]

    def of_machines(self, machines: Sequence[Examined]) -> list[Examined]:
        """Machines without them, for a name may be one."""
        return [dataclasses.replace(each, name=self._plain(each.name)) for each in machines]

    def _plain(self, text: str) -> str:
        """Our own sentences: by the secrets themselves, for a remedy may name a token."""
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return text
