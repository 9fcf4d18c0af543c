"""A number with its noun, in singular or plural."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """`1 machine`, `2 machines`, `1,000 machines`; `noun` is a regular one in the singular."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
