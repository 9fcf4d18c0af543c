"""What a machine was asked and answered: the proof that a machine of which nothing is found was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Examined:
    """A machine.

    Attributes:
        name: in the settings.
        facts: names of the facts that it told (`files/machine_state.py`); none where it did not answer.
    """

    name: str
    facts: tuple[str, ...] = ()
