"""Mistakes in settings, each with its remedy also as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

Changes = Mapping[str, Any]
"""Settings by path, such as `serving.tensorParallelSize`, and what to set each to; None takes it out."""


class Mistake(ValueError):
    """What settings can't be together: `setting: reason; remedy`.

    Attributes:
        changes: the remedy for programs; empty where no single value mends it.
    """

    def __init__(self, text: str, changes: Changes | None = None) -> None:
        self.changes = dict(changes or {})
        super().__init__(text)


class SettingsError(pulumi.RunError):
    """The settings don't hold. Shown by Pulumi as it is, without a traceback.

    Attributes:
        changes: the remedy for programs: settings by path, and what to set each to; None takes one out. Empty where no
            single value mends it.
    """

    def __init__(self, text: str, changes: Changes | None = None) -> None:
        super().__init__(text)
        self.changes = dict(changes or {})
