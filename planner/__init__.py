"""Does a model fit, how is it split, what does it cost, when does it answer: pure Python, no Pulumi.

This is the public surface: the rest of the repository imports from here.
"""

from planner.catalog.device import device
from planner.cluster import Cluster, owned, processors, rented, uneven
from planner.engine import Engine
from planner.llamacpp.estimate import OffloadEstimate
from planner.llamacpp.offload import llamacpp_flags, ollama_parameters
from planner.model.entry import ModelEntry, catalog_model, find_model
from planner.model.gguf import gguf_model
from planner.parallelism import (
    check_nodes,
    check_one_machine,
    check_processor_experts,
    check_rpc_devices,
    check_world_size,
    nearest_split,
    place_copies,
)
from planner.plan import Plan
from planner.refusal import Change, Refusal, Unplanned
from planner.render import render
from planner.request import PlanRequest
from planner.search import apply_changes, check_model_split, find_plans, plan
from planner.split import PARTITION, Split
from planner.timeline import Installs, Start
from planner.vllm.estimate import ReservedEstimate
from planner.vllm.flags import counted_flags, flag, from_flags

__all__ = [
    "PARTITION",
    "Change",
    "Cluster",
    "Engine",
    "Installs",
    "ModelEntry",
    "OffloadEstimate",
    "Plan",
    "PlanRequest",
    "Refusal",
    "ReservedEstimate",
    "Split",
    "Start",
    "Unplanned",
    "apply_changes",
    "catalog_model",
    "check_model_split",
    "check_nodes",
    "check_one_machine",
    "check_processor_experts",
    "check_rpc_devices",
    "check_world_size",
    "counted_flags",
    "device",
    "find_model",
    "find_plans",
    "flag",
    "from_flags",
    "gguf_model",
    "llamacpp_flags",
    "nearest_split",
    "ollama_parameters",
    "owned",
    "place_copies",
    "plan",
    "processors",
    "render",
    "rented",
    "uneven",
]
