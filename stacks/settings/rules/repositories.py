"""Repositories that the engine's arguments name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings
from stacks.settings.weights import PLACEHOLDER, folders, placed_arguments

OF_A_MODEL = re.compile(
    r"--(?:speculative-config|speculative_config|speculative-model|speculative-draft-model-path|tokenizer|lora-modules"
    r"|lora-paths|hf-config-path)(?:[ =].*)?",
    re.DOTALL,
)
"""Arguments of vLLM and SGLang that name another repository or folder."""
HUB_ID = re.compile(r"(?<![\w./{-])([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?![\w./-])")


def repository_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Placeholders that name nothing, and repositories that no machine would find."""
    known = folders(settings)
    for word in settings.serving.arguments:
        for found in PLACEHOLDER.findall(word):
            if found not in known:
                names = ", ".join(f"{{{name}}}" for name in known)
                yield Mistake(
                    f"serving.arguments: {{{found}}} names no repository; known here: {names} (model.more lists them)"
                )
    placed = placed_arguments(settings)
    for number, word in enumerate(placed):
        after = placed[number - 1] if number else ""
        if OF_A_MODEL.fullmatch(word) or (OF_A_MODEL.fullmatch(after) and "=" not in after):
            value = word.partition("=")[2] if word.startswith("--") else word
            for found in HUB_ID.findall(value):
                yield Mistake(
                    f"serving.arguments: {found} is asked of a hub, and engines here ask none; list it in model.more "
                    "(source and id), and its id stands for its folder"
                )
