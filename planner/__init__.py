"""Does a model fit, how is it split, what does it cost, when does it answer: pure Python, no Pulumi."""

from planner.cluster import Cluster, owned, processors, rented, uneven
from planner.model.entry import find_model
from planner.plan import Plan, PlanRequest
from planner.refusal import Change, Refusal
from planner.render import render
from planner.search import plan, plans
from planner.timeline import Start

__all__ = [
    "Change",
    "Cluster",
    "Plan",
    "PlanRequest",
    "Refusal",
    "Start",
    "find_model",
    "owned",
    "plan",
    "plans",
    "processors",
    "render",
    "rented",
    "uneven",
]
