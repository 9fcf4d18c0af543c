"""Numbers of things, in singular and plural."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 machine`, `2 machines`: a number and what is counted, a regular noun in the singular."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
