"""Does a model fit, how is it split, what does it cost, when does it answer: pure Python, no Pulumi."""

from planner.refusal import Change, Refusal

__all__ = ["Change", "Refusal"]
