"""The catalog's tables, `data/*.yaml`: each entry becomes a named tuple, checked once when its file is first read.

A small strict loader instead of pydantic, whose import alone takes 0.1 s: importing `planner` may take 0.15 s, of which
a frozen dataclass takes five times as much as a named tuple.
"""

from __future__ import annotations

import os
import types
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Entry = TypeVar("Entry")
DATA = os.path.join(os.path.dirname(__file__), "data")  # noqa: PTH118, PTH120  # pathlib is slow to import


def entries(name: str, kind: type[Entry]) -> dict[str, Entry]:
    """A table's entries by their keys, in the file's order.

    Args:
        name: the file's, without `.yaml`.
        kind: named tuple of an entry, or a union of some.

    Raises:
        ValueError: an entry doesn't fit; which file, entry and field, and what is wanted there.
    """
    found: dict[str, Entry] = _entries(name, kind)  # type: ignore[arg-type]  # types are hashable
    return found


@cache
def _entries(name: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401  # a type, or a union of types
    # Together a fifth of the import of planner, whose tables may never be read.
    from pathlib import Path

    import yaml

    text = Path(DATA, f"{name}.yaml").read_text(encoding="utf-8")
    # libyaml, where PyYAML has it, is six times as fast.
    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are the safe loader
    return {key: convert(value, kind, f"{name}.yaml: {key}") for key, value in loaded.items()}


def convert(value: Any, wanted: Any, where: str) -> Any:  # noqa: ANN401, PLR0911  # one return a kind of type
    """A value as YAML gives it as one of the wanted type: a list becomes a tuple, an integer a float where asked.

    Args:
        value: of YAML.
        wanted: a named tuple, tuple, dict, union, Literal, Any, or a type that YAML itself has.
        where: what to name in an error.

    Raises:
        ValueError: it isn't of that type.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any or (origin is Literal and value in inner):
        return value
    if origin in (Union, types.UnionType):
        for each in inner:
            try:
                return convert(value, each, where)
            except ValueError as error:
                last = error
        raise last
    if origin is tuple and isinstance(value, list):
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(convert(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))
    if origin is dict and isinstance(value, dict):
        return {k: convert(v, inner[1], f"{where}.{k}") for k, v in value.items()}
    if hasattr(wanted, "_field_defaults") and isinstance(value, dict):
        return _build(value, wanted, where)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is wanted or (wanted is types.NoneType and value is None):
        return value
    raise ValueError(f"{where}: is {value!r}; {getattr(wanted, '__name__', wanted)} is wanted")


def _build(value: dict[str, Any], kind: Any, where: str) -> Any:  # noqa: ANN401  # a named tuple and its instance
    hints = _hints(kind)
    if unknown := sorted(set(value) - set(hints)):
        raise ValueError(f"{where}: has no field {unknown[0]}; fields are {', '.join(hints)}")
    if missing := [name for name in kind._fields if name not in value and name not in kind._field_defaults]:
        raise ValueError(f"{where}: lacks {missing[0]}")
    return kind(**{name: convert(each, hints[name], f"{where}.{name}") for name, each in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401  # a named tuple
    return get_type_hints(kind)
