"""Pictures of the graph and of the house, made from the code: `make pictures` writes docs/pictures.md.

Mermaid, which GitHub and editors draw, so that a change of the picture can be read as a change of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud_graph import graph
from tests.support.graph import dependencies, urn_name
from tests.support.import_graph import ImportGraph, tracked
from tests.support.paths import ROOT

PAGE = ROOT / "docs/pictures.md"
PACKAGES = ("stacks", "components", "planner", "toolchain", "localcloud")
Edges = Mapping[str, set[str]]
HEAD = """# Pictures

Made from the code by `make pictures`; a test sees that they are up to date.

## What waits for what

All resources of a preview of `Pulumi.dev.yaml`. Rented machines that look alike stand as one, `node-N`; a component
stands for what it is made of. An arrow leads to what is waited for; those that follow from others are left out.
"""
HOUSE = """
## Which room uses which

An arrow is an import; those that follow from others are left out. `__main__.py` uses `stacks`. `toolchain` and
`localcloud` use nothing of the rest, and the rest nothing of them.
"""


def of_resources(seen: Mapping[str, Any]) -> dict[str, set[str]]:
    """Edges between components: each resource stands for its component, machines that look alike are one."""
    components = {name for name, each in seen.items() if each.type.startswith("tandem:")}
    above = {name: urn_name(each.parent) for name, each in seen.items()}
    # A component of components says too little; a secret that it makes is none of them.
    made = {name for name in components if seen[name].type == "tandem:machine:GeneratedSecret"}
    whole = components - {above[name] for name in components - made}

    def place(name: str) -> str:
        shown = next((each for each in (name, above[name], above.get(above[name], "")) if each in whole), name)
        return re.sub(r"^(node-)\d+(-engine-image)?", r"\1N", shown)

    edges: dict[str, set[str]] = {}
    for name in seen:
        if seen[name].type == "pulumi:pulumi:Stack" or name in components - whole:
            continue
        own = edges.setdefault(place(name), set())
        own |= {place(each) for each in dependencies(seen, name) if each in seen}
    return {name: found - {name} for name, found in edges.items()}


def of_rooms() -> dict[str, set[str]]:
    """Edges between rooms: a folder of components, planner and localcloud, or a package as a whole."""
    found = ImportGraph(tracked(*(f"{package}/*.py" for package in PACKAGES)), ROOT)

    def room(module: str) -> str:
        first, *rest = module.split(".")
        deep = first in ("components", "stacks", "localcloud", "planner") and rest and (ROOT / first / rest[0]).is_dir()
        return f"{first}/{rest[0]}" if deep else first

    edges: dict[str, set[str]] = {}
    for module, imported in found.edges.items():
        edges.setdefault(room(module), set()).update(room(each) for each in imported)
    return {name: used - {name} for name, used in edges.items()}


def needed(edges: Edges) -> dict[str, set[str]]:
    """The edges that do not follow from others. In a circle all stay."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        left = [start]
        while left:
            for each in edges.get(left.pop(), ()):
                if each not in found:
                    found.add(each)
                    left.append(each)
        return found

    reach = {name: reached(name) for name in edges}

    def follows(name: str, each: str) -> bool:
        others = edges[name] - {each}
        return any(each in reach.get(other, ()) and name not in reach.get(other, ()) for other in others)

    return {name: {each for each in edges[name] if not follows(name, each)} for name in edges}


def drawn(edges: Edges, groups: Iterable[str] = ()) -> str:
    """A flow chart in Mermaid. Names that begin with `GROUP/` stand in a box of their own."""
    number = {name: f"n{at}" for at, name in enumerate(sorted({*edges, *(x for each in edges.values() for x in each)}))}
    lines = ["```mermaid", "flowchart TB"]
    inside = {name for name in number for group in groups if name.startswith(f"{group}/")}
    for group in groups:
        lines.append(f"  subgraph {group}_[{group}]")
        lines += [
            f'    {number[name]}["{name.partition("/")[2]}"]' for name in sorted(inside) if name.startswith(f"{group}/")
        ]
        lines.append("  end")
    lines += [f'  {number[name]}["{name}"]' for name in sorted(number) if name not in inside]
    lines += [f"  {number[name]} --> {number[each]}" for name in sorted(edges) for each in sorted(edges[name])]
    return "\n".join([*lines, "```"])


def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """The whole page."""
    resources = drawn(needed(of_resources(graph(monkeypatch, "dev"))))
    rooms = drawn(needed(of_rooms()), ("stacks", "components", "planner", "localcloud"))
    return f"{HEAD}\n{resources}\n{HOUSE}\n{rooms}\n"


def main(to: Path = PAGE) -> None:
    """Writes the page."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        to.write_text(page(monkeypatch))


if __name__ == "__main__":
    main()
