"""Typed reading of a config.json: every wrong value becomes a refusal that names its key."""

from __future__ import annotations

from typing import Any

from planner.refusal import Refusal

LARGEST = 2**31
"""No size in a model's config is larger; a larger one is a mistake that would only make a meaningless plan."""


class Fields:
    """One JSON object, read key by key."""

    def __init__(self, values: dict[str, Any], where: str = "config.json") -> None:
        self.values = values
        self.where = where

    def size(self, *keys: str, default: int | None = None) -> int:
        """The first of `keys` that is there, a whole number of 1 or more.

        Raises:
            Refusal: `bad_config` when none is there and there is no default, or it is no size.
        """
        for key in keys:
            if self.values.get(key) is not None:
                return self._whole(key, 1)
        if default is None:
            raise Refusal(
                "bad_config", f"{self.where}: {keys[0]}", "is missing", "download config.json of the model again"
            )
        return default

    def count(self, key: str, default: int = 0) -> int:
        """A whole number of 0 or more."""
        return default if self.values.get(key) is None else self._whole(key, 0)

    def optional(self, key: str) -> int | None:
        """A size, or None when the key is missing or null."""
        return None if self.values.get(key) is None else self._whole(key, 1)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def says(self, trait: bool | str, default: bool = False) -> bool:
        """A trait that is true, false, or the key that says so."""
        return self.flag(trait, default) if isinstance(trait, str) else trait

    def sides(self, key: str) -> int:
        """The first of two equal lengths."""
        value = self.values.get(key)
        if isinstance(value, list) and value and type(value[0]) is int and 0 < value[0] < LARGEST:
            return value[0]
        raise self.refuse(key, "a length, or a list of two")

    def number(self, key: str, default: float = 1.0) -> float:
        """A number above 0."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST:
            raise self.refuse(key, "a number above 0")
        return float(value)

    def text(self, key: str, default: str = "") -> str:
        """Text."""
        value = self.values.get(key, default)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.refuse(key, "text")
        return value

    def items(self, key: str) -> list[Any] | None:
        """A list, or None when the key is missing or null."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise self.refuse(key, "a list")
        return value

    def refuse(self, key: str, wanted: str) -> Refusal:
        """The refusal of a value, to raise."""
        shown = repr(self.values.get(key))
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        return Refusal(
            "bad_config", f"{self.where}: {key}", f"is {shown}, not {wanted}", "download config.json of the model again"
        )

    def _whole(self, key: str, least: int) -> int:
        value = self.values[key]
        if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < LARGEST:
            raise self.refuse(key, f"a whole number of {least} or more")
        return value
