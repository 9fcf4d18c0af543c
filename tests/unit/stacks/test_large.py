"""The search for cycles answers as the SDK's own on any graph, in whatever order it is declared."""

from __future__ import annotations

from typing import Any

import pulumi
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import resource_cycle_breaker

from stacks.large import search_for_cycles

NODES = 7
SDKS_OWN = resource_cycle_breaker._reachable


class Node(pulumi.Resource):
    """Nothing but an identity: no engine is asked."""

    def __init__(self) -> None:
        pass


def declared(edges: list[tuple[int, int]]) -> list[bool]:
    nodes: list[Any] = [Node() for _ in range(NODES)]
    return [resource_cycle_breaker.declare_dependency(nodes[a], nodes[b]) for a, b in edges]


@given(st.lists(st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)), max_size=40))
def test_the_search_for_cycles_answers_as_the_sdks(edges):
    expected = declared(edges)
    try:
        resource_cycle_breaker._reachable = search_for_cycles()  # type: ignore[assignment] # a callable for a def
        assert declared(edges) == expected
    finally:
        resource_cycle_breaker._reachable = SDKS_OWN


def test_a_cycle_is_found():
    resource_cycle_breaker._reachable = search_for_cycles()  # type: ignore[assignment] # a callable for a def
    try:
        assert declared([(0, 1), (1, 2), (2, 0), (3, 3), (2, 4)]) == [True, True, False, False, True]
    finally:
        resource_cycle_breaker._reachable = SDKS_OWN
