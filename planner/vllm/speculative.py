"""What speculative decoding adds to the last stage: weights and KV cache of whatever proposes tokens.

Source: vllm 0.33.0, config/speculative.py (methods), v1/spec_decode/llm_base_proposer.py (_maybe_share_embeddings and
_maybe_share_lm_head: proposers of a target's own checkpoint and EAGLE heads use its embedding and head),
model_executor/models/deepseek_mtp.py and qwen3_next_mtp.py, llama_eagle.py and llama_eagle3.py (fc);
v1/worker/utils.py (a proposer is loaded on the last pipeline stage).
"""

import json
from functools import lru_cache
from typing import Any, NamedTuple

from planner.model.caches import LayerCache, layer_caches
from planner.model.entry import find_model
from planner.model.shapes import Model
from planner.refusal import Refusal
from planner.split import Split
from planner.vllm.tensors import StageTensors

SETTING = "speculative_config"
WITHOUT_MODEL = ("ngram", "ngram_gpu", "suffix")
"""Methods that propose what stood in the text before."""

EXAMPLE = """such as {"method": "mtp", "num_speculative_tokens": 1}"""


class Speculative(NamedTuple):
    """Speculative decoding as the engine's arguments give it.

    Attributes:
        tokens: proposed at once.
        layers: layers of the target's own checkpoint that propose (MTP); 0 for other methods.
        draft: a model of its own that proposes.
        joined: hidden states of the target that the draft's first layer reads at once, EAGLE's beside the embedding; 0
            for a whole model, which reads tokens.
        unknown: the proposing model's name where it isn't known and not counted.
    """

    tokens: int
    layers: int = 0
    draft: Model | None = None
    joined: int = 0
    unknown: str = ""


def parse_speculative(text: str, model: Model) -> Speculative:
    """`--speculative-config`.

    Args:
        text: JSON, as vLLM takes it.
        model: the target.

    Raises:
        Refusal: `bad_argument`, or what a config.json that is named is refused for.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal("bad_argument", SETTING, "is no JSON object", EXAMPLE)
    tokens = _tokens(found, model)
    name = found.get("model")
    method = str(found.get("method") or _method_of(str(name or ""))).lower()
    if method in WITHOUT_MODEL:
        return Speculative(tokens)
    if method.endswith("mtp"):
        if not model.mtp_layers:
            raise Refusal(
                "bad_argument",
                SETTING,
                f"asks for {method[:40]}, and the model's config.json has no multi-token-prediction layers",
                """another method, such as {"method": "ngram", "num_speculative_tokens": 3}""",
            )
        return Speculative(tokens, layers=model.mtp_layers)
    if not isinstance(name, str) or not name:
        raise Refusal("bad_argument", SETTING, f"has no model for method {method[:40]!r}", f"name it in {SETTING}")
    try:
        draft = find_model(name).model
    except Refusal as refusal:
        if refusal.code != "unknown_model":
            raise
        return Speculative(tokens, unknown=name)
    joined = {"eagle": 1, "eagle3": 3}.get(method, 0)
    return Speculative(tokens, draft=draft._replace(mtp_layers=0), joined=joined)


def _method_of(name: str) -> str:
    for method in ("eagle3", "eagle"):
        if method in name.lower():
            return method
    return "draft_model" if name else ""


def _tokens(found: dict[str, Any], model: Model) -> int:
    tokens = found.get("num_speculative_tokens", model.mtp_layers or None)
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 1 <= tokens <= 128:
        raise Refusal("bad_argument", f"{SETTING}: num_speculative_tokens", f"is {str(tokens)[:40]}", EXAMPLE)
    return tokens


def _own_layer(model: Model) -> int:
    """The target's layer that its proposing layers are like: the last of full attention."""
    attending = [i for i, kind in enumerate(model.kinds) if kind not in ("linear", "none")]
    return attending[-1] if attending else model.layers - 1


@lru_cache(maxsize=1024)
def proposer_weights(model: Model, speculative: Speculative, split: Split) -> int:
    """Bytes of the proposer on each rank of the last stage."""
    unit, hidden = model.dtype_bytes, model.hidden
    total = 0
    if speculative.layers:
        lister = StageTensors(model, split._replace(pipeline=1, partition=None))
        layer = sum(t.nbytes for t in lister.layer(_own_layer(model)))
        # eh_proj joins the embedding with the hidden state; each has a norm, and the layer's end another.
        total += speculative.layers * (layer + 2 * hidden * hidden * unit + 3 * hidden * unit)
        if split.pipeline > 1:
            total += model.vocab // split.tensor * hidden * unit  # the target's embedding is on another stage
    draft = speculative.draft
    if draft is not None:
        lister = StageTensors(draft, Split(split.tensor))
        shared = ("embed_tokens", "lm_head") if speculative.joined else ()
        total += sum(t.nbytes for t in lister.stage(range(draft.layers)) if t.name not in shared)
        total += speculative.joined * hidden * draft.hidden * draft.dtype_bytes
    return total


@lru_cache(maxsize=1024)
def proposer_caches(
    model: Model, speculative: Speculative | None, tensor: int, kv_bytes: int
) -> tuple[LayerCache, ...]:
    """The caches of the proposer's layers, which follow the target's in number."""
    if speculative is None:
        return ()
    if speculative.layers:
        own = _own_layer(model)
        like = [c for c in layer_caches(model, tensor, kv_bytes) if c.layer == own and c.kind != "linear"]
        return tuple(c._replace(layer=model.layers + i) for i in range(speculative.layers) for c in like)
    if speculative.draft is None:
        return ()
    return tuple(c._replace(layer=model.layers + c.layer) for c in layer_caches(speculative.draft, tensor, kv_bytes))
