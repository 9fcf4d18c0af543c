"""The weights of a deployment: the model's, and further repositories that `serving.arguments` reach by placeholders.

`{model}` and `{more.NAME}` in an argument stand for the folder of a repository on every machine; its files lie there as
on the hub. The id of a listed repository that stands in an argument by itself means the same: engines take either, and
on the machines no hub is asked (HF_HUB_OFFLINE).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from components.weights import WeightsArgs
from stacks.settings.engine_words import engine_words
from stacks.settings.model import Repository
from stacks.settings.stack import Settings

PLACEHOLDER = re.compile(r"\{(model|more\.[^{}\s\"']*)\}")
GGUF_ENGINES = ("llamacpp", "ollama")


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
        **{f"more.{each.word}": own.folder for each, own in zip(settings.model.more, args[1:], strict=True)},
    }


def placed_arguments(settings: Settings) -> tuple[str, ...]:
    """The engine's arguments with folders in place of placeholders and of listed ids."""
    known = folders(settings)
    ids = {settings.model.id: known["model"]} if settings.model.source != "path" else {}
    ids |= {each.id: known[f"more.{each.word}"] for each in settings.model.more if each.source != "path"}
    return tuple(_placed(word, known, ids) for word in engine_words(settings))


def _args(settings: Settings, repository: Repository, *, belongs: bool = False, own_hub: bool = True) -> WeightsArgs:
    return WeightsArgs(
        **{field: getattr(repository, field) for field in Repository.model_fields},
        mount_point=settings.storage.folder,
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
    return [args.folder for args in all_weights(settings).values() if args.source != "path"]
