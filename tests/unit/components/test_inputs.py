"""Values combined: what they are, whether they are secret, and what they depend on."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from components.machine.inputs import combined


def run(coroutine):
    """In a loop of its own: `asyncio.run` would leave the thread without one, which other tests' Pulumi needs."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"b": "1", "a": None, "port": 22}, {"b": "1", "a": None, "port": 22}),
        ({"nested": {"list": ["x", 1]}}, {"nested": {"list": ["x", 1]}}),
    ],
)
def test_plain_values_are_known_at_once(values, expected):
    async def found():
        output = combined(values)
        return await output.future(), await output.is_secret()

    assert run(found()) == (expected, False)


def test_outputs_are_awaited_wherever_they_stand_and_a_secret_hides_all():
    async def found():
        awaited, secret = pulumi.Output.from_input("later"), pulumi.Output.secret("key")
        output = combined({"plain": "1", "awaited": awaited, "jump": {"keys": [secret], "host": "h"}})
        return await output.future(), await output.is_secret()

    expected = {"plain": "1", "awaited": "later", "jump": {"keys": ["key"], "host": "h"}}
    assert run(found()) == (expected, True)


def test_what_is_unknown_leaves_all_unknown():
    async def known():
        unknown = pulumi.Output(set(), asyncio.sleep(0, None), asyncio.sleep(0, False))
        return await combined({"plain": "1", "unknown": unknown}).is_known()

    assert not run(known())
