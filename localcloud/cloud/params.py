"""Parameters of a call, as the RPC style flattens them: `Tag.1.Key`, `SecurityGroupIds.2`."""

import json
from collections.abc import Mapping
from typing import Self

from localcloud.errors import invalid, missing

TRUE = ("true", "True", "TRUE", "1")


class Params:
    """What a caller gave. Unknown parameters stay unread, as in the cloud; an empty value counts as absent."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return bool(self._values.get(name))

    def given(self, name: str) -> bool:
        """Whether the parameter is there, even if empty: how a description is cleared."""
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Its value, or the default."""
        return self._values.get(name) or default

    def need(self, *names: str) -> str:
        """The first of these that is given.

        Raises:
            ApiError: none is.
        """
        for name in names:
            if self._values.get(name):
                return self._values[name]
        raise missing(names[0])

    def number(self, name: str, default: int, least: int | None = None, most: int | None = None) -> int:
        """A whole number within bounds; raises ApiError otherwise."""
        text = self._values.get(name)
        if not text:
            return default
        try:
            value = int(float(text))
        except ValueError:
            raise invalid(name, f"{text} is no number") from None
        if (least is not None and value < least) or (most is not None and value > most):
            raise invalid(name, f"{value} is not within {least} and {most}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        text = self._values.get(name)
        return text in TRUE if text else default

    def items(self, *names: str) -> list[str]:
        """Values of `NAME.1`, `NAME.2`..., or of one JSON array, or a text with commas; under any of these names."""
        found: list[str] = []
        for name in names:
            found += [self._values[key] for key in self._keys(name) if self._values[key]]
            text = self._values.get(name, "")
            if text.startswith("["):
                try:
                    found += [str(item) for item in json.loads(text)]
                except json.JSONDecodeError:
                    raise invalid(name, "it is not a JSON array") from None
            elif text:
                found += text.split(",")
        return list(dict.fromkeys(found))

    def json_items(self, name: str) -> list[str]:
        """A parameter that is a JSON array of texts; empty when absent."""
        try:
            found = json.loads(self.text(name, "[]"))
        except json.JSONDecodeError:
            found = None
        if not isinstance(found, list):
            raise invalid(name, 'it is no JSON array such as ["i-1"]')
        return [str(item) for item in found]

    def structs(self, name: str) -> list[Self]:
        """Groups `NAME.1.Key`, `NAME.2.Key`... in order."""
        numbers = sorted({int(key.split(".")[0]) for key in self._after(name) if key.split(".")[0].isdigit()})
        return [self.sub(f"{name}.{number}") for number in numbers]

    def __bool__(self) -> bool:
        return any(self._values.values())

    def sub(self, name: str) -> Self:
        """What lies below `NAME.`."""
        return type(self)({key: self._values[f"{name}.{key}"] for key in self._after(name)})

    def tags(self) -> dict[str, str]:
        """`Tag.N.Key` and `Tag.N.Value`."""
        return {tag.need("Key"): tag.text("Value") for tag in self.structs("Tag")}

    def _after(self, name: str) -> list[str]:
        return [key[len(name) + 1 :] for key in self._values if key.startswith(f"{name}.")]

    def _keys(self, name: str) -> list[str]:
        numbers = sorted(int(key) for key in self._after(name) if key.isdigit())
        return [f"{name}.{number}" for number in numbers]
