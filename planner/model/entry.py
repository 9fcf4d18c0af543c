"""Models of the catalog, and a model wherever it is: a name, a config.json, a folder with weights."""

import os
from functools import cache
from typing import NamedTuple

from planner.catalog.models import model_config, models
from planner.close_matches import close_matches
from planner.model.config import find_record, load_config, parse_model
from planner.model.safetensors import folder_bytes
from planner.model.shapes import Model
from planner.refusal import Refusal


class ModelEntry(NamedTuple):
    """A model and how many bytes a download of it has.

    Attributes:
        name: short name, or the path it was read from.
        model: its shapes.
        download_bytes: of the weights, exact where the files or their index are there; None when unknown.
        variants: other quantizations of the same model, by name.
        hub_id: owner/name on the hubs, where the catalog has it.
        estimated: `download_bytes` is made from shapes and a quantization's usual width.
    """

    name: str
    model: Model
    download_bytes: int | None
    variants: tuple[str, ...] = ()
    hub_id: str | None = None
    estimated: bool = False


@cache
def catalog_model(name: str) -> ModelEntry:
    """A model of the catalog by its short name or its hub's id, in any case, under any owner: hubs mirror each other.

    Raises:
        Refusal: `unknown_model`.
    """
    wanted = name.lower()
    own = wanted.rsplit("/", 1)[-1]
    for short, entry in models().items():
        if own in (short, entry.id.rsplit("/", 1)[-1].lower()):
            model = parse_model(model_config(short))
            return ModelEntry(short, model, int(entry.weights_gb * 1e9), entry.variants, entry.id)
    near = close_matches(wanted, models(), n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}? Or give" if near else "give"
    raise Refusal("unknown_model", "model", f"{name[:60]!r} isn't in the catalog", f"{remedy} its config.json's path")


def find_model(name: str) -> ModelEntry:
    """A model by the name of the catalog, or by the path of its config.json or folder.

    Raises:
        Refusal: what `catalog_model`, `load_config` and `parse_model` refuse.
    """
    from pathlib import Path

    path = Path(name)
    # Unlike Path.is_dir, this takes any text.
    is_folder = os.path.isdir(name)  # noqa: PTH112
    if "\0" not in name and (path.suffix == ".json" or is_folder):
        folder = path if is_folder else path.parent
        return ModelEntry(name, parse_model(load_config(path), find_record(path)), folder_bytes(folder))
    return catalog_model(name)
