"""The weights of a deployment: the model's, and further repositories that `serving.arguments` reach by placeholders.

`{model}` and `{more.NAME}` in an argument stand for the folder of a repository on every machine; its files lie there as
on the hub. The id of a listed repository that stands in an argument by itself means the same: engines take either, and
on the machines no hub is asked (HF_HUB_OFFLINE).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.weights import WeightsArgs

if TYPE_CHECKING:
    from stacks.model_schema import Repository
    from stacks.schema import Settings

PLACEHOLDER = re.compile(r"\{(model|more\.[^{}\s\"']*)\}")
GGUF_ENGINES = ("llamacpp", "ollama")
OF_A_MODEL = re.compile(
    r"--(?:speculative-config|speculative_config|speculative-model|speculative-draft-model-path|tokenizer|lora-modules"
    r"|lora-paths|hf-config-path)(?:[ =].*)?",
    re.DOTALL,
)
"""Arguments of vLLM and SGLang that name another repository or folder."""
HUB_ID = re.compile(r"(?<![\w./{-])([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?![\w./-])")


def all_weights(settings: Settings) -> dict[str, WeightsArgs]:
    """What is fetched, by the name of its step: `weights` is the model, then `weights-NAME` each."""
    model = settings.model
    found = {"weights": _args(settings, model)}
    for more in model.more:
        own = (more.source, more.endpoint) == (model.source, model.endpoint)
        found[f"weights-{more.word}"] = _args(settings, more, belongs=True, own_hub=own)
    return found


def folders(settings: Settings) -> dict[str, str]:
    """The folder that each placeholder stands for."""
    args = list(all_weights(settings).values())
    return {
        "model": args[0].folder,
        **{f"more.{each.word}": told.folder for each, told in zip(settings.model.more, args[1:], strict=True)},
    }


def placed_arguments(settings: Settings) -> tuple[str, ...]:
    """`serving.arguments` with folders in place of placeholders and of listed ids."""
    known = folders(settings)
    ids = {settings.model.id: known["model"]} if settings.model.source != "path" else {}
    ids |= {each.id: known[f"more.{each.word}"] for each in settings.model.more if each.source != "path"}
    return tuple(_placed(word, known, ids) for word in settings.serving.arguments)


def refusals(settings: Settings) -> Iterator[str]:
    """Placeholders that name nothing, and repositories that no machine would find, one sentence each."""
    known = folders(settings)
    for word in settings.serving.arguments:
        for found in PLACEHOLDER.findall(word):
            if found not in known:
                names = ", ".join(f"{{{name}}}" for name in known)
                yield f"serving.arguments: {{{found}}} names no repository; known here: {names} (model.more lists them)"
    placed = placed_arguments(settings)
    for number, word in enumerate(placed):
        after = placed[number - 1] if number else ""
        if OF_A_MODEL.fullmatch(word) or (OF_A_MODEL.fullmatch(after) and "=" not in after):
            value = word.partition("=")[2] if word.startswith("--") else word
            for found in HUB_ID.findall(value):
                yield (
                    f"serving.arguments: {found} is asked of a hub, and engines here ask none; list it in model.more "
                    "(source and id), and its id stands for its folder"
                )


def _args(settings: Settings, told: Repository, *, belongs: bool = False, own_hub: bool = True) -> WeightsArgs:
    return WeightsArgs(
        source=told.source,
        id=told.id,
        revision=told.revision,
        endpoint=told.endpoint,
        mount_point=settings.storage.folder,
        files=told.files,
        trigger=settings.model.trigger,
        prefers="gguf" if settings.serving.engine in GGUF_ENGINES else "safetensors",
        belongs=belongs,
        own_hub=own_hub,
    )


def _placed(word: str, known: Mapping[str, str], ids: Mapping[str, str]) -> str:
    word = PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), word)
    for each, folder in ids.items():
        # By itself: no part of a longer name or path. A folder's backslashes are no references to groups.
        word = re.sub(rf"(?<![\w./-]){re.escape(each)}(?![\w./-])", folder.replace("\\", r"\\"), word)
    return word


def fetched_folders(settings: Settings) -> list[str]:
    """Folders that the deployment has made, and `model.keep` decides about."""
    told = all_weights(settings).values()
    return [args.folder for args in told if args.source != "path"]
