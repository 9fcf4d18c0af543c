"""Models by name: the deciding keys of their config.json, and the size of their weights (`data/models.yaml`)."""

from functools import cache
from typing import Any, NamedTuple

from planner.catalog.table import entries


class CatalogModel(NamedTuple):
    """A model of the catalog.

    Attributes:
        id: owner/name on the hubs.
        weights_gb: 10^9 bytes of the weights' files.
        config: keys of its config.json; on top of `base`'s where there is one.
        base: another entry, whose config is taken first.
        variants: other quantizations of the same model that a refusal may name.
        unquantized_routers: `modules_to_not_convert` names every layer's `mlp.gate`.
        gguf_gb: 10^9 bytes of the GGUF files, by quantization, where they are known.
    """

    id: str
    weights_gb: float
    config: dict[str, Any]
    base: str | None = None
    variants: tuple[str, ...] = ()
    unquantized_routers: bool = False
    gguf_gb: dict[str, float] | None = None


def models() -> dict[str, CatalogModel]:
    """Every model of the catalog by its short name."""
    return entries("models", CatalogModel)


@cache
def model_config(name: str) -> dict[str, Any]:
    """The config.json values of a model of the catalog, by its short name."""
    entry = models()[name]
    config = {**(model_config(entry.base) if entry.base else {}), **entry.config}
    if entry.unquantized_routers:
        routers = [f"model.layers.{i}.mlp.gate" for i in range(config["num_hidden_layers"])]
        given = config["quantization_config"]
        listed = [*given["modules_to_not_convert"], *routers]
        config["quantization_config"] = {**given, "modules_to_not_convert": listed}
    return config
